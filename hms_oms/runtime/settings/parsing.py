"""Parsers of settings: text from the environment becomes a value, or a ValueError says what it must be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from hms_oms.runtime import clock


def path(text: str) -> Path:
    """Read a path; `~` is the home of the user."""
    return Path(text).expanduser().resolve()


def existing_folder(text: str) -> Path:
    """Read the path of a folder that is there."""
    folder = path(text)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    return folder


def url(*schemes: str) -> Callable[[str], str]:
    """Read a URL of one of these schemes."""

    def parse(text: str) -> str:
        # The value may hold a password: no message repeats more of it than its scheme.
        scheme = urlsplit(text).scheme
        if scheme not in schemes:
            raise ValueError(f"the scheme must be one of {', '.join(schemes)}, not {scheme!r}")
        return text

    return parse


def zone(text: str) -> str:
    """Read the name of a time zone."""
    return clock.zone(text).key


def number(least: int, most: int) -> Callable[[str], int]:
    """Read a whole number within bounds."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return parse


def badge(text: str) -> str:
    """Read a badge."""
    # Anyone who holds the badge may act: no message repeats any of it.
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is not a badge: a badge is one word of letters, digits, '-', '_' and '.'")
    return text


def words(text: str) -> str:
    """Read text of one line."""
    if not text.isprintable():
        raise ValueError(f"holds what cannot be printed: {text!r}")
    return text


def hosts(text: str) -> tuple[str, ...]:
    """Read names of hosts with commas between."""
    names = tuple(name.strip().lower() for name in text.split(","))
    for name in names:
        if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", name):
            raise ValueError(f"must be hosts with commas between, as files.example.gov, not {name!r}")
    return names


def jwks(text: str) -> str:
    """Read where the keys of an identity provider are: a URL or a file."""
    if urlsplit(text).scheme == "https":
        return text
    file = path(text)
    if not file.is_file():
        raise ValueError(f"must be an https URL or a file; there is no file {file}")
    return str(file)


def one_of(*words: str, fold: Callable[[str], str] = str.lower) -> Callable[[str], str]:
    """Read one of these words."""

    def parse(text: str) -> str:
        if fold(text) not in words:
            raise ValueError(f"must be one of {', '.join(words)}, not {text!r}")
        return fold(text)

    return parse


def yes_or_no(text: str) -> bool:
    """Read yes or no."""
    return one_of("yes", "no")(text) == "yes"


def rate(text: str) -> float:
    """Read how many a second."""
    try:
        per_second = float(text)
    except ValueError:
        per_second = math.nan
    if not 0.01 <= per_second <= 1000:
        raise ValueError(f"must be a number from 0.01 to 1000, not {text!r}")
    return per_second


def duration(least_days: int) -> Callable[[str], timedelta | None]:
    """Read how long something is kept."""

    def parse(text: str) -> timedelta | None:
        length = clock.read_duration(text)
        if length is not None and length.days < least_days:
            raise ValueError(f"must be {least_days}d at least, not {text!r}")
        return length

    return parse


def base_url(text: str) -> str:
    """Read the URL under which other paths are."""
    # What is appended to it must make a URL, and what is in it is shown to others.
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https URL, as https://hms.example.org")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("must be a URL without a user, a query or a fragment")
    return text.rstrip("/")


def public_url(text: str) -> str:
    """Read the URL under which the world reaches the floor."""
    base = base_url(text)
    below = urlsplit(base).path
    # The path goes into links, scripts and cookies.
    if not re.fullmatch(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*", below):
        raise ValueError(
            f"its path must be of letters, digits, '-', '_', '.' and '~', as /hms, not {below!r}"
        )
    return base


def issuer(text: str) -> str:
    """Read the issuer of an OpenID provider: https, or http on this machine."""
    base = base_url(text)
    host = urlsplit(base).hostname or ""
    if urlsplit(base).scheme != "https" and host not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError("must be an https URL")
    # Compared letter by letter with what the provider calls itself: a slash at its end counts.
    return text


@dataclass(frozen=True, slots=True)
class Granted:
    """What somebody with a value of the roles claim gets."""

    value: str
    roles: tuple[str, ...]
    queues: tuple[str, ...]


def granted(text: str) -> tuple[Granted, ...]:
    """Read what values of a claim are worth: `hms-admins=admin+manager; field=agent@farm-grant`."""
    grants = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        # A value may be a distinguished name, with signs of its own.
        value, _, given = part.rpartition("=")
        roles, _, queues = given.partition("@")
        if not value.strip() or not roles.strip():
            raise ValueError(
                f"must be VALUE=ROLE+ROLE@QUEUE with semicolons between, as hms-admins=admin, not {part!r}"
            )
        grants.append(Granted(value.strip(), _names(roles), _names(queues)))
    return tuple(grants)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split("+") if name.strip())


def networks(text: str) -> str:
    """Read networks with commas between them."""
    for part in text.split(","):
        try:
            ip_network(part.strip())
        except ValueError:
            raise ValueError(
                "must be networks with commas between them, as 127.0.0.0/8, 10.2.0.0/16;"
                f" {part.strip()!r} is none"
            ) from None
    return text


def matching(pattern: str, what: str, *, secret: bool = False) -> Callable[[str], str]:
    """Read text that matches `pattern`, which is `what`; no message repeats what is `secret`."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {what}" + ("" if secret else f", not {text!r}"))
        return text

    return parse
