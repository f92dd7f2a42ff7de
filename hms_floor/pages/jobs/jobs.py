"""All jobs: searched and filtered by what stands in the address, and steered in bulk."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from starlette.requests import Request

from hms_floor.api.access.roles import SEERS
from hms_floor.pages.frame import frame, go
from hms_floor.pages.jobs.job_actions import JOB_ACTIONS, action_button
from hms_floor.pages.jobs.job_list import JobTable, job_link
from hms_floor.pages.parts import format as words
from hms_floor.pages.parts import refusal
from hms_floor.pages.parts.format import put
from hms_floor.pages.parts.freshness import keep
from hms_floor.pages.parts.html import Cell, Mark, link
from hms_floor.pages.route import page
from hms_floor.pages.sign_in.api_client import Refused
from hms_floor.pages.sign_in.session import Visitor
from hms_floor.presentation.jobs import counted
from hms_oms.jobs.on_time import missed
from hms_oms.runtime import format

#: Jobs on one page.
PAGE = 50
#: No more fields of payloads are columns of it.
MOST_FIELDS = 4
#: How often they are looked at again, in seconds.
LOOK_SECONDS = 5.0
#: What is done after the others because not all can be on time.
GIVEN_UP = "given-up"
#: What will miss its deadline if nothing changes.
AT_RISK = "at-risk"
#: What waits for an answer of the applicant.
HELD = "held"
#: What missed its deadline: still open, done late, or failed.
LATE = "late"
STATUSES = (
    "open",
    AT_RISK,
    LATE,
    "waiting",
    GIVEN_UP,
    HELD,
    "queued",
    "running",
    "done",
    "failed",
    "cancelled",
)
_FIELDS = ("queue", "type", "batch", "payload", "search")
#: What jobs at risk, late and open ones can be sorted by, as people read it.
_ORDERS = {"deadline": "Deadline", "lateness": "Lateness", "newest": "Newest first"}

MORE = "More jobs have these words. The newest are listed: add a word to find others."


@page("/jobs", "GET /jobs")
async def jobs(request: Request) -> None:
    """The page of all jobs."""
    query = dict(request.query_params)
    with frame(request, "Jobs") as visitor:
        known, queues = await _known(visitor)
        choices = {"queue": queues, "type": [recipe["type"] for recipe in known]}
        with ui.element("section").classes("card"):
            with ui.element("h1"):
                ui.label("Jobs")
            _filters(query, choices, may_search=visitor.may(*SEERS))
        with ui.element("section").classes("card") as section:
            results = _Results(query, visitor, _shown_fields(known, query.get("type")))
        try:
            _require_known(query)
            with section:
                await keep(results.look_again, LOOK_SECONDS)
        except Refused as refused:
            section.delete()
            refusal.show(refused, back=refusal.back_from(request), heading="h2")


async def _known(visitor: Visitor) -> tuple[Sequence[Mapping[str, Any]], Sequence[str]]:
    """The job types, and the names of the queues; none while the API has no answer: the list says why."""
    try:
        types, slas = await visitor.ask.get("/recipes"), await visitor.ask.get("/sla")
    except Refused:
        return [], []
    return types["recipes"], [sla["queue"] for sla in slas["slas"]]


def _require_known(query: Mapping[str, str]) -> None:
    """Raise Refused for a filter that no job could fit."""
    status, batch = query.get("status"), query.get("batch")
    if status and status not in STATUSES:
        raise Refused(422, f"There is no status {status!r}. It is one of {', '.join(STATUSES)}.")
    if query.get("order") and query["order"] not in _ORDERS:
        raise Refused(422, f"There is no order {query['order']!r}. It is one of {', '.join(_ORDERS)}.")
    if batch and not (batch.isdecimal() and len(batch) < 19):
        raise Refused(422, f"There is no cycle {batch!r}: cycles are numbered.")
    if query.get("payload") and "=" not in query["payload"]:
        raise Refused(422, "A field of the payload is looked for with its value, as in countyFips=19153.")


def _shown_fields(known: Sequence[Mapping[str, Any]], job_type: str | None) -> Sequence[str]:
    """The fields of payloads that are columns of the list: those of one job type, or of all."""
    meant = [recipe["show"] for recipe in known if job_type in (None, "", recipe["type"])]
    return list(dict.fromkeys(name for show in meant for name in show))[:MOST_FIELDS]


def _headers(fields: Sequence[str]) -> list[str]:
    """The columns; those stand early that are to be in sight on a phone, too."""
    first, others = fields[:1], fields[1:]
    early = ["Job", *first, "Status", "Deadline", "Will end"]
    return [*early, *others, "Type", "Queue", "Step", "Accepted", "Outcome"]


def _filters(query: Mapping[str, str], choices: Mapping[str, Sequence[str]], *, may_search: bool) -> None:
    fields: dict[str, Any] = {}

    def search() -> None:
        chosen = {name: str(field.value).strip() for name, field in fields.items() if field.value}
        job = re.fullmatch(r"(job-)?([0-9]+)", chosen.get("search", ""))
        # A number alone may be that of a job or of an application.
        if job and (job[1] or not may_search):
            go(f"/floor/jobs/job-{job[2]}")
            return
        go(f"/floor/jobs?{urlencode(chosen)}")

    status = query.get("status")
    with ui.element("div").classes("row"):
        label = "Name, number, phone or job (/)" if may_search else "Job number (/)"
        fields["search"] = ui.input(label, value=query.get("search", "")).classes("search")
        fields["status"] = ui.select(
            list(STATUSES),
            label="Status",
            value=status if status in STATUSES else None,
            clearable=True,
            on_change=search,
        ).classes("field")
        for name, label in (("queue", "Queue"), ("type", "Type")):
            # What the address says and nobody knows is said to be unknown by the list.
            options = sorted({*choices[name], *filter(None, [query.get(name)])})
            fields[name] = ui.select(
                options, label=label, value=query.get(name) or None, clearable=True, on_change=search
            ).classes("field")
        for name, label in (("batch", "Cycle"), ("payload", "Field=value")):
            fields[name] = ui.input(label, value=query.get(name, "")).classes("field")
        if status in (AT_RISK, LATE, "open"):
            order = query.get("order")
            usual = "deadline" if status == AT_RISK else "newest"
            fields["order"] = ui.select(
                _ORDERS, label="Sorted by", value=order if order in _ORDERS else usual, on_change=search
            ).classes("field")
        for field in fields.values():
            field.props("outlined dense").on("keydown.enter", search)
        ui.button("Search", icon="search", on_click=search).props("outline")


class _Results:
    """The jobs that fit, newest first; looked at again and again, but left alone while somebody chooses."""

    def __init__(self, query: Mapping[str, str], visitor: Visitor, fields: Sequence[str]) -> None:
        self._wanted, self._visitor, self._fields = query, visitor, fields
        self._number = 0
        with ui.element("div").classes("spread"):
            with ui.element("div").classes("row"):
                self._total = ui.label("").classes("number")
                self._foreseen = ui.label("").classes("faint number")
            with ui.element("div").classes("row") as self._all:
                ui.label("All of them:").classes("faint")
                for name in ("retry", "reinstate", "cancel"):
                    if visitor.may(*JOB_ACTIONS[name].roles):
                        action_button(
                            name, visitor, {"filter": _filter(query)}, "matching jobs", self.refresh
                        )
        self._none = ui.label("No matching jobs.").classes("nothing")
        self._more = ui.label(MORE).classes("faint")
        self._more.set_visibility(False)
        self._table = JobTable(
            _headers(fields),
            visitor,
            tuple(JOB_ACTIONS),
            self.refresh,
            caption="Jobs, newest first",
        )
        with ui.element("div").classes("row"):
            if query.get("cursor"):
                first = {name: value for name, value in query.items() if name != "cursor"}
                link("Newest", f"/floor/jobs?{urlencode(first)}")
            self._older = link("Older", "")

    async def look_again(self) -> None:
        """Read them again unless somebody chooses. Raises Refused."""
        self._table.require_movable()
        await self.refresh()

    async def refresh(self) -> None:
        """Read them again. Raises Refused."""
        given: dict[str, Any] = {
            name: self._wanted.get(name) or None for name in (*_FIELDS, "status", "cursor")
        }
        if given["status"] == GIVEN_UP:
            given |= {"status": None, "givenUp": True}
        elif given["status"] == HELD:
            given |= {"status": None, "held": True}
        elif given["status"] == AT_RISK:
            given |= {"status": None, "atRisk": True, "order": self._wanted.get("order")}
        elif given["status"] == LATE:
            given |= {"status": None, "late": True, "order": self._wanted.get("order")}
        elif given["status"] == "open":
            given["order"] = self._wanted.get("order")
        answer = await self._visitor.ask.get(
            "/jobs", **given, limit=PAGE, count=True, countTo=counted.COUNTED, forecast=True
        )
        self._number = answer["total"]
        put(self._total, counted.words(self._number, uncounted=answer["uncounted"]))
        self._more.set_visibility(answer["more"])
        # What a search means changes with every job that comes: of those it lists some may be chosen.
        may_change = self._visitor.may(*JOB_ACTIONS["cancel"].roles) and not given["search"]
        self._all.set_visibility(self._number > 0 and may_change)
        if self._table.choosing:
            return
        moments = [job["forecastAt"] for job in answer["jobs"] if job["forecastAt"]]
        put(self._foreseen, f"ends {words.as_of(min(moments))}" if moments else "")
        self._none.set_visibility(not answer["jobs"])
        self._table.show([_row(job, self._fields) for job in answer["jobs"]])
        self._older.set_visibility(bool(answer["next"]))
        following = urlencode({**self._wanted, "cursor": answer["next"] or ""})
        self._older.lead(f"/floor/jobs?{following}")


def _filter(query: Mapping[str, str]) -> dict[str, Any]:
    """The filter of the address, as a bulk request has it."""
    chosen: dict[str, Any] = {name: query[name] for name in ("queue", "type") if query.get(name)}
    if query.get("batch", "").isdigit():
        chosen["batch"] = int(query["batch"])
    if query.get("status") == GIVEN_UP:
        chosen["givenUp"] = True
    elif query.get("status") == AT_RISK:
        chosen["atRisk"] = True
    elif query.get("status") == HELD:
        chosen["held"] = True
    elif query.get("status") == LATE:
        chosen["late"] = True
    elif query.get("status"):
        chosen["status"] = [query["status"]]
    if "=" in query.get("payload", ""):
        name, _, value = query["payload"].partition("=")
        chosen["payload"] = {name: value}
    return chosen


def _row(job: Mapping[str, Any], fields: Sequence[str]) -> list[Cell]:
    due, ended = datetime.fromisoformat(job["slaExpires"]), job["finishedAt"]
    until = datetime.fromisoformat(ended) if ended else datetime.now(due.tzinfo)
    is_held = job["heldAt"] is not None and not ended
    late = not is_held and missed(job["status"], datetime.fromisoformat(ended) if ended else None, due, until)
    deadline = words.short(due)
    if late and until > due:
        deadline += f" ({format.about(until - due)} late)"
    if job["givenUpAt"] and job["status"] == "waiting":
        deadline += ", given up"
    if is_held:
        deadline += ", held"
    shown = [format.field(job["payload"], name) for name in fields]
    return [
        job_link(job["id"]),
        *shown[:1],
        Mark(job["status"], f"status {job['status']}"),
        Mark(deadline, "late" if late else ""),
        Mark(words.predicted_end(job), "late" if job["atRisk"] else ""),
        *shown[1:],
        job["type"],
        job["queue"],
        job["step"],
        words.short(job["createdAt"]),
        job["outcome"] or "",
    ]
