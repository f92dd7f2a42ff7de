"""The floor: the verdict, a card for each queue, what is wrong, who works, the last texts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from nicegui import ui
from starlette.requests import Request

from hms_floor import board, verdict
from hms_floor.badges import Role
from hms_floor.board import Board, Card
from hms_floor.cli import show
from hms_floor.pages import charts, feed
from hms_floor.pages.asking import Refused
from hms_floor.pages.feed import View
from hms_floor.pages.frame import done, frame, nothing, tell
from hms_floor.pages.session import Visitor
from hms_ops import wording
from hms_ops.incidents import Incident

#: How often a page looks whether there is something new, in seconds.
LOOK_SECONDS = 1.0
#: How often its charts are drawn anew, in seconds.
DRAW_SECONDS = 5.0
#: Nothing newer than this, in seconds: the page says that it cannot tell.
OLD_SECONDS = 5.0


@ui.page("/")
async def floor(request: Request) -> None:
    """The page on the wall."""
    with frame(request, "Floor") as visitor:
        headline = _Headline()
        shelf = ui.element("div").classes("grid")
        with ui.element("div").classes("grid"):
            wrong = _Section("Incidents")
            crew = _Section("Workers")
            texts = _Section("Last texts")
        if visitor.may(Role.OPERATOR, Role.MANAGER):
            with headline.actions:
                ui.button(
                    "Run daily cycle", icon="play_arrow", on_click=lambda: ui.navigate.to("/floor/cycles")
                )
    cards: dict[str, _QueueCard] = {}
    seen = 0
    drawn: datetime | None = None

    def refresh() -> None:
        nonlocal seen, drawn
        view = feed.look()
        headline.show(view, feed.age())
        if view is None or view.number == seen:
            return
        seen = view.number
        for card in view.board.cards:
            if card.name not in cards:
                with shelf:
                    cards[card.name] = _QueueCard(card.name)
            cards[card.name].show(card)
        wrong.show(_incident_key(view), lambda: _incidents(view, visitor))
        crew.show(_crew_key(view.board), lambda: _workers(view.board))
        texts.show(tuple((text.id, text.fate) for text in view.texts), lambda: _texts(view))
        if drawn is None or view.board.now - drawn >= timedelta(seconds=DRAW_SECONDS):
            drawn = view.board.now
            for name, each in cards.items():
                each.draw(name)

    refresh()
    ui.timer(LOOK_SECONDS, refresh)


class _Headline:
    """The verdict and how fresh it is."""

    def __init__(self) -> None:
        self.box = ui.element("section").classes("verdict").props('aria-live="polite" aria-label="Verdict"')
        with self.box, ui.element("div").classes("spread"):
            with ui.element("div"):
                with ui.element("div").classes("row"):
                    self.light = ui.label("").classes("light unknown")
                    self.fresh = ui.label("").classes("faint number")
                with ui.element("p"):
                    self.words = ui.label("Reading the ledger ...")
            self.actions = ui.element("div").classes("row")
        self._was = "unknown"

    def show(self, view: View | None, age: float | None) -> None:
        """Show what the newest view comes to, or that there is none."""
        if view is None:
            return
        found = verdict.verdict(view.board)
        if age is not None and age > OLD_SECONDS:
            found = verdict.Verdict("unknown", f"Cannot tell: the ledger has not answered for {age:,.0f} s.")
        _set(self.words, found.words)
        _set(self.light, board.WORDS[found.light])
        _set(self.fresh, f"as of {view.board.now.astimezone():%H:%M:%S %Z}")
        if found.light != self._was:
            for element in (self.light, self.box):
                element.classes(remove=self._was, add=found.light)
            self._was = found.light


class _QueueCard:
    """One queue: its light, its numbers, its two charts."""

    def __init__(self, name: str) -> None:
        self._was = "unknown"
        self._numbers: dict[str, ui.label] = {}
        with ui.element("section").classes("card").props(f'aria-label="Queue {name}"'):
            with ui.element("div").classes("spread"):
                with ui.element("h2"):
                    ui.link(name, f"/floor/queues/{name}")
                self.light = ui.label("").classes("light unknown")
            self.words = ui.label("").classes("faint")
            with ui.element("div").classes("figures"):
                for key, title in _FIGURES:
                    with ui.element("div"):
                        self._numbers[key] = ui.label("-").classes("big" if key in _BIG else "number")
                        ui.label(title).classes("faint")
            self.chart = ui.echart(charts.lines({}, small=True)).classes("chart")
            self.chart.props(f'role="img" aria-label="Waiting jobs and mean wait of {name}, five minutes"')

    def show(self, card: Card) -> None:
        """Show how the queue stands; only what has changed is sent."""
        for key, told in _figures(card).items():
            _set(self._numbers[key], told)
        _set(self.words, verdict.queue_verdict(card))
        _set(self.light, board.WORDS[card.light])
        if card.light != self._was:
            self.light.classes(remove=self._was, add=card.light)
            self._was = card.light

    def draw(self, name: str) -> None:
        """Draw the last five minutes."""
        points = feed.trail(name)
        length = [(1000 * at, card.open) for at, card in points]
        self.chart.options.clear()
        self.chart.options.update(
            charts.lines({"open jobs": length}, unit="jobs", area=True, small=True, reach=feed.reach())
        )
        self.chart.update()


_FIGURES = (
    ("open", "open"),
    ("wait", "mean wait"),
    ("sla", "SLA"),
    ("oldest", "oldest"),
    ("rate", "a minute"),
    ("today", "on time today"),
    ("crew", "workers, slots"),
)
_BIG = ("open", "wait")


def _figures(card: Card) -> dict[str, str]:
    return {
        "open": f"{card.open:,}",
        "wait": _seconds(card.wait_mean),
        "sla": show.minutes(card.sla_minutes) if card.sla_minutes else "-",
        "oldest": _seconds(card.oldest_age),
        "rate": "-" if card.rate is None else f"{60 * card.rate:,.0f}",
        "today": "-" if card.on_time_today is None else _percent(card.on_time_today),
        "crew": f"{card.workers}, {card.slots}",
    }


class _Section:
    """A card whose content is built anew when what it shows has changed."""

    def __init__(self, title: str) -> None:
        with ui.element("section").classes("card").props(f'aria-label="{title}"'):
            with ui.element("h2"):
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


def _incident_key(view: View) -> object:
    return tuple((each.id, each.state, each.late_jobs) for each in view.incidents)


def _incidents(view: View, visitor: Visitor) -> None:
    if not view.incidents:
        nothing("Nothing is wrong.")
        return
    for incident in view.incidents:
        with ui.element("div").classes("incident"):
            with ui.element("div").classes("row"):
                ui.link(f"#{incident.reference}", f"/floor/incidents/{incident.reference}")
                ui.label(incident.state).classes(f"light {'broken' if incident.state == 'open' else 'risk'}")
            ui.label(wording.sentence(incident, datetime.now().astimezone().tzinfo))  # type: ignore[arg-type]
            if incident.state == "open" and visitor.may(Role.ONCALL, Role.MANAGER):
                _acknowledge_button(incident, visitor)
            elif incident.acknowledged_by:
                ui.label(f"in hand: {incident.acknowledged_by}").classes("faint")


def _acknowledge_button(incident: Incident, visitor: Visitor) -> None:
    async def acknowledge() -> None:
        try:
            await visitor.ask.post(f"/incidents/{incident.reference}/ack")
            done(f"#{incident.reference} is in hand: no more texts about it for now.")
        except Refused as refused:
            tell(refused)

    ui.button("Acknowledge", on_click=acknowledge).props("outline dense").classes("act")


def _crew_key(seen: Board) -> object:
    return seen.workers, tuple((host, round(percent / 5)) for host, percent in seen.hosts)


def _workers(seen: Board) -> None:
    if not seen.workers:
        nothing("No worker is there: start one with `celery -A workers worker`, or `hms up`.")
        return
    ui.label(f"{seen.workers} live worker{'s' if seen.workers != 1 else ''}").classes("number")
    for host, percent in seen.hosts:
        with ui.element("div").classes("row"):
            ui.label(host)
            ui.linear_progress(min(1.0, percent / 100), show_value=False).props(
                f'aria-label="Processor load of {host}"'
            ).classes("load")
            ui.label(f"{percent:.0f} % busy").classes("number")
    ui.link("All workers", "/floor/workers")


def _texts(view: View) -> None:
    if not view.texts:
        nothing("No text was sent yet.")
        return
    with ui.element("div").classes("handset"):
        for text in view.texts:
            with ui.element("div").classes("text page-text" if text.page else "text"):
                ui.label(text.body if text.page else "A text to an applicant")
                ui.label(f"{text.created_at.astimezone():%H:%M} {text.fate}").classes("faint number")


def _set(label: ui.label, told: str) -> None:
    if label.text != told:
        label.set_text(told)


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else show.span(timedelta(seconds=seconds))


def _percent(share: float) -> str:
    return show.share(round(share * 100000), 100000)
