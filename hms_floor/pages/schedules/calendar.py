"""The calendar of one week: runs that were, with their state, and those that are planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import groupby
from typing import Any

from nicegui import ui

from hms_floor.pages.parts.html import link
from hms_floor.pages.parts.live_section import Section
from hms_floor.pages.sign_in.api_client import Asking
from hms_oms.runtime import clock

DAYS = 7
#: So many entries of one schedule are named on a day; more are told as a number with the first and the last.
MOST_NAMED = 4


def monday_of(written: str | None, zone: tzinfo) -> date:
    """The Monday of the week that an address names by one of its days, else of this week."""
    day = datetime.now(zone).date()
    if written is not None:
        with suppress(ValueError):
            day = date.fromisoformat(written)
    day = min(max(day, date(2000, 1, 3)), date(2190, 1, 1))
    return day - timedelta(days=day.weekday())


class Week:
    """A week from a Monday on, by the reader's clock."""

    def __init__(self, first: date, zone: tzinfo) -> None:
        self._first, self._zone = first, zone
        with ui.element("section").classes("card"):
            with ui.element("div").classes("spread"):
                with ui.element("h2"):
                    ui.label(f"Week of {first:%d %B %Y}")
                with ui.element("nav").classes("row").props('aria-label="Weeks"'):
                    for label, days in (("Week before", -DAYS), ("Week after", DAYS)):
                        link(label, f"/floor/schedules?week={first + timedelta(days=days)}")
                    link("This week", "/floor/schedules")
            self._days = Section()

    async def refresh(self, ask: Asking) -> None:
        """Read the week again."""
        since, until = (
            clock.midnight(self._first + timedelta(days=days), self._zone).astimezone(UTC)
            for days in (0, DAYS)
        )
        answer = await ask.get("/calendar", **{"from": since.isoformat(), "to": until.isoformat()})
        entries = answer["entries"]
        today = datetime.now(self._zone).date()
        self._days.show((entries, today), lambda: self._build(entries, today))

    def _build(self, entries: Sequence[Mapping[str, Any]], today: date) -> None:
        with ui.element("ol").classes("week"):
            for number in range(DAYS):
                day = self._first + timedelta(days=number)
                theirs = [entry for entry in entries if self._when(entry).date() == day]
                with ui.element("li").classes("today" if day == today else ""):
                    with ui.element("h3"):
                        ui.label(f"{day:%a %d}" + (", today" if day == today else ""))
                    if not theirs:
                        ui.label("nothing").classes("faint")
                    for line in lines(theirs, self._when):
                        _entry(*line)

    def _when(self, entry: Mapping[str, Any]) -> datetime:
        return datetime.fromisoformat(entry["at"]).astimezone(self._zone)


def lines(
    entries: Sequence[Mapping[str, Any]], when: Callable[[Mapping[str, Any]], datetime]
) -> list[tuple[str, str, str]]:
    """The lines of a day by time: when, which schedule, and what became of it."""

    def by(entry: Mapping[str, Any]) -> tuple[str, str]:
        return entry["schedule"], entry["state"]

    timed = []
    for (name, state), group in groupby(sorted(entries, key=by), key=by):
        times = [when(entry) for entry in group]
        if len(times) > MOST_NAMED:
            text = f"{times[0]:%H:%M} to {times[-1]:%H:%M}, {len(times)} times"
            timed.append((times[0], text, name, state))
        else:
            timed += [(at, f"{at:%H:%M}", name, state) for at in times]
    return [(text, name, state) for _, text, name, state in sorted(timed)]


def _entry(when: str, name: str, state: str) -> None:
    with ui.element("div").classes(f"entry {state}"):
        ui.label(when).classes("number")
        link(name, f"/floor/schedules/{name}")
        ui.label(state).classes("state")
