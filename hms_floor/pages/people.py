"""Who has which role now: the badges that hold, wherever they were issued; any can be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui
from starlette.requests import Request

from hms_floor.pages.frame import frame
from hms_floor.pages.parts import format, html
from hms_floor.pages.parts.dialogs import Dialog
from hms_floor.pages.parts.freshness import keep
from hms_floor.pages.route import page
from hms_floor.pages.sign_in.session import Visitor

#: How often the badges are looked at, in seconds.
LOOK_SECONDS = 5.0
#: So many badges are shown.
MOST = 500
_HEADERS = ("Who", "Roles", "Queues", "Since", "Ends", "Last seen", "Badge from", "Number")


@page("/people", "GET /badges")
async def people(request: Request) -> None:
    """The page of people and programs with their roles."""
    with frame(request, "People") as visitor, ui.element("section").classes("card"):
        with ui.element("div").classes("spread"):
            with ui.element("h1"):
                ui.label("Who has which role")
            button = ui.button("Take back", icon="person_off", on_click=lambda: _ask(visitor, chosen, shown))
            button.props("outline dense")
        chosen: list[str] = []
        shown: dict[str, Mapping[str, Any]] = {}

        def choose(keys: list[str]) -> None:
            chosen[:] = keys
            button.set_enabled(bool(keys))

        button.set_enabled(False)
        table = html.Table(
            _HEADERS,
            caption="Badges that hold now, newest first",
            wraps=("Roles", "Queues", "Number"),
            key="Number",
            on_choose=choose,
            empty="Nobody has a badge that holds.",
        )
        ui.label(
            "A badge that was issued elsewhere is listed once it was shown. Last seen is exact to a minute."
        ).classes("faint")

    async def refresh() -> None:
        badges = (await visitor.ask.get("/badges", valid="true", limit=MOST))["badges"]
        shown.clear()
        shown.update({badge["jti"]: badge for badge in badges})
        table.show([_row(badge) for badge in badges])

    await keep(refresh, LOOK_SECONDS)


def _row(badge: Mapping[str, Any]) -> tuple[html.Cell, ...]:
    return (
        badge["actor"],
        ", ".join(badge["roles"]) or "none",
        ", ".join(badge["queues"] or ()),
        format.short(badge["issuedAt"]),
        format.short(badge["expiresAt"]),
        format.short(badge["lastSeenAt"]) if badge["lastSeenAt"] else "",
        badge["issuedBy"] or "elsewhere",
        badge["jti"],
    )


def _ask(visitor: Visitor, chosen: list[str], shown: Mapping[str, Mapping[str, Any]]) -> None:
    """Ask why the chosen badges are taken back."""
    numbers = [jti for jti in chosen if jti in shown]
    whose = ", ".join(dict.fromkeys(shown[jti]["actor"] for jti in numbers))
    count = "1 badge" if len(numbers) == 1 else f"{len(numbers)} badges"
    effect = f"It is refused within two seconds, on every page and by the API: {whose}."
    with Dialog(f"Take back {count}", effect) as dialog:
        reason = dialog.text("Why?")

        async def act() -> str:
            if not (reason.value or "").strip():
                raise ValueError("say why: it stands in the audit trail")
            for jti in numbers:
                await visitor.ask.post(f"/badges/{jti}/revoke", {"reason": reason.value})
            return f"Taken back: {whose}."

        dialog.does("Take back", act, danger=True, leave="Keep")
