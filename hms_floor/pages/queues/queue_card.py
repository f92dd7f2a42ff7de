"""A queue's card on the floor: its light, its numbers, and how it went in the window of time of the page."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from hms_floor.pages.parts import format
from hms_floor.pages.parts.charts import charts, timeline
from hms_floor.pages.parts.charts.timeline import Timeline
from hms_floor.pages.parts.format import put
from hms_floor.pages.parts.html import link
from hms_floor.pages.queues.queue_charts import a_minute
from hms_floor.pages.queues.why import Why
from hms_floor.presentation import headline, overview
from hms_floor.presentation.overview import Card
from hms_floor.presentation.past.past import Past
from hms_floor.presentation.past.points import Point
from hms_floor.presentation.past.window import Window


class QueueCard:
    """One queue. Every card has the same size whatever happens, so that nothing jumps."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._was = "unknown"
        self._late_wait = False
        self._numbers: dict[str, Why] = {}
        self.box = ui.element("section").classes("card queue unknown").props(f'aria-label="Queue {name}"')
        with self.box:
            with ui.element("div").classes("spread"):
                with ui.element("h2"):
                    link(name, f"/floor/queues/{name}")
                self.light = ui.label("").classes("light unknown")
            self.words = ui.label("").classes("faint told")
            with ui.element("dl").classes("figures"):
                for title in FIGURES:
                    with ui.element("div"):
                        with ui.element("dt"):
                            ui.label(title)
                        with ui.element("dd"):
                            size = "big" if title in _BIG else "number"
                            self._numbers[title] = Why(title, name, size)
            with ui.element("div").classes("charts"):
                self._open = self._timeline("open jobs")
                self._rate = self._timeline("jobs done a minute")

    def show(self, card: Card) -> None:
        """Show how the queue stands; only what has changed is sent."""
        for title, figure in FIGURES.items():
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

    def draw(self, past: Past, window: Window) -> None:
        """Draw how the queue went in the window of time."""
        before = None if window.behind is None else timeline.BEHIND[window.behind]

        def length(point: Point) -> float | None:
            # Of a step of time the most: a burst is seen, however long the window is.
            return point.open if past.by_moments else point.open_most

        self._open.draw(
            past,
            {"open jobs": length},
            (charts.BLUE,),
            behind=None if before is None else (f"open jobs, {before}", length),
            unit="jobs",
            area=True,
        )
        self._rate.draw(
            past,
            {"jobs done a minute": a_minute},
            (charts.GREEN,),
            behind=None if before is None else (f"jobs done a minute, {before}", a_minute),
            steps=True,
            area=True,
        )

    def _timeline(self, title: str) -> Timeline:
        with ui.element("figure"):
            return Timeline(f"{self._name}: {title}", summary=title, small=True)


def _waits_too_long(card: Card) -> bool:
    if card.wait_mean is None or card.sla_minutes is None:
        return False
    return card.wait_mean > 60 * card.sla_minutes


def _workers(card: Card) -> str:
    return f"{card.workers:,} ({card.slots_told})"


FIGURES: dict[str, Callable[[Card], str]] = {
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
