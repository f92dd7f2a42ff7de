"""Incidents: what is wrong, who has it in hand, what was texted; silences; what the rules compare with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui
from starlette.requests import Request

from hms_floor.badges import Role
from hms_floor.pages import plain, silences
from hms_floor.pages.asking import Refused
from hms_floor.pages.frame import done, frame, nothing, tell
from hms_floor.pages.plain import Link, link
from hms_floor.pages.session import Visitor
from hms_floor.pages.silences import clock

#: How often they are looked at, in seconds.
LOOK_SECONDS = 2.0
#: Jobs of an incident that are linked one by one.
JOBS_SHOWN = 60
_LIGHTS = {"open": "broken", "acknowledged": "risk", "resolved": "holds", "pending": "unknown"}


@ui.page("/incidents")
async def incidents(request: Request) -> None:
    """The page of all incidents."""
    with frame(request, "Incidents") as visitor:
        with ui.element("section").classes("card"):
            with ui.element("h1"):
                ui.label("Incidents")
            body = ui.element("div")
        with ui.element("section").classes("card"):
            with ui.element("div").classes("spread"):
                with ui.element("h2"):
                    ui.label("Silences")
                if visitor.may(Role.MANAGER):
                    ui.button(
                        "Silence", icon="notifications_off", on_click=lambda: silences.ask(visitor)
                    ).props("outline dense")
            await silences.show(visitor)
        with (
            ui.element("section").classes("card"),
            ui.expansion("What the rules compare with").classes("wide"),
        ):
            await silences.thresholds(visitor)
    seen: object = None

    async def refresh() -> None:
        nonlocal seen
        states = ["pending", "open", "acknowledged", "resolved"]
        found = (await visitor.ask.get("/incidents", state=states, limit=50, zone=visitor.zone.key))[
            "incidents"
        ]
        if found == seen:
            return
        seen = found
        body.clear()
        with body:
            if not found:
                nothing("Nothing was ever wrong.")
                return
            plain.table(
                ("Incident", "State", "What", "Since", "In hand", "Over"),
                [_listed(incident) for incident in found],
                wide=("What",),
                caption="Incidents, newest first",
            )

    await refresh()
    ui.timer(LOOK_SECONDS, refresh, immediate=False)


@ui.page("/incidents/{name}")
async def incident(request: Request, name: str) -> None:
    """The page of one incident."""
    with frame(request, f"Incident {name}") as visitor:
        place = ui.element("div").classes("stack")
        try:
            found = await visitor.ask.get(f"/incidents/{name}", zone=visitor.zone.key)
        except Refused as refused:
            with place, ui.element("section").classes("card"):
                nothing(str(refused))
            return
    seen: object = None

    async def refresh(first: Mapping[str, Any] | None = None) -> None:
        nonlocal seen
        document = first or await visitor.ask.get(f"/incidents/{found['id']}", zone=visitor.zone.key)
        if document != seen:
            seen = document
            place.clear()
            with place:
                _show(document, visitor)

    await refresh(found)
    ui.timer(LOOK_SECONDS, refresh, immediate=False)


def _show(document: Mapping[str, Any], visitor: Visitor) -> None:
    with ui.element("section").classes("card"):
        with ui.element("div").classes("spread"):
            with ui.element("div").classes("row"):
                with ui.element("h1"):
                    ui.label(_name(document))
                ui.label(document["state"]).classes(f"light {_LIGHTS[document['state']]}")
            with ui.element("div").classes("row"):
                if visitor.may(Role.ONCALL, Role.MANAGER):
                    if document["state"] == "open":
                        _deed(
                            "Acknowledge",
                            "ack",
                            "No more texts while somebody has it in hand.",
                            document,
                            visitor,
                        )
                    if document["state"] in ("open", "acknowledged"):
                        _deed("Resolve", "resolve", "It is over, whatever is measured.", document, visitor)
        ui.label(document["sentence"]).classes("title")
        facts = {
            "Rule": f"{document['rule']}: {document['title']}",
            "Queue": document["queue"],
            "Holds since": clock(document["activeAt"]),
            "Opened": clock(document["openedAt"]),
            "In hand": _by(document["acknowledgedBy"], document["acknowledgedAt"]),
            "Pages again": clock(document["ackExpiresAt"]) if document["state"] == "acknowledged" else None,
            "Over": _by(document["resolvedBy"], document["resolvedAt"]),
            "Late jobs": f"{document['lateJobs']:,}" if document["lateJobs"] else None,
            "Reopened": f"{document['reopened']} times" if document["reopened"] else None,
            "Comes and goes": "yes: no more texts until it is steady" if document["flapping"] else None,
            "Silenced": "yes" if document["silenced"] else None,
        }
        with ui.element("dl").classes("facts"):
            for name, value in facts.items():
                if value:
                    with ui.element("dt"):
                        ui.label(name)
                    with ui.element("dd"):
                        ui.label(str(value))
    with ui.element("div").classes("pair two"):
        with ui.element("section").classes("card"):
            with ui.element("h2"):
                ui.label("What happened")
            rows = [
                (clock(line["at"]) or "", line["kind"], line["who"] or "", _detail(line["detail"]))
                for line in reversed(document["timeline"])
            ]
            plain.table(
                ("At", "What", "Who", "Detail"), rows, wide=("Detail",), caption="History, newest first"
            )
        if document.get("texts"):
            with ui.element("section").classes("card"):
                with ui.element("h2"):
                    ui.label("Texts about it")
                texts = [
                    (clock(text["createdAt"]) or "", text["to"], text["body"] or "", text["fate"])
                    for text in document["texts"]
                ]
                plain.table(
                    ("At", "To", "Text", "Fate"), texts, wide=("Text",), caption="Texts, newest first"
                )
        if document["jobs"]:
            with ui.element("section").classes("card"):
                with ui.element("h2"):
                    ui.label("Late jobs")
                with ui.element("div").classes("row"):
                    for job in document["jobs"][:JOBS_SHOWN]:
                        link(job, f"/floor/jobs/{job}").classes("number")
                more = document["lateJobs"] - min(len(document["jobs"]), JOBS_SHOWN)
                if more > 0:
                    ui.label(f"and {more:,} more").classes("faint")


def _deed(title: str, verb: str, effect: str, document: Mapping[str, Any], visitor: Visitor) -> None:
    def ask() -> None:
        with ui.dialog() as dialog, ui.card().classes("ask"):
            ui.label(f"{title} {_name(document)}").classes("title")
            ui.label(effect).classes("faint")
            reason = ui.input("What is being done?").props("outlined dense")

            async def act() -> None:
                body = {"reason": reason.value} if reason.value else {}
                try:
                    await visitor.ask.post(f"/incidents/{document['id']}/{verb}", body)
                except Refused as refused:
                    tell(refused)
                    return
                dialog.close()
                done(f"{_name(document)}: {title.lower()}d.")

            with ui.element("div").classes("row"):
                ui.button(title, on_click=act)
                ui.button("Leave it", on_click=dialog.close).props("flat")
        dialog.open()

    ui.button(title, on_click=ask).props("outline dense")


def _listed(document: Mapping[str, Any]) -> tuple[plain.Cell, ...]:
    return (
        Link(_name(document), f"/floor/incidents/{document['id']}"),
        document["state"],
        document["sentence"],
        clock(document["activeAt"]) or "",
        document["acknowledgedBy"] or "",
        clock(document["resolvedAt"]) or "",
    )


def _name(document: Mapping[str, Any]) -> str:
    return f"#{document['reference']}" if document["reference"] else f"Incident {document['id']}"


def _by(who: str | None, when: str | None) -> str | None:
    if when is None:
        return None
    return f"{who}, {clock(when)}" if who else clock(when)


def _detail(detail: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (detail or {}).items())
