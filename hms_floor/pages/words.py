"""How pages tell numbers, times and phones, so that they fit where they stand and do not jump."""

from __future__ import annotations

from datetime import datetime, timedelta

from nicegui import ui

from hms_floor.cli import show
from hms_floor.cli.masking import MASK


def put(label: ui.label, told: str) -> None:
    """Set a label's text where it is another one: what has not changed is not sent."""
    if label.text != told:
        label.set_text(told)


def count(number: int, what: str) -> str:
    """A number of things: `1 text`, `1,204 texts`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def seconds(length: float | None) -> str:
    """A length of time that fits into a card: `27 ms`, `3.0 s`, `6:56 min`, `2 h 5 min`."""
    if length is None:
        return "-"
    if 59.95 <= length < 3600:
        return f"{int(length) // 60}:{int(length) % 60:02d} min"
    return show.span(timedelta(seconds=length))


def promise(minutes: float | None) -> str:
    """An SLA: `10 min`, `48 h`."""
    if minutes is None:
        return "-"
    return f"{minutes / 60:g} h" if minutes >= 120 and minutes % 60 == 0 else show.minutes(minutes)


def percent(share: float | None) -> str:
    """A share in percent; neither 0 nor 100 unless it is exactly that."""
    return "-" if share is None else show.share(round(share * 100000), 100000)


def clock(when: datetime | None) -> str:
    """A time of today by the reader's clock, and the day with it where it is another one."""
    if when is None:
        return "-"
    here = when.astimezone()
    return f"{here:%H:%M}" if here.date() == datetime.now(here.tzinfo).date() else f"{here:%m-%d %H:%M}"


def phone(number: str) -> str:
    """A phone by its last four digits: the floor hangs on a wall."""
    return MASK + number[-4:]
