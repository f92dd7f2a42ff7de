"""What another number of workers would do for a queue: a slider, and how many are needed."""

from __future__ import annotations

from datetime import datetime

from nicegui import ui

from hms_floor.pages.parts import format
from hms_floor.pages.parts.format import put
from hms_floor.pages.parts.html import link
from hms_floor.pages.parts.spoken import Spoken
from hms_floor.pages.sign_in.api_client import Refused
from hms_floor.pages.sign_in.session import Visitor
from hms_floor.presentation.foresight import staffing_words
from hms_oms.documents.foresight import MOST_WORKERS

#: How often the forecast is looked at again, in seconds: it reads all open jobs of the queue.
LOOK_SECONDS = 10.0
#: The slider goes at least so far.
LEAST_REACH = 4


class WorkersCard:
    """The card of a queue's page that tells what more or fewer workers would do."""

    def __init__(self, name: str, visitor: Visitor) -> None:
        self._name, self._visitor = name, visitor
        self._is_moved = False
        self._requests = 0
        with ui.element("section").classes("card"):
            with ui.element("h2"):
                ui.label("What other numbers of workers would do")
            link("Simulate a day of this queue", f"/floor/simulation?queue={name}")
            self._needed = ui.label("").classes("faint")
            self._slider = ui.slider(min=0, max=LEAST_REACH, value=0).on("change", self._move)
            self._slider.props('label snap markers aria-label="Number of workers"')
            self._told = ui.label("")
            self._done_by = ui.label("")
            self._spoken = Spoken("not moved")

    async def refresh(self) -> None:
        """Look again; the slider stands at the workers of now until somebody moves it. Raises Refused."""
        workers = int(self._slider.value) if self._is_moved else None
        self._requests += 1
        request = self._requests
        ahead = await self._visitor.ask.get(f"/queues/{self._name}/forecast", workers=workers)
        if request != self._requests:
            return  # what the slider stands at now was asked for since
        as_of = f" ({format.as_of(ahead['forecastAt'])})" if ahead["forecastAt"] else ""
        put(self._needed, f"{staffing_words.needed(ahead, _clock)}{as_of}")
        put(self._done_by, staffing_words.done_by(ahead, _clock))
        present = ahead["present"]
        for part in (self._slider, self._told):
            part.set_visibility(present is not None)
        if present is None:
            return
        farthest = reach(present["workers"], ahead["workersSure"])
        if self._slider.props.get("max") != farthest:
            self._slider.props(f"max={farthest}")
        if not self._is_moved:
            self._slider.set_value(min(present["workers"], farthest))
        put(self._told, staffing_words.told(ahead["asked"] or present, _clock))

    async def _move(self) -> None:
        self._is_moved = True
        try:
            await self.refresh()
            self._spoken.say(self._slider.value, f"{self._told.text} {self._done_by.text}")
        except Refused as refused:
            put(self._told, str(refused))


def reach(present: int, sure: int) -> int:
    """How many workers the slider goes to: beyond those that are there and those that are needed."""
    return min(max(2 * present, sure + 2, LEAST_REACH), MOST_WORKERS)


def _clock(when: datetime) -> str:
    return format.clock(when)
