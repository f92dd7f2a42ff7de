"""Why a number is what it is: a press on it tells what it is, where it comes from, and what is behind it."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from nicegui import run, ui
from nicegui.elements.mixins.text_element import TextElement

from hms_floor.pages.live import feed
from hms_floor.pages.parts import format
from hms_floor.pages.parts.html import link
from hms_floor.pages.queues import definitions
from hms_floor.pages.queues.definitions import DEFINITIONS


class Why(TextElement):
    """A number of a queue as a button. `figure` is one of DEFINITIONS."""

    def __init__(self, figure: str, queue: str, classes: str = "") -> None:
        super().__init__(tag="button", text="-")
        self._figure, self._queue = figure, queue
        self.props('type="button" aria-haspopup="dialog"').props["title"] = f"{figure}: why?"
        self.classes(f"why {classes}")
        self.on("click", self._tell, args=[])

    async def _tell(self) -> None:
        definition, zone = DEFINITIONS[self._figure], format.zone()
        read = await run.io_bound(self._read, zone)
        self.clear()
        with self, ui.menu() as menu:
            menu.props(f'no-parent-event role="dialog" aria-label="{self._figure} of {self._queue}"')
            with ui.element("div").classes("why-told"):
                ui.label(self._figure).classes("title")
                for words in definitions.words(definition):
                    ui.label(words)
                for words in read or ():
                    ui.label(words).classes("faint number")
                link(definition.behind, definition.leads_to.format(queue=self._queue))
        menu.open()

    def _read(self, zone: ZoneInfo) -> list[str]:
        with feed.connect() as connection:
            return definitions.sources(connection, self._queue, DEFINITIONS[self._figure], zone)
