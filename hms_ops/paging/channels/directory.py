"""The channels of this machine: names in a private file, each with its address, which is a secret.

The file is TOML, `ops-slack = "slack://..."`. Addresses leave it for the service alone: they stand in no
ledger, log, argument, representation or metric.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from hms_oms.messages.recipients import CHANNEL_NAME
from hms_oms.runtime.errors import HmsError
from hms_oms.runtime.settings import Settings

FILE = "channels.toml"
_HEADER = "# The channels that pages may go to, by name: addresses of Apprise. Keep them secret.\n"


class BadChannels(HmsError):
    """The file of the channels cannot be used; the message repeats no address."""


def path(settings: Settings) -> Path:
    """The file of the channels."""
    return settings.channels or settings.home / FILE


def read(settings: Settings) -> Mapping[str, str]:
    """The address of each channel, by name; none where there is no file. Raises BadChannels."""
    file = path(settings)
    try:
        text, mode = file.read_text(encoding="utf-8-sig"), file.stat().st_mode
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise BadChannels(f"{file} is not text") from None
    except OSError as error:
        raise BadChannels(f"{file} cannot be read: {error.strerror}") from None
    # Who names a file of their own, as containers do, sees to who may read it.
    if settings.channels is None and mode & 0o077:
        raise BadChannels(f"{file} may be read by others: chmod 600 {file}")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The parser's words may quote what stands there.
        place = re.search(r"\(at [^)]*\)$", str(error))
        raise BadChannels(f"{file} is not TOML {place[0] if place else ''}".rstrip()) from None
    for name, address in document.items():
        if not is_name(name):
            raise BadChannels(f"{file}: {name!r} is no name of a channel, as ops-slack is")
        if not isinstance(address, str):
            raise BadChannels(f"{file}: the address of {name} is not text")
    return document


def is_name(name: str) -> bool:
    """Whether a channel may be called so."""
    return re.fullmatch(CHANNEL_NAME, name) is not None


def written(channels: Mapping[str, str]) -> str:
    """The text of a file with these channels."""
    # A string of JSON is one of TOML, too.
    lines = (f"{name} = {json.dumps(address)}\n" for name, address in sorted(channels.items()))
    return _HEADER + "".join(lines)
