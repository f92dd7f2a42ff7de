"""Read the variables of the environment that are settings."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

_FILE = "_FILE"
#: What Kubernetes sets in every container for a service called `hms-...`; `..._PORT` only with such a value.
_OF_A_SERVICE = re.compile(
    r"HMS(_[A-Z0-9]+)*_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_PORT_OF_A_SERVICE = re.compile(r"(tcp|udp|sctp)://[^/]+:\d+")


def named(environ: Mapping[str, str], secrets: Collection[str], faults: list[str]) -> dict[str, str]:
    """The variables that begin with HMS_, with the contents of the files that hold `secrets`.

    A secret called NAME may be in the file that NAME_FILE names, as containers are given them. What cannot
    be read is added to `faults`. The variables that Kubernetes sets for services are left out.
    """
    values = {
        name: text
        for name, text in environ.items()
        if name.startswith("HMS_") and not _is_service(name, text)
    }
    for name in secrets:
        path = values.pop(name + _FILE, None)
        if path is None:
            continue
        if name in values:
            faults.append(f"{name} and {name}{_FILE} are both set: leave one of them out")
            continue
        try:
            values[name] = _read(Path(path))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            faults.append(f"{name}{_FILE}: {path} cannot be used: {why}")
    return values


def _is_service(name: str, text: str) -> bool:
    if _OF_A_SERVICE.fullmatch(name):
        return True
    return name.endswith("_PORT") and _PORT_OF_A_SERVICE.fullmatch(text) is not None


def _read(path: Path) -> str:
    # An error of decoding would quote what it could not read.
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError("it is not text") from None
    if len(lines) != 1 or not lines[0].strip():
        raise ValueError(f"it holds {len(lines)} lines; a secret is one")
    return lines[0]
