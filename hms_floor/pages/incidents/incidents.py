"""Incidents: what is wrong, who works on it, what was texted; silences; what the rules compare with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from nicegui import ui
from starlette.requests import Request

from hms_floor.auth.tokens import Role
from hms_floor.pages.frame import frame
from hms_floor.pages.incidents import silences
from hms_floor.pages.incidents.incident_parts import Comments, LateJobs, Trend, Why, people
from hms_floor.pages.incidents.silences import clock
from hms_floor.pages.parts import format, html
from hms_floor.pages.parts.dialogs import Dialog
from hms_floor.pages.parts.format import put
from hms_floor.pages.parts.freshness import keep
from hms_floor.pages.parts.html import Link
from hms_floor.pages.parts.live_section import Facts, Light
from hms_floor.pages.route import page
from hms_floor.pages.sign_in.session import Visitor

#: How often they are looked at, in seconds.
LOOK_SECONDS = 2.0
#: What can be done to an incident: the route's verb, its title, what it does, what is asked ...
_ACTIONS = {
    "ack": ("Acknowledge", "No more texts about it while somebody works on it.", "What is being done?"),
    "resolve": ("Resolve", "It is over, whatever is measured.", "What was done?"),
}
#: ... and in which states.
_ACTS_ON = {"ack": ("open",), "resolve": ("open", "acknowledged")}
_LIGHTS = {"open": "broken", "acknowledged": "risk", "resolved": "holds", "pending": "unknown"}


@page("/incidents", "GET /incidents")
async def incidents(request: Request) -> None:
    """The page of all incidents."""
    with frame(request, "Incidents") as visitor:
        with ui.element("section").classes("card"):
            with ui.element("h1"):
                ui.label("Incidents")
            table = html.Table(
                ("Incident", "State", "What", "Since", "Acknowledged by", "Over"),
                wide=("What",),
                caption="Incidents, newest first",
                empty="No incidents.",
            )
        await silences.section(visitor)
        with (
            ui.element("section").classes("card"),
            ui.expansion("What the rules compare with").classes("wide"),
        ):
            await silences.thresholds(visitor)

    async def refresh() -> None:
        states = ["pending", "open", "acknowledged", "resolved"]
        answer = await visitor.ask.get("/incidents", state=states, limit=50, zone=visitor.zone.key)
        listed = answer["incidents"]
        table.show([_listed(incident) for incident in listed])

    await keep(refresh, LOOK_SECONDS)


@page("/incidents/{name}", "GET /incidents/{id}")
async def incident(request: Request, name: str) -> None:
    """The page of one incident."""
    with frame(request, f"Incident {name}") as visitor:
        shown = _Incident(visitor)

    number = name

    async def refresh() -> None:
        nonlocal number
        document = await visitor.ask.get(f"/incidents/{number}", zone=visitor.zone.key)
        number = str(document["id"])  # a reference may belong to another one later
        await shown.show(document)

    await keep(refresh, LOOK_SECONDS)


class _Incident:
    """What one incident's page shows; all of it changes in place."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._document: Mapping[str, Any] = {}
        self._actions: dict[str, ui.button] = {}
        with ui.element("section").classes("card"):
            self._head()
        with ui.element("div").classes("pair two"):
            with ui.element("section").classes("card"):
                with ui.element("h2"):
                    ui.label("What happened")
                self._timeline = html.Table(
                    ("At", "What", "Who", "Detail"), wide=("Detail",), caption="History, newest first"
                )
            with ui.element("section").classes("card") as self._texts_card:
                with ui.element("h2"):
                    ui.label("Texts about it")
                self._texts = html.Table(
                    ("At", "To", "Text", "Fate"), wide=("Text",), caption="Texts, newest first"
                )
            with ui.element("section").classes("card") as self._people_card:
                with ui.element("h2"):
                    ui.label("What people did to the queue")
                self._people = html.Table(
                    ("At", "Who", "What", "Why"), wide=("What", "Why"), caption="Actions, newest first"
                )
        with ui.element("section").classes("card") as self._trend_card:
            with ui.element("h2"):
                ui.label("The queue meanwhile")
            self._trend = Trend()
        with ui.element("section").classes("card") as self._jobs_card:
            with ui.element("h2"):
                ui.label("Late jobs")
            self._jobs = LateJobs(visitor)

    def _head(self) -> None:
        with ui.element("div").classes("spread"):
            with ui.element("div").classes("row"):
                with ui.element("h1"):
                    self._name = ui.label("")
                self._state = Light()
            with ui.element("div").classes("row"):
                if self._visitor.may(Role.ONCALL, Role.MANAGER):
                    for verb, (title, effect, question) in _ACTIONS.items():
                        self._actions[verb] = ui.button(
                            title, on_click=partial(self._ask, verb, title, effect, question)
                        )
                        self._actions[verb].props("outline dense")
                self._comments = Comments(self._visitor)
        self._sentence = ui.label("").classes("title")
        self._why = Why(self._visitor)
        self._facts = Facts()

    async def show(self, document: Mapping[str, Any]) -> None:
        """Show how the incident stands."""
        self._document = document
        self._why.show(document)
        self._comments.show(document["id"])
        self._trend_card.set_visibility(bool(document["trend"]))
        self._trend.show(document["trend"])
        self._people_card.set_visibility(bool(document["actions"]))
        self._people.show(people(document["actions"]))
        put(self._name, _name(document))
        self._state.show(_LIGHTS[document["state"]], document["state"])
        put(self._sentence, document["sentence"])
        self._facts.show(_facts(document))
        for verb, button in self._actions.items():
            button.set_visibility(document["state"] in _ACTS_ON[verb])
        self._timeline.show(
            [
                (clock(line["at"]) or "", line["kind"], line["who"] or "", _detail(line["detail"]))
                for line in reversed(document["timeline"])
            ]
        )
        texts = document.get("texts") or ()
        self._texts_card.set_visibility(bool(texts))
        self._texts.show(
            [(clock(text["createdAt"]) or "", text["to"], text["body"] or "", text["fate"]) for text in texts]
        )
        self._jobs_card.set_visibility(bool(document["lateJobs"]))
        if document["lateJobs"]:
            await self._jobs.show(document["id"])

    def _ask(self, verb: str, title: str, effect: str, question: str) -> None:
        name, path = _name(self._document), f"/incidents/{self._document['id']}/{verb}"
        with Dialog(f"{title} {name}", effect) as dialog:
            reason = dialog.text(question)

            async def act() -> str:
                await self._visitor.ask.post(path, {"reason": reason.value} if reason.value else {})
                return f"{name}: {title.lower()}d."

            dialog.does(title, act)


def _facts(document: Mapping[str, Any]) -> dict[str, object]:
    return {
        "Rule": f"{document['rule']}: {document['title']}",
        "Stage": document["stage"] if document["state"] != "resolved" else None,
        "Queue": document["queue"],
        "Holds since": clock(document["activeAt"]),
        "Opened": clock(document["openedAt"]),
        "Acknowledged by": _by(document["acknowledgedBy"], document["acknowledgedAt"]),
        "Pages again": clock(document["ackExpiresAt"]) if document["state"] == "acknowledged" else None,
        "Over": _by(document["resolvedBy"], document["resolvedAt"]),
        "Late jobs": f"{document['lateJobs']:,}" if document["lateJobs"] else None,
        "Reopened": format.count(document["reopened"], "time") if document["reopened"] else None,
        "Flapping": "yes: no more texts until it is steady" if document["flapping"] else None,
        "Silenced": "yes" if document["silenced"] else None,
    }


def _listed(document: Mapping[str, Any]) -> tuple[html.Cell, ...]:
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
    said = {"reason", "text"}
    return ", ".join(
        str(value) if name in said else f"{name} {value}" for name, value in (detail or {}).items()
    )
