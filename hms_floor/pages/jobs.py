"""All jobs: searched and filtered by what stands in the address, and steered in bulk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from starlette.requests import Request

from hms_floor.cli import show
from hms_floor.pages import words
from hms_floor.pages.asking import Refused
from hms_floor.pages.deeds import DEEDS, deed_button
from hms_floor.pages.frame import frame, go, nothing
from hms_floor.pages.joblist import JobTable, column
from hms_floor.pages.plain import link
from hms_floor.pages.session import Visitor
from hms_oms.kept import missed

#: Jobs on one page.
PAGE = 50
STATUSES = ("open", "waiting", "queued", "running", "done", "failed", "cancelled")
_FIELDS = ("queue", "type", "batch", "payload")

_COLUMNS = (
    column("id", "Job"),
    column("status", "Status"),
    column("type", "Type"),
    column("queue", "Queue"),
    column("step", "Step"),
    column("deadline", "Deadline"),
    column("created", "Accepted"),
    column("outcome", "Outcome"),
)


@ui.page("/jobs")
async def jobs(request: Request) -> None:
    """The page of all jobs."""
    wanted = dict(request.query_params)
    with frame(request, "Jobs") as visitor:
        with ui.element("section").classes("card"):
            with ui.element("h1"):
                ui.label("Jobs")
            _filters(wanted)
        with ui.element("section").classes("card"):
            await _results(wanted, visitor)


def _filters(wanted: Mapping[str, str]) -> None:
    fields: dict[str, Any] = {}

    def search() -> None:
        found = {name: str(field.value).strip() for name, field in fields.items() if field.value}
        job = re.fullmatch(r"(?:job-)?([0-9]+)", found.get("search", ""))
        if job:
            go(f"/floor/jobs/job-{job[1]}")
            return
        found.pop("search", None)
        go(f"/floor/jobs?{urlencode(found)}")

    with ui.element("div").classes("row"):
        fields["search"] = ui.input("Job number (/)").classes("search")
        fields["status"] = ui.select(
            list(STATUSES), label="Status", value=wanted.get("status"), clearable=True, on_change=search
        ).classes("field")
        for name, label in (
            ("queue", "Queue"),
            ("type", "Type"),
            ("batch", "Cycle"),
            ("payload", "Field=value"),
        ):
            fields[name] = ui.input(label, value=wanted.get(name, "")).classes("field")
        for field in fields.values():
            field.props("outlined dense").on("keydown.enter", search)
        ui.button("Search", icon="search", on_click=search).props("outline")


async def _results(wanted: Mapping[str, str], visitor: Visitor) -> None:
    given = {name: wanted.get(name) or None for name in (*_FIELDS, "status", "cursor")}
    try:
        answer = await visitor.ask.get("/jobs", **given, limit=PAGE, count=True)
    except Refused as refused:
        nothing(str(refused))
        return
    with ui.element("div").classes("spread"):
        ui.label(f"{answer['total']:,} job{'s' if answer['total'] != 1 else ''}").classes("number")
        if answer["total"]:
            with ui.element("div").classes("row"):
                ui.label("All of them:").classes("faint")
                for name in ("retry", "cancel"):
                    if visitor.may(*DEEDS[name].roles):
                        what = f"all {answer['total']:,} jobs"
                        deed_button(name, visitor, {"filter": _filter(wanted)}, what, ui.navigate.reload)
    if not answer["jobs"]:
        nothing("No job is like this.")
        return
    table = JobTable(_COLUMNS, visitor, tuple(DEEDS), ui.navigate.reload)
    table.show([_row(job) for job in answer["jobs"]])
    with ui.element("div").classes("row"):
        if wanted.get("cursor"):
            first = {name: value for name, value in wanted.items() if name != "cursor"}
            link("Newest", f"/floor/jobs?{urlencode(first)}")
        if answer["next"]:
            link("Older", f"/floor/jobs?{urlencode({**wanted, 'cursor': answer['next']})}")


def _filter(wanted: Mapping[str, str]) -> dict[str, Any]:
    """The filter of the address, as a bulk request has it."""
    found: dict[str, Any] = {name: wanted[name] for name in ("queue", "type") if wanted.get(name)}
    if wanted.get("batch", "").isdigit():
        found["batch"] = int(wanted["batch"])
    if wanted.get("status"):
        found["status"] = [wanted["status"]]
    if "=" in wanted.get("payload", ""):
        name, _, value = wanted["payload"].partition("=")
        found["payload"] = {name: value}
    return found


def _row(job: Mapping[str, Any]) -> dict[str, Any]:
    due, ended = datetime.fromisoformat(job["slaExpires"]), job["finishedAt"]
    until = datetime.fromisoformat(ended) if ended else datetime.now(due.tzinfo)
    late = missed(job["status"], datetime.fromisoformat(ended) if ended else None, due, until)
    told = words.short(due)
    return {
        "id": job["id"],
        "status": job["status"],
        "type": job["type"],
        "queue": job["queue"],
        "step": job["step"],
        "deadline": told if until <= due else f"{told} ({show.about(until - due)} late)" if late else told,
        "late": late,
        "created": words.short(job["createdAt"]),
        "outcome": job["outcome"] or "",
    }
