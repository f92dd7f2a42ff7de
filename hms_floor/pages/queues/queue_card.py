"""A queue's card on the floor: its light, its numbers, its last five minutes and its day."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nicegui import ui

from hms_floor.pages.live import feed
from hms_floor.pages.parts import format
from hms_floor.pages.parts.charts import charts, history
from hms_floor.pages.parts.format import put
from hms_floor.pages.parts.html import link
from hms_floor.presentation import headline, overview
from hms_floor.presentation.overview import Card

#: Points of a chart that are further apart than this many steps have a gap between them.
_GAP_STEPS = 2.5


class QueueCard:
    """One queue. Every card has the same size whatever happens, so that nothing jumps."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._was = "unknown"
        self._late_wait = False
        self._numbers: dict[str, ui.label] = {}
        self.box = ui.element("section").classes("card queue unknown").props(f'aria-label="Queue {name}"')
        with self.box:
            with ui.element("div").classes("spread"):
                with ui.element("h2"):
                    link(name, f"/floor/queues/{name}")
                self.light = ui.label("").classes("light unknown")
            self.words = ui.label("").classes("faint told")
            with ui.element("dl").classes("figures"):
                for title in _FIGURES:
                    with ui.element("div"):
                        with ui.element("dt"):
                            ui.label(title)
                        with ui.element("dd"):
                            size = "big" if title in _BIG else "number"
                            self._numbers[title] = ui.label("-").classes(size)
            with ui.element("div").classes("charts"):
                self.short = self._chart("open jobs, 5 min")
                self.long = self._chart("open jobs at most, 24 h")

    def show(self, card: Card) -> None:
        """Show how the queue stands; only what has changed is sent."""
        for title, figure in _FIGURES.items():
            put(self._numbers[title], figure(card))
        put(self.words, headline.queue_verdict(card, format.zone()))
        put(self.light, overview.WORDS[card.light])
        if card.light != self._was:
            for element in (self.light, self.box):
                element.classes(remove=self._was, add=card.light)
            self._was = card.light
        if self._late_wait != _waits_too_long(card):
            self._late_wait = not self._late_wait
            label = self._numbers["mean wait"]
            label.classes(add="late") if self._late_wait else label.classes(remove="late")

    def draw(self) -> None:
        """Draw the charts."""
        short = history.line(feed.trail(self._name), lambda point: point.open, 60 * _GAP_STEPS)
        self._draw(self.short, short, feed.reach())
        apart = feed.DAY_STEP_SECONDS * _GAP_STEPS
        day = feed.day(self._name)
        long = history.line(day, lambda point: point.open_most, apart, lasts=feed.DAY_STEP_SECONDS)
        self._draw(self.long, long, feed.reach(feed.DAY_REACH_SECONDS), steps=("open jobs",))

    def _chart(self, title: str) -> ui.echart:
        with ui.element("figure"):
            return charts.show(charts.lines({}, small=True), f"{self._name}: {title}", summary=title)

    def _draw(
        self,
        chart: ui.echart,
        points: charts.Points,
        reach: tuple[float, float] | None,
        steps: Sequence[str] = (),
    ) -> None:
        series = {"open jobs": points}
        drawn = charts.lines(series, unit="jobs", area=True, small=True, reach=reach, steps=steps)
        charts.replace(chart, drawn)


def _waits_too_long(card: Card) -> bool:
    if card.wait_mean is None or card.sla_minutes is None:
        return False
    return card.wait_mean > 60 * card.sla_minutes


def _workers(card: Card) -> str:
    return f"{card.workers:,} ({card.slots_told})"


_FIGURES: dict[str, Callable[[Card], str]] = {
    "open": lambda card: f"{card.open:,}" if card.fresh else "-",
    "mean wait": lambda card: format.seconds(card.wait_mean),
    "on time today, of due": lambda card: format.percent(card.on_time_today),
    "done a minute, now / 5 min": lambda card: (
        f"{format.a_minute(card.rate_now)} / {format.a_minute(card.rate)}"
    ),
    "SLA": lambda card: format.sla(card.sla_minutes),
    "oldest": lambda card: format.seconds(card.oldest_age),
    "all done by": lambda card: "-" if card.stopped else format.clock(card.done_at),
    "last one due": lambda card: format.clock(card.last_due),
    "workers": _workers,
}
_BIG = ("open", "mean wait", "on time today, of due")
