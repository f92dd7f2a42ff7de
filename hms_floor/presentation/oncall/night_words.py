"""Who is called now and tonight, and until when, in a sentence each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

#: Until when somebody is called, and who; nobody without names.
Turn = tuple[datetime | str, Sequence[str]]
#: Tells a time of day.
Tell = Callable[[datetime | str], str]


def now(names: Sequence[str], following: Turn | None, tell: Tell) -> str:
    """As `Now: ada until 19:00, then grace.`; of `following`, the time is that of its beginning."""
    if following is None:
        return f"Now {_called(names)}."
    since, others = following
    return f"Now: {_names(names)} until {tell(since)}, then {_names(others)}."


def tonight(turns: Sequence[Turn], tell: Tell) -> str:
    """As `Tonight: ada until 19:00, then grace.`."""
    *before, (_, last) = turns
    if not before:
        return f"Tonight {_called(last)}."
    parts = ", ".join(f"{_names(names)} until {tell(until)}" for until, names in before)
    return f"Tonight: {parts}, then {_names(last)}."


def _called(names: Sequence[str]) -> str:
    return f"{_names(names)} {'are' if len(names) > 1 else 'is'} called"


def _names(names: Sequence[str]) -> str:
    return " and ".join(names) or "nobody"
