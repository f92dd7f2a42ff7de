"""What a line of the audit trail says beside who did what: its detail, as people read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Of a list no more than so many are named.
NAMED = 3
_NAMES = {"startsPerMinute": "starts a minute", "slaMinutes": "minutes"}


def detail(given: Mapping[str, Any] | None) -> str:
    """The fields of a detail in words, as `jobs 598, filter: queue farm-grant, status open`."""
    return ", ".join(_field(name, value) for name, value in (given or {}).items() if _says(name, value))


def _says(name: str, value: Any) -> bool:
    """Whether a field says anything; every change is a real one, so that it was no trial says nothing."""
    return name == "startsPerMinute" or (name != "dryRun" and value is not None and value not in ([], {}))


def _field(name: str, value: Any) -> str:
    if name == "startsPerMinute" and value is None:
        return "no limit of starts a minute"
    separator = ":" if isinstance(value, Mapping) else ""
    return f"{_NAMES.get(name, _spaced(name))}{separator} {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return detail(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        more = f" and {len(value) - NAMED:,} more" if len(value) > NAMED else ""
        return " ".join(map(str, value[:NAMED])) + more
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _spaced(name: str) -> str:
    """`createdTo` as `created to`."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
