"""Silences, and what the rules compare with: what decides which incidents call somebody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nicegui import ui

from hms_floor.pages import plain, words
from hms_floor.pages.asking import Refused
from hms_floor.pages.frame import nothing, tell
from hms_floor.pages.session import Visitor


async def show(visitor: Visitor) -> None:
    """Show which hold, or are to come."""
    found = (await visitor.ask.get("/silences"))["silences"]
    if not found:
        nothing("Nothing is silenced: every new incident calls somebody.")
        return
    plain.table(
        ("Rule", "Queue", "From", "Until", "Why", "By"),
        [
            (
                silence["rule"] or "every rule",
                silence["queue"] or "every queue",
                clock(silence["startsAt"]) or "",
                clock(silence["endsAt"]) or "",
                silence["reason"],
                silence["setBy"],
            )
            for silence in found
        ],
        wide=("Why",),
        caption="Silences that hold or are to come",
    )


def ask(visitor: Visitor) -> None:
    """Ask for a new one."""
    with ui.dialog() as dialog, ui.card().classes("ask"):
        ui.label("Silence").classes("title")
        ui.label("New incidents open and are shown, but call nobody until it ends.").classes("faint")
        queue = ui.input("Queue (empty: every one)").props("outlined dense")
        rule = ui.input("Rule (empty: every one)").props("outlined dense")
        minutes = ui.number("For how many minutes", value=60, min=1, max=10080).props("outlined dense")
        reason = ui.input("Why?").props("outlined dense")

        async def act() -> None:
            until = datetime.now(UTC) + timedelta(minutes=minutes.value or 0)
            body = {"endsAt": until.isoformat(), "reason": reason.value or ""}
            body |= {"queue": queue.value} if queue.value else {}
            body |= {"rule": rule.value} if rule.value else {}
            try:
                await visitor.ask.post("/silences", body)
            except Refused as refused:
                tell(refused)
                return
            dialog.close()
            ui.navigate.reload()

        with ui.element("div").classes("row"):
            ui.button("Silence", on_click=act)
            ui.button("Leave it", on_click=dialog.close).props("flat")
    dialog.open()


async def thresholds(visitor: Visitor) -> None:
    """Show what the rules compare with."""
    found = (await visitor.ask.get("/thresholds"))["thresholds"]
    plain.table(
        ("Rule", "Parameter", "Queue", "Value", "Default", "Set by"),
        [
            (
                each["rule"],
                each["parameter"],
                each["queue"] or "every queue",
                f"{each['value']:g}",
                f"{each['default']:g}",
                each["setBy"] or "",
            )
            for each in found
        ],
        numbers=("Value", "Default"),
        caption="Thresholds in force",
    )


def clock(moment: str | None) -> str | None:
    """A moment of an answer, by the reader's clock."""
    return words.short(moment)
