"""A queue's charts: its waits against the SLA, its length, its throughput, and demand against capacity."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from nicegui import run, ui

from hms_floor.pages.live import capacity as demands
from hms_floor.pages.live import feed
from hms_floor.pages.parts.charts import charts, history
from hms_floor.presentation.overview import Card
from hms_floor.presentation.past.points import Point

#: How far back the charts can reach: name, seconds, and how far apart points with a gap between them are.
_REACHES = {
    "5 minutes": (feed.REACH_SECONDS, 150.0),
    "24 hours": (feed.DAY_REACH_SECONDS, 2.5 * feed.DAY_STEP_SECONDS),
}
_TITLES = {
    "waits": "Wait of a job until it begins",
    "length": "Jobs that are open",
    "rate": "Jobs done a minute",
    "demand": "Jobs due by then, and what the workers get done",
}


class QueueCharts:
    """The charts of one queue; the reader chooses how far they reach back."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._card: Card | None = None
        self._drawn_day = float("-inf")
        self._reach = ui.toggle(list(_REACHES), value="5 minutes", on_change=self._turn)
        self._reach.props("dense no-caps").classes("reach")
        self._charts: dict[str, ui.echart] = {}
        with ui.element("div").classes("pair two"):
            for key, title in _TITLES.items():
                with ui.element("figure"):
                    with ui.element("h2"):
                        ui.label(title)
                    self._charts[key] = charts.show(charts.lines({}), f"{name}: {title}", tall=True)

    def draw(self, card: Card) -> None:
        """Draw what is new; the day changes once in a while only."""
        self._card = card
        short = self._reach.value == "5 minutes"
        if short or time.monotonic() - self._drawn_day > feed.DAY_SECONDS / 2:
            self._drawn_day = time.monotonic()
            self._past(card, feed.trail(self._name) if short else feed.day(self._name))

    def _turn(self) -> None:
        self._drawn_day = float("-inf")
        if self._card is not None:
            self.draw(self._card)

    def _past(self, card: Card, points: Sequence[Point]) -> None:
        seconds, apart = _REACHES[self._reach.value]
        day = self._reach.value == "24 hours"
        reach = feed.reach(seconds)

        def drawn(values: Mapping[str, Callable[[Point], float | None]]) -> dict[str, charts.Points]:
            lasts = feed.DAY_STEP_SECONDS if day else 0.0
            return {title: history.line(points, value, apart, lasts) for title, value in values.items()}

        limit = ("SLA", 60 * card.sla_minutes) if card.sla_minutes else None
        waits = drawn({"mean": lambda point: point.wait, "p95": lambda point: point.wait_p95})
        if day:
            waits |= drawn({"mean, most of a minute": lambda point: point.wait_most})
        # What stands for ten minutes is drawn as steps: a slope would tell of times between that nobody saw.
        options = charts.lines(
            waits, unit="seconds", limit=limit, reach=reach, steps=tuple(waits) if day else ()
        )
        charts.replace(self._charts["waits"], options)
        lengths = drawn(
            {
                "open": lambda point: point.open,
                "running": lambda point: point.running,
                "late": lambda point: point.late,
            }
        )
        if day:
            lengths |= drawn({"open, least": lambda point: point.open_least})
            lengths |= drawn({"open, most": lambda point: point.open_most})
        colours = (charts.BLUE, charts.GREEN, charts.RED, charts.GREY, charts.ORANGE)
        options = charts.lines(
            lengths, colours, unit="jobs", reach=reach, steps=tuple(lengths) if day else ()
        )
        charts.replace(self._charts["length"], options)
        rate = drawn({"a minute" if not day else "mean": lambda point: _a_minute(point.rate)})
        if day:
            rate |= drawn({"least": lambda point: _a_minute(point.rate_least)})
            rate |= drawn({"most": lambda point: _a_minute(point.rate_most)})
        # Counts of five seconds each, drawn as they were counted.
        steps = tuple(rate)
        rates = (charts.GREEN, charts.GREY, charts.ORANGE)
        options = charts.lines(rate, rates, area=not day, reach=reach, steps=steps)
        charts.replace(self._charts["rate"], options)

    async def draw_demand(self) -> None:
        """Draw what is due when, against what will be done."""
        view = feed.look()
        if self._card is None or view is None:
            return
        demand = await run.io_bound(feed.due, self._name, self._card.open)
        needed, done = demands.lines(demand or (), self._card, view.board.now)
        drawn = charts.lines(
            {"due": needed, "done": done},
            (charts.BLUE, charts.GREEN),
            unit="jobs",
            reach=(needed[0][0], needed[-1][0]) if needed else feed.reach(),
            steps=("due",),
        )
        charts.replace(self._charts["demand"], drawn)


def _a_minute(rate: float | None) -> float | None:
    return None if rate is None else 60 * rate
