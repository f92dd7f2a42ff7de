"""Find the API and a badge for it: as given, from the environment, or of the floor that runs here."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from hms_oms.api.errors import Unauthorized
from hms_oms.runtime import settings
from hms_oms.runtime.errors import ConfigError

#: The badge of a running floor, in its home; for its owner only.
BADGE_FILE = "badge"


@dataclass(frozen=True)
class Address:
    """The API's URL, and the badge that is shown there."""

    url: str
    badge: str = field(repr=False)


def find(url: str | None = None, badge: str | None = None) -> Address:
    """Complete what is given from HMS_URL and HMS_BADGE, then from the floor that runs under HMS_HOME.

    The badge in the home is shown to an API on this machine and to no other. Raises ConfigError where no
    API is named, Unauthorized where there is no badge for it.
    """
    configured = settings.load()
    place = url or configured.url or configured.floor_url
    if place is None:
        fault = (
            f"no floor is running in {configured.home}, and HMS_URL is not set: start one with `hms up`,"
            " point HMS_HOME at the home of a running one, or set HMS_URL and HMS_BADGE"
        )
        raise ConfigError([fault])
    host = _host(place)
    if not place.startswith(("http://", "https://")) or not host:
        raise ConfigError(["the API's URL must begin with http:// or https:// and name a host"])
    shown = badge or configured.badge
    if shown is None and not is_here(place):
        raise Unauthorized(
            f"there is no badge for {host}: set HMS_BADGE (`hms badge issue` makes badges there)"
        )
    token = shown or _of_home(configured.home / BADGE_FILE)
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Unauthorized("what should be a badge is not one: a badge is one word of ASCII characters")
    return Address(place.rstrip("/"), token)


def is_here(url: str) -> bool:
    """Whether a URL leads to this machine, whatever else answers there."""
    host = _host(url)
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _of_home(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
                raise Unauthorized(f"{path} can be read by others: `chmod 600 {path}`, and issue a new badge")
            return file.read().strip()
    except FileNotFoundError:
        raise Unauthorized(
            f"there is no badge: HMS_BADGE is not set and there is no {path}; `hms up` makes one"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Unauthorized(f"{path} cannot be read: {error}") from None
