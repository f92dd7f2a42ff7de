"""A queue's charts: its waits against the SLA, its length, its throughput, and demand against capacity."""

from __future__ import annotations

from collections.abc import Mapping

from nicegui import run, ui

from hms_floor.pages.live import capacity as demands
from hms_floor.pages.live import feed
from hms_floor.pages.parts.charts import charts, timeline
from hms_floor.pages.parts.charts.timeline import Field, Timeline
from hms_floor.presentation.overview import Card
from hms_floor.presentation.past.past import Past
from hms_floor.presentation.past.points import Point
from hms_floor.presentation.past.window import Window

_TITLES = {
    "waits": "Wait of a job until it begins",
    "length": "Jobs that are open",
    "rate": "Jobs done a minute",
    "demand": "Jobs due by then, and what the workers get done",
}


class QueueCharts:
    """The charts of one queue: those of the page's window of time, and one of what is ahead."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._card: Card | None = None
        self._timelines: dict[str, Timeline] = {}
        with ui.element("div").classes("pair two"):
            for key, title in _TITLES.items():
                with ui.element("figure"):
                    with ui.element("h2"):
                        ui.label(title)
                    if key == "demand":
                        self._demand = charts.show(charts.lines({}), f"{name}: {title}", tall=True)
                    else:
                        self._timelines[key] = Timeline(f"{name}: {title}")

    def show(self, card: Card) -> None:
        """Draw from now on with the SLA and the number of open jobs of this card."""
        self._card = card

    def draw(self, past: Past, window: Window) -> None:
        """Draw how the queue went in the window of time."""
        minutes = self._card.sla_minutes if self._card else None
        self._timelines["waits"].draw(
            past,
            _WAITS if past.by_moments else {**_WAITS, **_MOST_WAITS},
            (charts.BLUE, charts.ORANGE, charts.GREEN),
            behind=_behind(window, "mean", _WAITS),
            unit="seconds",
            limit=("SLA", 60 * minutes) if minutes else None,
        )
        self._timelines["length"].draw(
            past,
            _LENGTHS if past.by_moments else {**_LENGTHS, **_BOUNDS},
            (charts.BLUE, charts.GREEN, charts.RED, charts.GREY, charts.ORANGE),
            behind=_behind(window, "open", _LENGTHS),
            unit="jobs",
        )
        # Counts of five seconds each are drawn as they were counted, by steps.
        self._timelines["rate"].draw(
            past,
            _RATES if past.by_moments else {**_RATES, **_RATE_BOUNDS},
            (charts.GREEN, charts.GREY, charts.ORANGE),
            behind=_behind(window, "mean", _RATES),
            steps=True,
            area=past.by_moments,
        )

    async def draw_demand(self) -> None:
        """Draw what is due when, against what will be done."""
        view = feed.look()
        if self._card is None or view is None:
            return
        demand = await run.io_bound(feed.due, self._name, self._card.open)
        needed, done = demands.lines(demand or (), self._card, view.board.now)
        reach = feed.reach()
        drawn = charts.lines(
            {"due": needed, "done": done},
            (charts.BLUE, charts.GREEN),
            unit="jobs",
            reach=(needed[0][0], needed[-1][0]) if needed else reach and charts.milliseconds(*reach),
            steps=("due",),
        )
        charts.replace(self._demand, drawn)


def _behind(window: Window, name: str, fields: Mapping[str, Field]) -> tuple[str, Field] | None:
    """The line behind one of the lines, if the window has any."""
    return None if window.behind is None else (f"{name}, {timeline.BEHIND[window.behind]}", fields[name])


def a_minute(point: Point) -> float | None:
    """The jobs done a minute at a point."""
    return _a_minute(point.rate)


def _a_minute(rate: float | None) -> float | None:
    return None if rate is None else 60 * rate


_WAITS: Mapping[str, Field] = {"mean": lambda point: point.wait, "p95": lambda point: point.wait_p95}
_MOST_WAITS: Mapping[str, Field] = {"mean, most of a minute": lambda point: point.wait_most}
_LENGTHS: Mapping[str, Field] = {
    "open": lambda point: point.open,
    "running": lambda point: point.running,
    "late": lambda point: point.late,
}
_BOUNDS: Mapping[str, Field] = {
    "open, least": lambda point: point.open_least,
    "open, most": lambda point: point.open_most,
}
_RATES: Mapping[str, Field] = {"mean": a_minute}
_RATE_BOUNDS: Mapping[str, Field] = {
    "least": lambda point: _a_minute(point.rate_least),
    "most": lambda point: _a_minute(point.rate_most),
}
