"""Who is called tonight, in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

#: Until when somebody is called, and who; nobody without names.
Turn = tuple[datetime | str, Sequence[str]]


def tonight(turns: Sequence[Turn], tell: Callable[[datetime | str], str]) -> str:
    """As `Tonight: ada until 19:00, then grace.`; `tell` tells a time of day."""
    *before, (_, last) = turns
    if not before:
        return f"Tonight {_names(last)} {'are' if len(last) > 1 else 'is'} called."
    parts = ", ".join(f"{_names(names)} until {tell(until)}" for until, names in before)
    return f"Tonight: {parts}, then {_names(last)}."


def _names(names: Sequence[str]) -> str:
    return " and ".join(names) or "nobody"
