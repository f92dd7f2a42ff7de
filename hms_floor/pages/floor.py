"""The floor: the verdict, a card for each queue, what is wrong, who works, the last texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from nicegui import ui
from starlette.requests import Request

from hms_floor.auth.tokens import Role
from hms_floor.pages.frame import frame, go, nothing
from hms_floor.pages.live import feed
from hms_floor.pages.live.feed import View
from hms_floor.pages.live.pasts import Pasts
from hms_floor.pages.parts import format as words
from hms_floor.pages.parts.charts.window_bar import WindowBar
from hms_floor.pages.parts.dialogs import waits
from hms_floor.pages.parts.format import put
from hms_floor.pages.parts.freshness import Source, of_page
from hms_floor.pages.parts.html import link
from hms_floor.pages.parts.live_section import Light, Rows, Section
from hms_floor.pages.parts.spoken import Spoken
from hms_floor.pages.parts.toasts import done
from hms_floor.pages.queues.queue_card import QueueCard
from hms_floor.pages.route import page
from hms_floor.pages.sign_in.session import Visitor
from hms_floor.pages.wall import state
from hms_floor.pages.workers import NO_WORKER
from hms_floor.presentation import lights, overview, text_counts
from hms_floor.presentation.headline import Verdict
from hms_floor.presentation.overview import Board, Card
from hms_oms.runtime import format
from hms_ops.incidents import wording
from hms_ops.incidents.actions import Incident

#: How often a page looks whether there is something new, in seconds.
LOOK_SECONDS = 0.5
#: Workers that are shown one by one.
WORKERS_SHOWN = 8


@page("/", "GET /queues")
async def floor(request: Request) -> None:
    """The page that people work with."""
    with frame(request, "Floor") as visitor:
        headline = _Headline()
        bar = WindowBar(request, lambda window: pasts.turn(window))
        shelf = Rows[Card]("grid shelf")
        with ui.element("div").classes("grid"):
            wrong = _Wrong(visitor)
            workers = _Workers()
            with _card("Last texts"):
                texts = Section()
        with headline.actions:
            if visitor.may(Role.OPERATOR, Role.MANAGER):
                ui.button("Run daily cycle", icon="play_arrow", on_click=lambda: go("/floor/cycles"))
            state.notices_button()
            link("Wall", "/floor/wall")
    cards: dict[str, QueueCard] = {}
    source = of_page().add(Source(LOOK_SECONDS))
    sign = state.Sign("Floor")
    shown = 0
    pasts = Pasts(bar.window, visitor.zone, lambda name, past, window: cards[name].draw(past, window))

    def build(card: Card) -> None:
        cards[card.name] = QueueCard(card.name)

    def refresh() -> None:
        nonlocal shown
        view = feed.look()
        if view is None:
            return
        standing = state.now(view)
        headline.show(standing)
        sign.show(standing)
        if view.number == shown:
            return
        shown, source.at = view.number, view.taken
        shelf.show({card.name: card for card in lights.worst_first(view.board.cards)}, build)
        for card in view.board.cards:
            cards[card.name].show(card)
        wrong.show(view.incidents)
        workers.show(view.board)
        texts.show(_texts_key(view), lambda: _texts(view))

    refresh()
    ui.timer(LOOK_SECONDS, refresh)
    ui.timer(LOOK_SECONDS, lambda: pasts.look(list(cards)))


class _Headline:
    """The verdict."""

    def __init__(self) -> None:
        self.box = ui.element("section").classes("verdict unknown").props('aria-label="Verdict"')
        with self.box, ui.element("div").classes("spread"):
            with ui.element("div").classes("verdict-words"):
                with ui.element("div").classes("row"):
                    self.light = Light()
                with ui.element("h1"):
                    self.words = ui.label("Reading the ledger ...")
                self.spoken = Spoken()
            self.actions = ui.element("div").classes("row")
        self._was = "unknown"

    def show(self, headline: Verdict) -> None:
        """Show the state; read it aloud when it is another one, not when a number in it has changed."""
        put(self.words, headline.words)
        self.light.show(headline.light, overview.WORDS[headline.light])
        self.spoken.say(headline.light, f"{overview.WORDS[headline.light]}. {headline.words}")
        if headline.light != self._was:
            self.box.classes(remove=self._was, add=headline.light)
            self._was = headline.light


@contextmanager
def _card(title: str, target: str | None = None) -> Iterator[None]:
    with ui.element("section").classes("card").props(f'aria-label="{title}"'):
        with ui.element("h2"):
            if target:
                link(title, target)
            else:
                ui.label(title)
        yield


class _Wrong:
    """The incidents."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._shown: dict[int, _Incident] = {}
        with _card("Incidents", "/floor/incidents"):
            self._none = ui.label("Nothing is wrong.").classes("nothing")
            self._rows = Rows[Incident]()

    def show(self, incidents: Sequence[Incident]) -> None:
        """Show what is wrong."""
        self._none.set_visibility(not incidents)
        self._rows.show({incident.id: incident for incident in incidents}, self._build)
        self._shown = {incident.id: self._shown[incident.id] for incident in incidents}
        for incident in incidents:
            self._shown[incident.id].show(incident)

    def _build(self, incident: Incident) -> None:
        self._shown[incident.id] = _Incident(incident, self._visitor)


