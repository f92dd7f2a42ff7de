"""On call: who is texted now and after how long, and the document that says so."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import events, ui
from starlette.requests import Request

from hms_floor.auth.tokens import Role
from hms_floor.pages.cycles import upload_area
from hms_floor.pages.frame import frame, nothing
from hms_floor.pages.incidents import oncall_calendar
from hms_floor.pages.parts import format, html
from hms_floor.pages.parts.dialogs import Dialog
from hms_floor.pages.parts.freshness import STILL_SECONDS, Source, of_page
from hms_floor.pages.parts.html import link
from hms_floor.pages.parts.toasts import done, tell
from hms_floor.pages.route import page
from hms_floor.pages.sign_in.api_client import Refused
from hms_floor.pages.sign_in.session import Visitor
from hms_floor.presentation.oncall import night_words
from hms_oms.runtime import text_decoding


@page("/oncall", "GET /oncall")
async def oncall(request: Request) -> None:
    """The page of the escalation policy."""
    with frame(request, "On call") as visitor:
        document = await visitor.ask.get("/oncall")
        of_page().add(Source(STILL_SECONDS, still=True))
        with ui.element("section").classes("card"):
            with ui.element("div").classes("spread"):
                with ui.element("h1"):
                    ui.label("On call now")
                if visitor.may(Role.MANAGER):
                    with ui.element("div").classes("row"):
                        link("Change", "/floor/oncall/edit").classes("button")
                        _test_button(visitor)
            if document["now"]:
                html.table(
                    ("After", "Who is texted"),
                    steps(document["now"]),
                    caption="The escalation policy as it stands now",
                )
            else:
                nothing("Nobody is called. Set a document: `hms oncall set FILE`.")
            _turns(document)
            _coverage(document)
            if document["setAt"]:
                why = f": {document['reason']}" if document["reason"] else ""
                ui.label(f"Set by {document['setBy']}, {format.minute(document['setAt'])}{why}").classes(
                    "faint"
                )
            else:
                ui.label("This holds until somebody sets a document.").classes("faint")
        await oncall_calendar.section(visitor)
        with ui.element("section").classes("card"):
            with ui.element("h2"):
                ui.label("The document")
            _document(document["document"])
            if visitor.may(Role.MANAGER):
                _upload(visitor)


def steps(now: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The steps of the policy as they stand now, as rows of a table: one that reaches nobody says so."""
    return [
        (
            f"{step['afterMinutes']:g} min" if step["afterMinutes"] else "at once",
            ", ".join(step["recipients"]) or "nobody: no shift covers this hour",
        )
        for step in now
    ]


def _turns(document: dict[str, Any]) -> None:
    """Who is called first now and until when, and this evening and night."""
    names: Sequence[str] = next((step["recipients"] for step in document["now"] if step["recipients"]), [])
    then = document["next"]
    ui.label(night_words.now(names, then and (then["since"], then["names"]), format.minute)).classes(
        "tonight"
    )
    night = [(turn["until"], turn["names"]) for turn in document["tonight"]]
    ui.label(night_words.tonight(night, format.hour)).classes("tonight")


def _coverage(document: dict[str, Any]) -> None:
    """Why nobody may be reached now, and the hours of the week in which nobody stands on some step."""
    if document["doubt"]:
        doubt = document["doubt"]
        ui.label(f"{doubt[0].upper()}{doubt[1:]}.").classes("doubt").props('role="status"')
    if document["gaps"]:
        rows = [
            (
                f"{gap['begins']} - {gap['ends']}" if gap["hours"] < 168 else "the whole week",
                f"{gap['hours']:g} h",
                "nobody at all" if gap["nobody"] else f"step {', '.join(map(str, gap['steps']))} is skipped",
            )
            for gap in document["gaps"]
        ]
        html.table(("Hours that no shift covers", "Each week", "Who is missing"), rows, caption="Gaps")
    elif document["setAt"]:
        ui.label("Every hour of the week is covered.").classes("faint")


def _document(document: dict[str, Any]) -> None:
    recipients = [
        (name, entry if isinstance(entry, str) else f"channel {entry['channel']}")
        for name, entry in document.get("recipients", {}).items()
    ]
    html.table(("Recipient", "Reached by"), recipients, caption="Recipients")
    policy = [
        (f"{step['after_minutes']:g} min" if step["after_minutes"] else "at once", ", ".join(step["notify"]))
        for step in document.get("steps", [])
    ]
    html.table(("Step after", "Notifies"), policy, caption="Steps")
    shifts = [
        (
            shift["name"],
            ", ".join(shift["days"]),
            f"{shift['from']} - {shift['until']}",
            shift["recipient"],
        )
        for shift in document.get("shifts", [])
    ]
    if shifts:
        html.table(("Shift", "Days", "Hours", "Recipient"), shifts, caption="Shifts")
        ui.label(f"Hours are those of {document.get('timezone', 'UTC')}.").classes("faint")


def _upload(visitor: Visitor) -> None:
    async def take(event: events.UploadEventArguments) -> None:
        try:
            text = text_decoding.decode(await event.file.read())
            document = tomllib.loads(text) if event.file.name.endswith(".toml") else json.loads(text)
            await visitor.ask.put("/oncall", {"document": document, "reason": reason.value or None})
        except (ValueError, RecursionError) as error:
            tell(Refused(422, f"{event.file.name} cannot be read: {error}"))
            return
        except Refused as refused:
            tell(refused)
            return
        done("The document is in force.")
        ui.navigate.reload()

    reason = ui.input("Why is it changed?").props("outlined dense").classes("search")
    upload_area.place("Choose another document", "or drop it here: TOML or JSON", ".toml,.json", take)


def _test_button(visitor: Visitor) -> None:
    def ask() -> None:
        with Dialog("Test page", "A text that says it is a test goes to this phone or channel.") as dialog:
            place = dialog.text("Phone or channel", hint="As +12025550143 or ops-slack")

            async def act() -> str:
                name = (place.value or "").strip()
                is_channel = name[:1].isalpha()
                await visitor.ask.post("/test-pages", {"channel" if is_channel else "to": name})
                return "The text is on its way."

            dialog.does("Send", act)

    ui.button("Test page", icon="sms", on_click=ask).props("outline dense")
