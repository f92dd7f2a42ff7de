"""One queue: its jobs in the order in which they will run, and what holds it back or speeds it up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from nicegui import ui
from starlette.requests import Request

from hms_floor import board, verdict
from hms_floor.badges import Role
from hms_floor.board import Card
from hms_floor.cli import show
from hms_floor.pages import charts, feed
from hms_floor.pages.asking import Refused
from hms_floor.pages.frame import done, frame, nothing, tell
from hms_floor.pages.joblist import JobTable, column
from hms_floor.pages.session import Visitor

#: How many of the next jobs are shown.
SHOWN = 100
#: How often their order is looked at again, in seconds.
LOOK_SECONDS = 2.0

_COLUMNS = (
    column("position", "Position", number=True),
    column("id", "Job"),
    column("deadline", "Deadline"),
    column("finish", "Will be done"),
    column("slack", "To spare"),
)


@ui.page("/queues/{name}")
async def queue(request: Request, name: str) -> None:
    """The page of one queue."""
    with frame(request, name) as visitor:
        try:
            await visitor.ask.get(f"/queues/{name}/peek", limit=1)
        except Refused as refused:
            with ui.element("section").classes("card"):
                nothing(str(refused))
            return
        with ui.element("section").classes("card"):
            with ui.element("div").classes("spread"):
                with ui.element("div").classes("row"):
                    with ui.element("h1"):
                        ui.label(name)
                    light = ui.label("").classes("light unknown")
                buttons = _Buttons(name, visitor) if visitor.may(Role.MANAGER) else None
            words = ui.label("")
            figures = ui.label("").classes("faint number")
            with ui.element("div").classes("pair"):
                waits = ui.echart(charts.lines({})).classes("chart tall")
                waits.props(f'role="img" aria-label="Waits of {name} over the last five minutes"')
                lengths = ui.echart(charts.lines({})).classes("chart tall")
                lengths.props(f'role="img" aria-label="Length of {name} over the last five minutes"')
        with ui.element("section").classes("card"):
            with ui.element("div").classes("spread"):
                with ui.element("h2"):
                    ui.label("Next to run")
                ui.link("All jobs of this queue", f"/floor/jobs?queue={name}&status=open")
            empty = ui.label("The backlog is empty.").classes("nothing")
            table = JobTable(
                _COLUMNS, visitor, ("promote", "priority", "move", "cancel"), lambda: refresh_order()
            )

    was = "unknown"
    drawn = 0.0

    def refresh() -> None:
        nonlocal was, drawn
        view = feed.look()
        card = next((each for each in view.board.cards if each.name == name), None) if view else None
        if view is None or card is None:
            return
        words.set_text(verdict.queue_verdict(card))
        figures.set_text(_figures(card))
        light.set_text(board.WORDS[card.light])
        if card.light != was:
            light.classes(remove=was, add=card.light)
            was = card.light
        if buttons is not None:
            buttons.show(card)
        if view.board.now.timestamp() - drawn >= feed.STEP_SECONDS:
            drawn = view.board.now.timestamp()
            _draw(waits, lengths, name, card)

    async def refresh_order() -> None:
        if table.choosing:
            return
        found = (await visitor.ask.get(f"/queues/{name}/peek", limit=SHOWN))["jobs"]
        view = feed.look()
        card = next((each for each in view.board.cards if each.name == name), None) if view else None
        now = view.board.now if view else None
        table.show([_row(job, card, now) for job in found])
        empty.set_visibility(not found)
        table.table.set_visibility(bool(found))

    refresh()
    await refresh_order()
    ui.timer(1.0, refresh)
    ui.timer(LOOK_SECONDS, refresh_order, immediate=False)


class _Buttons:
    """What a manager can do to a queue."""

    def __init__(self, name: str, visitor: Visitor) -> None:
        self._name, self._visitor = name, visitor
        self._paused: bool | None = None
        with ui.element("div").classes("row"):
            self._pause = ui.button("Pause", icon="pause", on_click=self._ask_pause).props("outline dense")
            ui.button("Limits", icon="speed", on_click=self._ask_limits).props("outline dense")
            ui.button("SLA", icon="schedule", on_click=self._ask_sla).props("outline dense")

    def show(self, card: Card) -> None:
        """Offer to pause an open queue, and to resume a paused one."""
        paused = card.paused_at is not None
        if paused != self._paused:
            self._paused = paused
            self._pause.set_text("Resume" if paused else "Pause")
            self._pause.props(f"icon={'play_arrow' if paused else 'pause'}")

    def _ask_pause(self) -> None:
        verb = "resume" if self._paused else "pause"
        effect = (
            "Its jobs are handed out again."
            if self._paused
            else "Nothing new is started; what runs is finished. Deadlines go on counting."
        )
        with ui.dialog() as dialog, ui.card().classes("ask"):
            ui.label(f"{verb.capitalize()} {self._name}").classes("title")
            ui.label(effect).classes("faint")
            reason = ui.input("Why?").props("outlined dense")

            async def act() -> None:
                if await self._do(f"/queues/{self._name}/{verb}", {"reason": reason.value or None}):
                    dialog.close()

            with ui.element("div").classes("row"):
                ui.button(verb.capitalize(), on_click=act)
                ui.button("Leave it", on_click=dialog.close).props("flat")
        dialog.open()

    async def _ask_limits(self) -> None:
        present = await self._visitor.ask.post(f"/queues/{self._name}/limit")
        with ui.dialog() as dialog, ui.card().classes("ask"):
            ui.label(f"Limits of {self._name}").classes("title")
            window = ui.input("Window in front of the workers, jobs", value=_told(present["window"]))
            starts = ui.input("Starts a minute, at most", value=_told(present["startsPerMinute"]))
            for field in (window, starts):
                field.props('outlined dense inputmode=numeric hint="empty: no limit"')
            reason = ui.input("Why?").props("outlined dense")

            async def act() -> None:
                body = {
                    "window": _number(window.value),
                    "startsPerMinute": _number(starts.value),
                    "reason": reason.value or None,
                }
                if await self._do(f"/queues/{self._name}/limit", body):
                    dialog.close()

            with ui.element("div").classes("row"):
                ui.button("Set", on_click=act)
                ui.button("Leave it", on_click=dialog.close).props("flat")
        dialog.open()

    def _ask_sla(self) -> None:
        with ui.dialog() as dialog, ui.card().classes("ask"):
            ui.label(f"SLA of {self._name}").classes("title")
            ui.label("Jobs accepted from now on are due so many minutes later.").classes("faint")
            minutes = ui.number("Minutes", min=0.1, format="%g").props("outlined dense")
            reason = ui.input("Why?").props("outlined dense")
            told = ui.label("").props('aria-live="polite"')

            async def preview() -> None:
                if not minutes.value:
                    return
                try:
                    body = {"minutes": minutes.value, "dryRun": True}
                    answer = await self._visitor.ask.put(f"/queues/{self._name}/sla", body)
                    told.set_text(_preview(answer))
                except Refused as refused:
                    told.set_text(str(refused))

            async def act() -> None:
                body = {"minutes": minutes.value or 0, "reason": reason.value or None}
                try:
                    answer = await self._visitor.ask.put(f"/queues/{self._name}/sla", body)
                except Refused as refused:
                    tell(refused)
                    return
                dialog.close()
                done(f"{self._name} has {show.minutes(answer['minutes'])} from now on.")

            with ui.element("div").classes("row"):
                ui.button("Preview", on_click=preview).props("outline")
                ui.button("Set", on_click=act)
                ui.button("Leave it", on_click=dialog.close).props("flat")
        dialog.open()

    async def _do(self, path: str, body: Mapping[str, Any]) -> bool:
        given = {name: value for name, value in body.items() if value is not None or name != "reason"}
        try:
            await self._visitor.ask.post(path, given)
        except (Refused, ValueError) as refused:
            tell(refused if isinstance(refused, Refused) else Refused(422, str(refused)))
            return False
        done(f"{self._name} is changed.")
        return True


def _row(job: Mapping[str, Any], card: Card | None, now: datetime | None) -> dict[str, Any]:
    due = datetime.fromisoformat(job["slaExpires"])
    finish = _finish(job["position"], card, now)
    slack = None if finish is None else due - finish
    return {
        "position": job["position"],
        "id": job["id"],
        "deadline": f"{due.astimezone():%H:%M:%S}",
        "late": now is not None and due < now,
        "finish": "-" if finish is None else f"{finish.astimezone():%H:%M:%S}",
        "slack": "-" if slack is None else ("" if slack >= timedelta(0) else "-") + show.about(abs(slack)),
        "short": slack is not None and slack < timedelta(0),
    }


def _finish(position: int, card: Card | None, now: datetime | None) -> datetime | None:
    """When the job at `position` of the backlog will be done, at the pace of the last five minutes."""
    if card is None or now is None or not card.rate:
        return None
    return now + timedelta(seconds=(position + (card.window or 0) + (card.running or 0)) / card.rate)


def _figures(card: Card) -> str:
    parts = [
        f"{card.backlog or 0:,} in the backlog",
        f"{card.delayed or 0:,} delayed",
        f"{card.window or 0:,} in the window",
        f"{card.running or 0:,} running",
        f"{card.workers} workers with {card.slots} slots",
        f"SLA {show.minutes(card.sla_minutes)}" if card.sla_minutes else "no SLA",
    ]
    return ", ".join(parts)


def _draw(waits: ui.echart, lengths: ui.echart, name: str, card: Card) -> None:
    trail = feed.trail(name)
    mean = [(1000 * at, each.wait_mean) for at, each in trail]
    high = [(1000 * at, each.wait_p95) for at, each in trail]
    limit = ("SLA", 60 * card.sla_minutes) if card.sla_minutes else None
    _replace(
        waits,
        charts.lines({"mean wait": mean, "p95 wait": high}, unit="seconds", limit=limit, reach=feed.reach()),
    )
    states = {
        "backlog": [(1000 * at, each.backlog) for at, each in trail],
        "running": [(1000 * at, each.running) for at, each in trail],
        "late": [(1000 * at, each.late) for at, each in trail],
    }
    colours = (charts.BLUE, charts.GREEN, charts.RED)
    _replace(lengths, charts.lines(states, colours, unit="jobs", reach=feed.reach()))


def _replace(chart: ui.echart, options: dict[str, Any]) -> None:
    chart.options.clear()
    chart.options.update(options)
    chart.update()


def _preview(answer: Mapping[str, Any]) -> str:
    change = f"From {show.minutes(answer['before'])} to {show.minutes(answer['minutes'])}."
    ahead = answer["forecast"]
    if ahead is None:
        return f"{change} No forecast: nothing was measured lately."
    before, after = ahead["before"]["late"], ahead["after"]["late"] + ahead["lateAtOnce"]
    return (
        f"{change} Were the {ahead['open']:,} open jobs held to it, {after:,} of them would be late;"
        f" as it is, {before:,} will be."
    )


def _told(number: int | None) -> str:
    return "" if number is None else str(number)


def _number(text: str | None) -> int | None:
    """A number that somebody typed; nothing is no limit. Raises ValueError."""
    if not text or not text.strip():
        return None
    if not text.strip().isdigit():
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)