class _Incident:
    """One incident, with the button that acknowledges it."""

    def __init__(self, incident: Incident, visitor: Visitor) -> None:
        self._reference, self._visitor = incident.reference, visitor
        self._button: ui.button | None = None
        with ui.element("div").classes("incident"):
            with ui.element("div").classes("row"):
                link(f"#{incident.reference}", f"/floor/incidents/{incident.reference}").classes("title")
                self._state = Light()
            self._sentence = ui.label("")
            if visitor.may(Role.ONCALL, Role.MANAGER):
                self._button = ui.button("Acknowledge", on_click=self._acknowledge).classes("act")
                self._button.props(f'outline dense aria-label="Acknowledge #{incident.reference}"')
            self._by = ui.label("").classes("faint")

    def show(self, incident: Incident) -> None:
        """Show how it stands."""
        self._state.show("broken" if incident.state == "open" else "risk", incident.state)
        put(self._sentence, wording.sentence(incident, words.zone()))
        if self._button is not None:
            self._button.set_visibility(incident.state == "open")
        put(self._by, f"Acknowledged by {incident.acknowledged_by}." if incident.acknowledged_by else "")

    async def _acknowledge(self) -> None:
        assert self._button is not None
        with waits(self._button):
            await self._visitor.ask.post(f"/incidents/{self._reference}/ack")
            done(f"#{self._reference} is acknowledged: no more texts about it for now.")


class _Workers:
    """The workers with their load."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[ui.linear_progress, ui.label]] = {}
        with _card("Workers", "/floor/workers"):
            self._none = ui.label(NO_WORKER).classes("nothing")
            self._rows = Rows[str]("loads")
            self._more = link("", "/floor/workers")
            self._more.set_visibility(False)

    def show(self, overview: Board) -> None:
        """Show who works."""
        loads = {f"{host}, all cores": percent / 100 for host, percent in overview.hosts}
        busy = {name: f"{100 * load:.0f} % busy" for name, load in loads.items()}
        for worker in overview.workers[:WORKERS_SHOWN]:
            loads[worker.name] = worker.busy / worker.slots if worker.slots else 0.0
            busy[worker.name] = f"{worker.busy} of {format.slots(worker.slots, worker.lost)}"
        self._none.set_visibility(not loads)
        self._rows.show({name: name for name in loads}, self._build)
        for name, load in loads.items():
            bar, label = self._shown[name]
            if bar.value != round(min(1.0, load), 2):
                bar.set_value(round(min(1.0, load), 2))
            put(label, busy[name])
        more = len(overview.workers) - WORKERS_SHOWN
        self._more.set_visibility(more > 0)
        put(self._more, f"{more:,} more")

    def _build(self, name: str) -> None:
        ui.label(name).classes("cut")
        bar = ui.linear_progress(0, show_value=False).props(f'aria-label="Load of {name}"')
        self._shown[name] = (bar, ui.label("").classes("number"))


def _texts_key(view: View) -> object:
    return tuple((text.id, text.fate) for text in view.pages), view.applicant_texts, view.board.unsent


def _texts(view: View) -> None:
    today = view.applicant_texts
    if not view.pages:
        nothing("Nobody on call was texted yet.")
    else:
        with ui.element("div").classes("handset"):
            for text in view.pages:
                with ui.element("div").classes("text"):
                    ui.label(text.body)
                    with ui.element("div").classes("spread faint number"):
                        ui.label(f"to {words.phone(text.to)}, {words.clock(text.created_at)}")
                        ui.label(text.fate)
    sentence = "No text to an applicant today."
    if today.last_at is not None:
        sentence = f"{words.count(today.written, 'text')} to applicants today, the last at"
        sentence += f" {words.clock(today.last_at)}: {text_counts.words(today)}."
    waiting = f" {words.count(view.board.unsent, 'text')} on the way." if view.board.unsent else ""
    ui.label(sentence + waiting).classes("faint number")
