"""Words for the detail of an audit line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

#: Tells a moment by the reader's clock.
Tell = Callable[[datetime], str]

#: Of a list no more than so many are named.
NAMED = 3
_NAMES = {
    "startsPerMinute": "starts a minute",
    "atOnce": "jobs at once",
    "slaMinutes": "minutes",
    "before": "until then",
}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d[\d:.]*(Z|[+-]\d\d:\d\d)")
#: What comes last, however it is stored; what was done comes first.
_LAST = ("before", "ids")


def detail(given: Mapping[str, Any] | None, tell: Tell) -> str:
    """The fields of a detail in words, as `action cancel, jobs 598, filter: queue farm-grant`."""
    fields = sorted((given or {}).items(), key=lambda field: (field[0] != "action", field[0] in _LAST))
    return ", ".join(_field(name, value, tell) for name, value in fields if _says(name, value))


def _says(name: str, value: Any) -> bool:
    """Whether a field says anything; every change is a real one, so that it was no trial says nothing."""
    return name == "startsPerMinute" or (name != "dryRun" and value is not None and value not in ([], {}))


def _field(name: str, value: Any, tell: Tell) -> str:
    if name == "startsPerMinute" and value is None:
        return "no limit of starts a minute"
    separator = ":" if isinstance(value, Mapping) else ""
    return f"{_NAMES.get(name, _spaced(name))}{separator} {_value(value, tell)}"


def _value(value: Any, tell: Tell) -> str:
    if isinstance(value, Mapping):
        return detail(value, tell)
    if isinstance(value, str):
        return tell(datetime.fromisoformat(value)) if _MOMENT.fullmatch(value) else value
    if isinstance(value, Sequence):
        more = f" and {len(value) - NAMED:,} more" if len(value) > NAMED else ""
        return " ".join(map(str, value[:NAMED])) + more
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _spaced(name: str) -> str:
    """`createdTo` as `created to`."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
