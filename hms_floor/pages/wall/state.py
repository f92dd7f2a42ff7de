"""The state of the floor: its light and its sentence, in the page's title and its icon, and as a notice."""

from __future__ import annotations

import json

from nicegui import ui

from hms_floor.pages.live import feed
from hms_floor.pages.live.feed import View
from hms_floor.pages.parts import format as words
from hms_floor.presentation import headline, lights, overview
from hms_floor.presentation.headline import Verdict
from hms_oms.runtime import format

#: Nothing newer than this, in seconds: the page says that it cannot tell.
OLD_SECONDS = 5.0


def now(view: View) -> Verdict:
    """What the newest view comes to; one that is too old comes to nothing."""
    age = feed.age()
    if age is not None and age > OLD_SECONDS:
        sentence = f"Cannot tell: the ledger has not answered for {format.about(age)}."
        return Verdict("unknown", sentence)
    return headline.verdict(view.board, words.zone(), incidents=len(view.incidents))


class Sign:
    """The state in the title and the icon of a page, and a notice of the browser if somebody asked for it."""

    def __init__(self, page: str) -> None:
        self._page = page
        self._was: tuple[str, str] | None = None

    def show(self, state: Verdict) -> None:
        """Show the state; what has not changed is not sent."""
        subject = state.queue or self._page
        if (state.light, subject) == self._was:
            return
        self._was = (state.light, subject)
        word = f"{lights.SHAPES[state.light]} {overview.WORDS[state.light]}"
        ui.page_title(f"{word} - {subject} - Operations floor")
        notice = (state.light, word, f"{subject}: {state.words}" if state.queue else state.words)
        ui.run_javascript(f"hmsState({', '.join(map(json.dumps, notice))})")


def notices_button() -> ui.button:
    """A button that turns the notices of this browser on and off; off at first."""
    button = ui.button("Notify me", icon="notifications_off").props("outline")
    button.props('aria-pressed="false"').classes("notices")
    button.on("click", js_handler="() => hmsNotices.turn()")
    tip = "A notification of this browser and a sound when the state turns to At risk or Late"
    button.tooltip(tip)
    return button
