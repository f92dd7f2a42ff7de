"""What a manager can do to a queue: pause and resume it, limit it, and set its SLA after a preview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from hms_floor import ahead
from hms_floor.board import Card
from hms_floor.pages import words
from hms_floor.pages.asking import Refused
from hms_floor.pages.frame import done, tell
from hms_floor.pages.session import Visitor


class Buttons:
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
                done(f"{self._name} has {words.promise(answer['minutes'])} from now on.")

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


def _preview(answer: Mapping[str, Any]) -> str:
    change = f"From {words.promise(answer['before'])} to {words.promise(answer['minutes'])}."
    return f"{change} {ahead.told(answer['forecast'])}"


def _told(number: int | None) -> str:
    return "" if number is None else str(number)


def _number(text: str | None) -> int | None:
    """A number that somebody typed; nothing is no limit. Raises ValueError."""
    if not text or not text.strip():
        return None
    if not text.strip().isdigit():
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)
