"""The button that tells a job of the event for which it waits."""

from __future__ import annotations

import json
from typing import Any

from nicegui import ui

from hms_floor.auth.tokens import Role
from hms_floor.pages.parts.dialogs import Dialog
from hms_floor.pages.sign_in.session import Visitor


class SignalButton:
    """A button that is there while the job waits for an event, for those who may signal."""

    def __init__(self, visitor: Visitor, job: str) -> None:
        self._visitor = visitor
        self._job = job
        self._event: str | None = None
        self._button = ui.button("Signal", icon="notifications_active", on_click=self._ask)
        self._button.props("dense")
        self._button.set_visibility(False)

    def show(self, event: str | None) -> None:
        """Offer the event that the job waits for now, if there is one."""
        if event == self._event:
            return
        self._event = event
        self._button.set_visibility(event is not None and self._visitor.may(Role.OPERATOR, Role.MANAGER))
        if event is not None:
            self._button.set_text(f"Signal {event}")

    def _ask(self) -> None:
        event = self._event
        if event is None:
            return

        async def act() -> str:
            asked: dict[str, Any] = {"event": event}
            if reason.value:
                asked["reason"] = reason.value
            if (data.value or "").strip():
                asked["data"] = _object(data.value)
            await self._visitor.ask.post(f"/jobs/{self._job}/signal", asked)
            return f"{self._job} was told of {event}."

        effect = f"The job goes on: it waits for {event}. This cannot be undone."
        with Dialog(f"Signal {event} to {self._job}", effect) as dialog:
            data = dialog.text('Result of the step, as {"granted": true}; may be empty')
            reason = dialog.text("Why? It is kept in the audit trail.")
            dialog.does(f"Signal {event}", act)


def _object(written: str) -> dict[str, Any]:
    """A JSON object that somebody has typed. Raises ValueError."""
    try:
        value = json.loads(written)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError('The result must be a JSON object, as {"granted": true}, or empty.')
    return value
