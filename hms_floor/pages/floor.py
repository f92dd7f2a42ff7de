"""The floor: the verdict, a card for each queue, what is wrong, who works, the last texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from nicegui import ui
from starlette.requests import Request

from hms_floor import board, verdict
from hms_floor.badges import Role
from hms_floor.board import Board
from hms_floor.pages import feed, words
from hms_floor.pages.asking import Refused
from hms_floor.pages.feed import View
from hms_floor.pages.frame import done, frame, go, nothing, tell
from hms_floor.pages.plain import link
from hms_floor.pages.queuecard import QueueCard
from hms_floor.pages.session import Visitor
from hms_floor.pages.words import put
from hms_oms import format
from hms_ops import wording
from hms_ops.incidents import Incident

#: How often a page looks whether there is something new, in seconds.
LOOK_SECONDS = 0.5
#: How often its charts are drawn anew, in seconds.
DRAW_SECONDS = 5.0
#: Nothing newer than this, in seconds: the page says that it cannot tell.
OLD_SECONDS = 5.0
#: Workers that are shown one by one.
WORKERS_SHOWN = 8


@ui.page("/")
async def floor(request: Request) -> None:
    """The page on the wall."""
    with frame(request, "Floor") as visitor:
        headline = _Headline()
        shelf = ui.element("div").classes("grid")
        with ui.element("div").classes("grid"):
            wrong = _Wrong(visitor)
            crew = _Crew()
            texts = _Section("Last texts")
        if visitor.may(Role.OPERATOR, Role.MANAGER):
            with headline.actions:
                ui.button("Run daily cycle", icon="play_arrow", on_click=lambda: go("/floor/cycles"))
    cards: dict[str, QueueCard] = {}
    seen = 0
    drawn: datetime | None = None

    def refresh() -> None:
        nonlocal seen, drawn
        view = feed.look()
        headline.show(view, feed.age())
        if view is None or view.number == seen:
            return
        seen = view.number
        due = drawn is None or view.board.now - drawn >= timedelta(seconds=DRAW_SECONDS)
        for card in view.board.cards:
            if card.name not in cards:
                with shelf:
                    cards[card.name] = QueueCard(card.name)
                cards[card.name].draw()
            cards[card.name].show(card)
            if due:
                cards[card.name].draw()
        drawn = view.board.now if due else drawn
        wrong.show(view.incidents)
        crew.show(view.board)
        texts.show(_texts_key(view), lambda: _texts(view))

    refresh()
    ui.timer(LOOK_SECONDS, refresh)


class _Headline:
    """The verdict and how fresh it is."""

    def __init__(self) -> None:
        self.box = ui.element("section").classes("verdict unknown").props('aria-label="Verdict"')
        with self.box, ui.element("div").classes("spread"):
            with ui.element("div").classes("verdict-words"):
                with ui.element("div").classes("row"):
                    self.light = ui.label("").classes("light unknown")
                    self.fresh = ui.label("").classes("faint number")
                with ui.element("h1").props('aria-live="polite"'):
                    self.words = ui.label("Reading the ledger ...")
            self.actions = ui.element("div").classes("row")
        self._was = "unknown"

    def show(self, view: View | None, age: float | None) -> None:
        """Show what the newest view comes to, or that there is none."""
        if view is None:
            return
        found = verdict.verdict(view.board, words.zone(), incidents=len(view.incidents))
        if age is not None and age > OLD_SECONDS:
            told = f"Cannot tell: the ledger has not answered for {format.about(age)}."
            found = verdict.Verdict("unknown", told)
        put(self.words, found.words)
        put(self.light, board.WORDS[found.light])
        put(self.fresh, f"as of {format.time_of_day(view.board.now, words.zone())}")
        if found.light != self._was:
            for element in (self.light, self.box):
                element.classes(remove=self._was, add=found.light)
            self._was = found.light


class _Section:
    """A card whose content is built anew when what it shows has changed."""

    def __init__(self, title: str, target: str | None = None) -> None:
        with ui.element("section").classes("card").props(f'aria-label="{title}"'):
            with ui.element("h2"):
                if target:
                    link(title, target)
                else:
                    ui.label(title)
            self.body = ui.element("div")
        self._key: object = None

    def show(self, key: object, build: Callable[[], None]) -> None:
        """Build the content if `key` is another than last time."""
        if key == self._key:
            return
        self._key = key
        self.body.clear()
        with self.body:
            build()


class _Wrong:
    """The incidents; built anew when one comes, goes or changes hands, and not under somebody's finger."""

    def __init__(self, visitor: Visitor) -> None:
        self._section = _Section("Incidents", "/floor/incidents")
        self._visitor = visitor
        self._told: dict[int, ui.label] = {}

    def show(self, incidents: Sequence[Incident]) -> None:
        """Show what is wrong."""
        key = tuple((each.id, each.state, each.acknowledged_by) for each in incidents)
        self._section.show(key, lambda: self._build(incidents))
        for incident in incidents:
            put(self._told[incident.id], wording.sentence(incident, words.zone()))

    def _build(self, incidents: Sequence[Incident]) -> None:
        self._told.clear()
        if not incidents:
            nothing("Nothing is wrong.")
        for incident in incidents:
            with ui.element("div").classes("incident"):
                with ui.element("div").classes("row"):
                    link(f"#{incident.reference}", f"/floor/incidents/{incident.reference}").classes("title")
                    light = "broken" if incident.state == "open" else "risk"
                    ui.label(incident.state).classes(f"light {light}")
                self._told[incident.id] = ui.label("")
                if incident.state == "open" and self._visitor.may(Role.ONCALL, Role.MANAGER):
                    _acknowledge_button(incident, self._visitor)
                elif incident.acknowledged_by:
                    ui.label(f"{incident.acknowledged_by} has it in hand.").classes("faint")


