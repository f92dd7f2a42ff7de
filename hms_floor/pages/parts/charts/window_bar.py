"""The bar of a page's window of time: how far its charts reach, and what is behind them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from nicegui import events, ui
from starlette.requests import Request

from hms_floor import subpath
from hms_floor.pages.parts import format, toasts
from hms_floor.pages.parts.dialogs import Dialog
from hms_floor.pages.parts.format import put
from hms_floor.pages.parts.html import Anchor, link
from hms_floor.pages.parts.spoken import Spoken
from hms_floor.pages.sign_in.api_client import Refused
from hms_floor.presentation.past import window as windows
from hms_floor.presentation.past.window import Window
from hms_oms.runtime import clock

#: What the windows that end now are called.
_NAMES = {
    "5m": "5 min",
    "30m": "30 min",
    "2h": "2 h",
    "8h": "8 h",
    "24h": "24 h",
    "7d": "7 days",
    "30d": "30 days",
    "90d": "90 days",
}
_BEHIND = {None: "nothing", "day": "a day before", "week": "a week before"}


class WindowBar:
    """Links to the windows; `turned` gets each that is chosen. Raises Refused for an address without one."""

    def __init__(self, request: Request, turned: Callable[[Window], None]) -> None:
        self._path, self._turned = subpath.inside(request.scope), turned
        self._zone = format.zone()
        try:
            self.window = windows.read(dict(request.query_params), self._zone, datetime.now(UTC))
        except ValueError as error:
            raise Refused(422, f"{error}.") from None
        self._links: dict[str, Anchor] = {}
        self._behind: dict[str | None, Anchor] = {}
        with (
            ui.element("div")
            .classes("window")
            .props('role="group" aria-label="Window of time of the charts"')
        ):
            with ui.element("div").classes("window-part"):
                ui.label("Charts of").classes("faint")
                self._links = {name: self._link(words) for name, words in _NAMES.items()}
                button = ui.button("From ... to", on_click=self._ask).props("flat dense no-caps")
                button.classes("window-other")
            with ui.element("div").classes("window-part"):
                ui.label("behind them").classes("faint")
                self._behind = {name: self._link(words) for name, words in _BEHIND.items()}
            with ui.element("div").classes("window-part window-still") as self._still:
                self._words = ui.label("").classes("number")
                self._back = self._link("Back to now")
            self._spoken = Spoken()
        self._show()
        ui.on("hms_window", self._turn)

    def _link(self, words: str) -> Anchor:
        anchor = link(words, self._path)
        anchor.on("click", js_handler="(event) => hmsFollow(event)")
        return anchor

    def _turn(self, event: events.GenericEventArguments) -> None:
        """The address has become another one."""
        fields = dict(parse_qsl(str(event.args)))
        try:
            window = windows.read(fields, self._zone, datetime.now(UTC))
        except ValueError as error:
            toasts.tell(Refused(422, f"{error}."))
            return
        if window != self.window:
            self.window = window
            self._show()
            self._turned(window)

    def _show(self) -> None:
        window = self.window
        for name, anchor in self._links.items():
            here = window.is_live and name == window.name
            self._lead(anchor, Window(name, behind=window.behind), here=here)
        for behind, anchor in self._behind.items():
            self._lead(anchor, window.with_behind(behind), here=behind == window.behind)
        self._still.set_visibility(not window.is_live)
        sentence = f"The charts show the last {_NAMES[window.name]}."
        if not window.is_live:
            span = windows.words(window, self._zone)
            sentence = f"The charts show how it was from {span}; other numbers are those of now."
            put(self._words, f"As of {span}. Other numbers are those of now.")
            self._lead(self._back, window.ending_now(), here=False)
        self._spoken.say(window, sentence)

    def _lead(self, anchor: Anchor, window: Window, *, here: bool) -> None:
        anchor.lead(f"{self._path}?{window.address}")
        anchor.classes(add="here") if here else anchor.classes(remove="here")
        anchor.props('aria-current="true"') if here else anchor.props(remove="aria-current")

    def _ask(self) -> None:
        since, until = self.window.span(datetime.now(UTC))
        with Dialog("Window of time", f"In the zone {self._zone.key}.") as dialog:
            first, last = (
                dialog.text(name, f"{when.astimezone(self._zone):%Y-%m-%dT%H:%M}").props(
                    "type=datetime-local"
                )
                for name, when in (("From", since), ("To", until))
            )

            async def act() -> None:
                begin, end = (clock.read(field.value or "", self._zone) for field in (first, last))
                window = windows.between(begin, end, datetime.now(UTC), self.window.behind)
                ui.run_javascript(f"hmsWindow({json.dumps(window.address)})")

            dialog.does("Show", act)
