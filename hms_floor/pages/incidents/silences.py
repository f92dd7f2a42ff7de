"""Silences, and what the rules compare with: what decides which incidents call somebody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from nicegui import ui

from hms_floor.auth.tokens import Role
from hms_floor.pages.parts import format, html
from hms_floor.pages.parts.dialogs import Dialog
from hms_floor.pages.parts.freshness import keep
from hms_floor.pages.sign_in.session import Visitor

#: How often they are looked at, in seconds.
LOOK_SECONDS = 2.0


async def section(visitor: Visitor) -> None:
    """Show which hold, or are to come, and offer a new one."""
    with ui.element("section").classes("card"):
        with ui.element("div").classes("spread"):
            with ui.element("h2"):
                ui.label("Silences")
            if visitor.may(Role.MANAGER):
                button = ui.button(
                    "Silence", icon="notifications_off", on_click=lambda: _ask(visitor, refresh)
                )
                button.props("outline dense")
        table = html.Table(
            ("Rule", "Queue", "From", "Until", "Why", "By"),
            wide=("Why",),
            caption="Silences that hold or are to come",
            empty="Nothing is silenced: every new incident calls somebody.",
        )

    async def refresh() -> None:
        listed = (await visitor.ask.get("/silences"))["silences"]
        table.show([_listed(silence) for silence in listed])

    await keep(refresh, LOOK_SECONDS)


def _listed(silence: Mapping[str, Any]) -> tuple[html.Cell, ...]:
    return (
        silence["rule"] or "every rule",
        silence["queue"] or "every queue",
        clock(silence["startsAt"]) or "",
        clock(silence["endsAt"]) or "",
        silence["reason"],
        silence["setBy"],
    )


def _ask(visitor: Visitor, then: Callable[[], Awaitable[None]]) -> None:
    """Ask for a new one."""
    effect = "New incidents open and are shown, but call nobody until it ends."
    with Dialog("Silence", effect) as dialog:
        queue = dialog.text("Queue (empty: every one)")
        rule = dialog.text("Rule (empty: every one)")
        minutes = dialog.number("For how many minutes", 60, min=1, max=10080)
        reason = dialog.text("Why?")

        async def act() -> str:
            until = datetime.now(UTC) + timedelta(minutes=minutes.value or 0)
            body = {"endsAt": until.isoformat(), "reason": reason.value or ""}
            body |= {"queue": queue.value} if queue.value else {}
            body |= {"rule": rule.value} if rule.value else {}
            await visitor.ask.post("/silences", body)
            await then()
            return f"Silenced until {clock(until.isoformat())}."

        dialog.does("Silence", act)


async def thresholds(visitor: Visitor) -> None:
    """Show what the rules compare with."""
    listed = (await visitor.ask.get("/thresholds"))["thresholds"]
    html.table(
        ("Rule", "Parameter", "Queue", "Value", "Default", "Set by"),
        [
            (
                item["rule"],
                item["parameter"],
                item["queue"] or "every queue",
                f"{item['value']:g}",
                f"{item['default']:g}",
                item["setBy"] or "",
            )
            for item in listed
        ],
        numbers=("Value", "Default"),
        caption="Thresholds in force",
    )


def clock(moment: str | None) -> str | None:
    """A moment of an answer, by the reader's clock; None stays None."""
    return None if moment is None else format.short(moment)
