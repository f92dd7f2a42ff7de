"""Format numbers, times and phones for pages, so that they fit their place and do not jump."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from hms_floor.presentation.masking import MASK
from hms_oms.runtime import format
from hms_oms.runtime.format import count as count
from hms_oms.runtime.format import percent as percent

#: What turns the direction of the words beside it, or is no character of a text; lines may end.
_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(words: str) -> str:
    """Words that somebody has sent, with a sign in the place of each character that would steer."""
    return _STEERS.sub("\ufffd", words)


def put(label: TextElement, text: str) -> None:
    """Set a label's text where it is another one: what has not changed is not sent."""
    text = visible(text)
    if label.text != text:
        label.set_text(text)


def zone() -> ZoneInfo:
    """The time zone of this page: the office's, or the one that its reader has chosen."""
    reader: ZoneInfo = ui.context.client.request.scope["state"]["visitor"].zone
    return reader


def moment(when: datetime | str | None) -> str | None:
    """A day and a time with its zone, of a moment or of one in an answer; None stays None."""
    return None if when is None else format.moment(_moment(when), zone())


def minute(when: datetime | str) -> str:
    """A day and a time to the minute, with its zone."""
    return format.minute(_moment(when), zone())


def short(when: datetime | str) -> str:
    """A time for tables, without its year, with its zone."""
    return format.short(_moment(when), zone())


def hour(when: datetime | str) -> str:
    """A time of day by the reader's clock, as 19:00."""
    return f"{_moment(when).astimezone(zone()):%H:%M}"


def seconds(length: float | None) -> str:
    """A measured length of time, or a dash."""
    return "-" if length is None else format.span(length)


def a_minute(rate: float | None) -> str:
    """Jobs a second as jobs a minute, or a dash."""
    return "-" if rate is None else f"{60 * rate:,.0f}"


def sla(minutes: float | None) -> str:
    """An SLA, or a dash."""
    return "-" if minutes is None else format.minutes(minutes)


def clock(when: datetime | None) -> str:
    """A time of today by the reader's clock, and the day with it if it is another one."""
    return "-" if when is None else format.hour_or_day(when, zone(), datetime.now(UTC))


def as_of(when: str) -> str:
    """When something was foreseen, of an answer."""
    return f"as of {_moment(when).astimezone(zone()):%H:%M:%S}"


def predicted_end(job: Mapping[str, Any]) -> str:
    """When a job of an answer will end if nothing changes; empty if that was not foreseen."""
    ends = None if job["predictedEnd"] is None else _moment(job["predictedEnd"])
    due, now = _moment(job["slaExpires"]), datetime.now(UTC)
    return format.predicted_end(ends, due, zone(), now, at_risk=job["atRisk"])


def phone(number: str) -> str:
    """A phone by its last four digits: the floor hangs on a wall."""
    return MASK + number[-4:]


def _moment(when: datetime | str) -> datetime:
    return datetime.fromisoformat(when) if isinstance(when, str) else when