class _Crew:
    """The workers with their load; built anew when somebody comes or goes."""

    def __init__(self) -> None:
        self._section = _Section("Workers", "/floor/workers")
        self._bars: dict[str, tuple[ui.linear_progress, ui.label]] = {}

    def show(self, seen: Board) -> None:
        """Show who works."""
        loads = {f"{host}, all cores": percent / 100 for host, percent in seen.hosts}
        told = {name: f"{100 * load:.0f} % busy" for name, load in loads.items()}
        for hand in seen.hands[:WORKERS_SHOWN]:
            loads[hand.name] = hand.busy / hand.slots if hand.slots else 0.0
            told[hand.name] = f"{hand.busy} of {hand.slots} slots"
        more = len(seen.hands) - WORKERS_SHOWN
        self._section.show((tuple(loads), more), lambda: self._build(list(loads), more))
        for name, load in loads.items():
            bar, label = self._bars[name]
            if bar.value != round(min(1.0, load), 2):
                bar.set_value(round(min(1.0, load), 2))
            put(label, told[name])

    def _build(self, names: list[str], more: int) -> None:
        self._bars.clear()
        if not names:
            nothing("No worker is there: start one with `celery -A workers worker`, or `hms up`.")
            return
        with ui.element("div").classes("loads"):
            for name in names:
                ui.label(name).classes("cut")
                bar = ui.linear_progress(0, show_value=False).props(f'aria-label="Load of {name}"')
                self._bars[name] = (bar, ui.label("").classes("number"))
        if more > 0:
            link(f"{more:,} more", "/floor/workers")


def _acknowledge_button(incident: Incident, visitor: Visitor) -> None:
    async def acknowledge() -> None:
        try:
            await visitor.ask.post(f"/incidents/{incident.reference}/ack")
            done(f"#{incident.reference} is in hand: no more texts about it for now.")
        except Refused as refused:
            tell(refused)

    button = ui.button("Acknowledge", on_click=acknowledge).props("outline dense").classes("act")
    button.props(f'aria-label="Acknowledge #{incident.reference}"')


def _texts_key(view: View) -> object:
    return tuple((text.id, text.fate) for text in view.pages), view.told, view.board.unsent


def _texts(view: View) -> None:
    told_today = view.told
    if not view.pages:
        nothing("Nobody on call was texted yet.")
    else:
        with ui.element("div").classes("handset"):
            for text in view.pages:
                with ui.element("div").classes("text"):
                    ui.label(text.body)
                    with ui.element("div").classes("spread faint number"):
                        ui.label(f"to {words.phone(text.recipient)}, {words.clock(text.created_at)}")
                        ui.label(text.fate)
    told = "No text to an applicant today."
    if told_today.last_at is not None:
        told = f"{words.count(told_today.written, 'text')} to applicants today, the last at"
        told += f" {words.clock(told_today.last_at)}: {told_today.handed_over:,} handed over"
        told += f", {told_today.failed:,} failed." if told_today.failed else "."
    waiting = f" {words.count(view.board.unsent, 'text')} on the way." if view.board.unsent else ""
    ui.label(told + waiting).classes("faint number")
