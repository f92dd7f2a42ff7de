"""The wall: are we meeting our deadlines? Read from three metres; there is nothing to press."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from nicegui import ui
from starlette.requests import Request

from hms_floor.pages.frame import bare
from hms_floor.pages.live import feed
from hms_floor.pages.parts import format as words
from hms_floor.pages.parts.format import put
from hms_floor.pages.parts.freshness import Source, of_page
from hms_floor.pages.parts.live_section import Light, Rows
from hms_floor.pages.parts.spoken import Spoken
from hms_floor.pages.route import page
from hms_floor.pages.wall import state
from hms_floor.presentation import lights, overview
from hms_floor.presentation.headline import Verdict
from hms_floor.presentation.overview import Card
from hms_oms.documents.cycles import Cycle, CycleProgress
from hms_ops.incidents.actions import Incident

#: How often the wall looks whether there is something new, in seconds.
LOOK_SECONDS = 0.5
#: Queues with open jobs that are shown with their numbers; more would be too small to read.
QUEUES_SHOWN = 3


@page("/wall", "GET /queues")
async def wall(request: Request) -> None:
    """The screen on the wall."""
    with bare(request, "Wall") as (_, fresh):
        banner = _Banner()
        queues = _Queues()
        with ui.element("footer").classes("wall-foot"):
            newest = _NewestCycle()
            with ui.element("div").classes("wall-rest number"):
                others = ui.label("")
                incidents = ui.label("")
            fresh.show_age()
    source = of_page().add(Source(LOOK_SECONDS))
    sign = state.Sign("Wall")

    def refresh() -> None:
        banner.show_time(datetime.now(words.zone()))
        view = feed.look()
        if view is None:
            return
        standing = state.now(view)
        banner.show(standing)
        sign.show(standing)
        source.at = view.taken
        cards = lights.worst_first(view.board.cards)
        shown = [card for card in cards if card.light != "idle"][:QUEUES_SHOWN]
        queues.show(shown)
        put(others, _others(cards, shown))
        newest.show(feed.cycle())
        put(incidents, _incidents(view.incidents))

    refresh()
    ui.timer(LOOK_SECONDS, refresh)


class _Banner:
    """The state as a colour, a shape and a word that fill the screen, the sentence, and the clock."""

    def __init__(self) -> None:
        self._was = "unknown"
        with ui.element("section").classes("wall-state unknown").props('aria-label="State"') as self._box:
            with ui.element("div").classes("wall-top"):
                with ui.element("p").classes("wall-word"):
                    self._shape = ui.label("?").props('aria-hidden="true"')
                    self._word = ui.label(overview.WORDS["unknown"])
                with ui.element("div").classes("wall-clock number"):
                    self._time = ui.label("")
                    self._day = ui.label("").classes("wall-day")
            with ui.element("h1"):
                self._sentence = ui.label("Reading the ledger ...")
            self._spoken = Spoken()

    def show(self, standing: Verdict) -> None:
        """Show the state."""
        put(self._sentence, standing.words)
        self._spoken.say(standing.light, f"{overview.WORDS[standing.light]}. {standing.words}")
        if standing.light != self._was:
            put(self._shape, lights.SHAPES[standing.light])
            put(self._word, overview.WORDS[standing.light])
            self._box.classes(remove=self._was, add=standing.light)
            self._was = standing.light

    def show_time(self, now: datetime) -> None:
        """Show what time it is."""
        put(self._time, f"{now:%H:%M}")
        put(self._day, f"{now:%A, %B} {now.day} ({now:%Z})")


class _Queues:
    """The queues with their numbers, the worst first."""

    def __init__(self) -> None:
        self._shown: dict[str, _Queue] = {}
        with ui.element("section").classes("wall-queues").props('aria-label="Queues, the worst first"'):
            self._rows = Rows[Card]()

    def show(self, cards: Sequence[Card]) -> None:
        """Show these."""
        self._rows.show({card.name: card for card in cards}, self._build)
        self._shown = {card.name: self._shown[card.name] for card in cards}
        for card in cards:
            self._shown[card.name].show(card)

    def _build(self, card: Card) -> None:
        self._shown[card.name] = _Queue(card.name)


class _Queue:
    """A queue with its light and its numbers."""

    def __init__(self, name: str) -> None:
        self._numbers: dict[str, ui.label] = {}
        self._pairs: dict[str, ui.element] = {}
        with ui.element("div").classes("wall-queue"):
            with ui.element("div").classes("wall-name"):
                with ui.element("h2"):
                    ui.label(name)
                self._light = Light()
            with ui.element("dl"):
                for title in _FIGURES:
                    with ui.element("div"):
                        with ui.element("dt"):
                            ui.label(title)
                        with ui.element("dd"):
                            self._numbers[title] = ui.label("-").classes("number")

    def show(self, card: Card) -> None:
        """Show how it stands."""
        self._light.show(card.light, overview.WORDS[card.light])
        for title, figure in _FIGURES.items():
            put(self._numbers[title], figure(card))


class _NewestCycle:
    """How far the newest cycle is."""

    def __init__(self) -> None:
        with ui.element("div").classes("wall-cycle") as self._box:
            self._words = ui.label("").classes("number")
            self._bar = ui.linear_progress(0, show_value=False, size="100%")
            self._bar.props('aria-label="Share of the jobs of the newest cycle that have ended"')
        self._box.set_visibility(False)

    def show(self, newest: tuple[Cycle, CycleProgress] | None) -> None:
        """Show it, if there is one."""
        if newest is None:
            return
        cycle, progress = newest
        self._box.set_visibility(True)
        late = f", {progress.late:,} late" if progress.late else ""
        ended = f"{progress.ended:,} of {cycle.accepted:,} jobs have ended{late}"
        put(self._words, f"Cycle {cycle.id}, {cycle.name}: {ended}")
        share = round(progress.ended / max(1, cycle.accepted), 3)
        if self._bar.value != share:
            self._bar.set_value(share)


def _others(cards: Sequence[Card], shown: Sequence[Card]) -> str:
    """The queues that are left out, and how the worst of them stands."""
    left = [card for card in cards if card not in shown]
    if not left:
        return ""
    more = words.count(len(left), "more queue" if shown else "queue")
    worst = overview.WORDS[left[0].light].lower()
    return f"{more}: {worst}" if left[0].light == left[-1].light else f"{more}, the worst: {worst}"


def _incidents(incidents: Sequence[Incident]) -> str:
    if not incidents:
        return "No open incident"
    acknowledged = sum(incident.state != "open" for incident in incidents)
    sentence = words.count(len(incidents), "open incident")
    return f"{sentence}, {acknowledged:,} acknowledged" if acknowledged else sentence


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


_FIGURES: Mapping[str, Callable[[Card], str]] = {
    "late": lambda card: _number(card.late),
    "will be late": lambda card: _number(card.at_risk),
    "open": lambda card: f"{card.open:,}" if card.fresh else "-",
    "done a minute": lambda card: words.a_minute(card.rate_now),
    "all done by": lambda card: "-" if card.stopped else words.clock(card.done_at),
    "last one due": lambda card: words.clock(card.last_due),
}
