"""The button that stops the clock of a job until the applicant answers, and lets it run again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from hms_floor.auth.tokens import Role
from hms_floor.pages.parts.dialogs import Dialog
from hms_floor.pages.sign_in.session import Visitor

_NOT_BEGUN = ("waiting", "queued")


class HoldButton:
    """A button for those who may hold jobs, as long as nobody works on the job."""

    def __init__(self, visitor: Visitor, job: str) -> None:
        self._visitor = visitor
        self._job = job
        self._is_held: bool | None = None
        self._button = ui.button("", on_click=self._ask).props("outline dense")
        self._button.set_visibility(False)

    def show(self, document: Mapping[str, Any]) -> None:
        """Offer to hold the job, or to let it go on."""
        can = document["status"] in _NOT_BEGUN and document["event"] is None
        self._button.set_visibility(can and self._visitor.may(Role.OPERATOR, Role.MANAGER))
        is_held = document["heldAt"] is not None
        if is_held != self._is_held:
            self._is_held = is_held
            self._button.set_text("Answered" if is_held else "Ask the applicant")
            self._button.props(f"icon={'play_arrow' if is_held else 'pause'}")

    def _ask(self) -> None:
        verb = "answer" if self._is_held else "hold"
        title = f"{self._job}: answered" if self._is_held else f"Hold {self._job} until the applicant answers"
        effect = (
            "It goes on, and its deadline is later by the time that its clock has stood."
            if self._is_held
            else "Its clock stands, and it is not handed out, until somebody says that the answer is there."
        )
        with Dialog(title, effect) as dialog:
            reason = dialog.text("What was answered?" if self._is_held else "What is asked?")

            async def act() -> str:
                await self._visitor.ask.post(
                    f"/jobs/{self._job}/{verb}", {"reason": reason.value} if reason.value else {}
                )
                return f"{self._job} {'goes on' if verb == 'answer' else 'is held'}."

            dialog.does("Go on" if self._is_held else "Hold", act)
