"""Actions on a schedule: run it now, skip a file, pause, resume and remove it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from hms_floor.auth.tokens import Role
from hms_floor.pages.frame import go
from hms_floor.pages.parts.dialogs import Dialog
from hms_floor.pages.sign_in.session import Visitor

_EFFECTS = {
    "run": "It starts within seconds, whenever it is due; what is due then starts all the same.",
    "skip": "The run that waits for its file waits no longer, and one that has failed is settled.",
    "pause": "Nothing of it is due until it is resumed.",
    "resume": "It goes on with the next run that is due; what was due meanwhile is left out.",
    "remove": "Nothing more starts by it; what it has started goes on.",
}
_DONE = {
    "run": "{name} is asked to run.",
    "skip": "{name} waits no longer.",
    "pause": "{name} is paused.",
    "resume": "{name} goes on.",
    "remove": "{name} is removed.",
}


class Buttons:
    """What an operator and a manager can do to a schedule."""

    def __init__(self, name: str, visitor: Visitor, *, in_recipe: bool) -> None:
        self._name, self._visitor = name, visitor
        self._paused: bool | None = None
        with ui.element("div").classes("row"):
            self._button("Run now", "play_circle", "run")
            self._skip = self._button("Skip", "skip_next", "skip")
            self._skip.set_visibility(False)
            if visitor.may(Role.MANAGER):
                self._pause = ui.button("Pause", icon="pause", on_click=self._ask_pause).props(
                    "outline dense"
                )
                if not in_recipe:
                    self._button("Remove", "delete", "remove")

    def show(self, schedule: Mapping[str, Any]) -> None:
        """Offer to skip what waits or has failed, and to resume what is paused."""
        last = schedule["last"]
        self._skip.set_visibility(last is not None and last["state"] in ("waiting", "failed"))
        paused = schedule["pausedAt"] is not None
        if paused != self._paused and self._visitor.may(Role.MANAGER):
            self._pause.set_text("Resume" if paused else "Pause")
            self._pause.props(f"icon={'play_arrow' if paused else 'pause'}")
        self._paused = paused

    def _button(self, label: str, icon: str, verb: str) -> ui.button:
        button = ui.button(label, icon=icon, on_click=lambda: self._ask(label, verb))
        return button.props("outline dense")

    def _ask_pause(self) -> None:
        verb = "resume" if self._paused else "pause"
        self._ask(verb.capitalize(), verb)

    def _ask(self, label: str, verb: str) -> None:
        with Dialog(f"{label}: {self._name}", _EFFECTS[verb]) as dialog:
            reason = dialog.text("Why?")

            async def act() -> str:
                body = {"reason": reason.value} if reason.value else {}
                await self._visitor.ask.post(f"/schedules/{self._name}/{verb}", body)
                if verb == "remove":
                    go("/floor/schedules")
                return _DONE[verb].format(name=self._name)

            dialog.does(label, act, danger=verb == "remove")
