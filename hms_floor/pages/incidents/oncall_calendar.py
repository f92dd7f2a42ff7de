"""The calendar of shifts on the page of who is on call: its address, and another one for managers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from hms_floor import subpath
from hms_floor.auth.tokens import Role
from hms_floor.pages.frame import go
from hms_floor.pages.parts import format
from hms_floor.pages.parts.dialogs import Dialog
from hms_floor.pages.sign_in.session import Visitor

_EFFECT = "Calendars that read the present address get nothing more."


async def section(visitor: Visitor) -> None:
    """Show the address that other calendars read the shifts under."""
    feed = await visitor.ask.get("/oncall/feed")
    with ui.element("section").classes("card"):
        with ui.element("div").classes("spread"):
            with ui.element("h2"):
                ui.label("Calendar")
            if visitor.may(Role.MANAGER):
                with ui.element("div").classes("row"):
                    _buttons(visitor, feed)
        if feed["address"] is None:
            ui.label("No calendar reads the shifts: a manager makes an address.").classes("nothing")
            return
        address = _whole(feed["address"])
        ui.link(address, address).classes("address")
        made = f"{feed['madeBy']}, {format.minute(feed['madeAt'])}"
        ui.label(f"Subscribe to it in your calendar. Who has it may read it. Made by {made}.").classes(
            "faint"
        )


def _buttons(visitor: Visitor, feed: Mapping[str, Any]) -> None:
    def ask(title: str, path: str, verb: str) -> None:
        effect = _EFFECT if feed["address"] else "Anyone who has it may read who is on call when."
        with Dialog(title, effect) as dialog:
            reason = dialog.text("Why?")

            async def act() -> None:
                await visitor.ask.post(path, {"reason": reason.value or None})
                go("/floor/oncall")

            dialog.does(verb, act, danger=feed["address"] is not None)

    make = "Another address" if feed["address"] else "Make an address"
    button = ui.button(make, icon="event", on_click=lambda: ask(make, "/oncall/feed", "Make it"))
    button.props("outline dense")
    if feed["address"]:
        revoke = ui.button(
            "Revoke",
            icon="event_busy",
            on_click=lambda: ask("Revoke the address", "/oncall/feed/revoke", "Revoke"),
        )
        revoke.props("outline dense")


def _whole(address: str) -> str:
    """The address as a calendar elsewhere needs it."""
    request = ui.context.client.request
    if not address.startswith("/"):
        return address
    return f"{request.url.scheme}://{request.url.netloc}{subpath.root(request.scope)}{address}"
