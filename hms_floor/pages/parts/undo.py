"""The undo button: what was just done, and the seconds that are left to undo it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from nicegui import ui

from hms_floor.pages.parts import toasts
from hms_floor.pages.parts.dialogs import page_level, waits
from hms_floor.pages.sign_in.session import Visitor

#: The button shows another number as often as this, in seconds.
TICK_SECONDS = 1.0


def offer(
    visitor: Visitor, words: str, undo: Mapping[str, Any] | None, then: Callable[[], Any] | None = None
) -> None:
    """Say what was done and offer to undo it; without `undo` only say it. `then` follows the undoing."""
    with page_level():
        if undo is None:
            toasts.done(words)
        else:
            _Toast(visitor, words, undo, then)


class _Toast:
    """A toast with a button that counts the seconds down; the newest one takes the place of others."""

    def __init__(
        self, visitor: Visitor, words: str, undo: Mapping[str, Any], then: Callable[[], Any] | None
    ) -> None:
        self._visitor, self._change, self._then = visitor, int(undo["id"]), then
        self._ends = time.monotonic() + float(undo["seconds"])
        for other in [element for element in ui.context.client.content if "undo" in element.classes]:
            other.delete()
        with ui.element("div").classes("undo").props('role="status"') as self._place:
            ui.label(words)
            self._button = ui.button(on_click=self._undo).props("flat dense no-caps")
            close = ui.button(icon="close", on_click=self._place.delete)
            close.props('flat round dense aria-label="Close"')
            ui.timer(TICK_SECONDS, self._tick)
        self._tick()

    def _tick(self) -> None:
        left = int(self._ends - time.monotonic())
        if left < 1:
            self._place.delete()
            return
        # Who listens hears what was done and not each second that goes by.
        self._button.set_text(f"Undo ({left} s)")
        self._button.props('aria-label="Undo"')

    async def _undo(self) -> None:
        with waits(self._button):
            answer = await self._visitor.ask.post(f"/changes/{self._change}/undo")
            toasts.done(answer["message"])
        if not self._place.is_deleted:
            self._place.delete()
        if self._then is not None:
            await follow(self._then)


async def follow(then: Callable[[], Any]) -> None:
    """Do what follows a change, and wait for it if it takes a while."""
    outcome = then()
    if hasattr(outcome, "__await__"):
        await outcome
