"""Cycles: start the day's one from a file, watch it through, and read what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from nicegui import events, ui
from starlette.requests import Request

from hms_floor.badges import Role
from hms_floor.cli import show
from hms_floor.pages import dropping, plain, words
from hms_floor.pages.asking import Refused
from hms_floor.pages.frame import frame, go, nothing, tell
from hms_floor.pages.plain import Link, link
from hms_floor.pages.session import Visitor
from hms_oms.kept import Counts

#: How often a running cycle is looked at, in seconds.
LOOK_SECONDS = 1.0
DAILY_TYPE = "farm:grant:v1"
_ENDS = ".csv,.ndjson,.jsonl"
_KINDS = {".csv": "text/csv", ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson"}
#: Refused rows that are shown one by one.
REFUSED_SHOWN = 50


@ui.page("/cycles")
async def cycles(request: Request) -> None:
    """The page of all cycles."""
    with frame(request, "Cycles") as visitor:
        may_start = visitor.may(Role.OPERATOR, Role.MANAGER)
        if may_start:
            with ui.element("section").classes("card"):
                with ui.element("h1"):
                    ui.label("Run daily cycle")
                recipes = (await visitor.ask.get("/recipes"))["recipes"]
                _start(visitor, sorted((recipe["type"] for recipe in recipes), key=_daily_first))
        with ui.element("section").classes("card"):
            with ui.element("h2" if may_start else "h1"):
                ui.label("Cycles so far")
            found = (await visitor.ask.get("/cycles", limit=50))["cycles"]
            if not found:
                nothing("None was run yet.")
                return
            plain.table(
                ("Cycle", "File", "Type", "By", "Begun", "Accepted", "Known already", "Refused"),
                [_listed(cycle) for cycle in found],
                numbers=("Accepted", "Known already", "Refused"),
                caption="Cycles, newest first",
            )


@ui.page("/cycles/{number}")
async def cycle(request: Request, number: str) -> None:
    """The page of one cycle: its progress while it runs, its report afterwards."""
    with frame(request, f"Cycle {number}") as visitor:
        try:
            found = await visitor.ask.get(f"/cycles/{number}")
        except Refused as refused:
            with ui.element("section").classes("card"):
                nothing(str(refused))
            return
        with ui.element("section").classes("card"):
            with ui.element("div").classes("spread"):
                with ui.element("h1"):
                    ui.label(f"Cycle {found['batch']}: {found['name']}")
                link("Its jobs", f"/floor/jobs?batch={found['batch']}")
            begun = words.moment(found["createdAt"])
            told = f"{found['type']}, begun {begun} by {found['requestedBy']}"
            ui.label(told).classes("faint")
            progress_words = ui.label("").classes("big")
            bar = ui.linear_progress(0, show_value=False, size="0.9rem").props(
                'aria-label="Share of the jobs that have ended"'
            )
            body = ui.element("div")
    seen: object = None

    async def refresh(first: Mapping[str, Any] | None = None) -> None:
        nonlocal seen
        document = first or await visitor.ask.get(f"/cycles/{number}")
        progress = document["progress"]
        key = tuple(sorted((name, value) for name, value in progress.items() if name != "now"))
        if key != seen:
            seen = key
            ended = progress["done"] + progress["failed"] + progress["cancelled"]
            whole = max(1, document["accepted"])
            bar.set_value(ended / whole)
            progress_words.set_text(f"{ended:,} of {document['accepted']:,} jobs have ended")
            body.clear()
            with body:
                _report(document)
        if document["closedAt"] is not None and not _open(progress):
            timer.deactivate()

    timer = ui.timer(LOOK_SECONDS, refresh, immediate=False)
    await refresh(found)


def _start(visitor: Visitor, types: list[str]) -> None:

    async def take(event: events.UploadEventArguments) -> None:
        name = event.file.name
        kind = next((kind for end, kind in _KINDS.items() if name.lower().endswith(end)), None)
        if kind is None:
            tell(Refused(415, f"{name} is neither CSV nor NDJSON: its name must end in {', '.join(_KINDS)}"))
            return
        told.set_text(f"Taking in {name} ...")
        try:
            answer = await visitor.ask.upload(
                "/cycles",
                event.file.iterate(chunk_size=1 << 16),
                kind,
                jobType=job_type.value,
                slaMinutes=minutes.value,
                name=name,
            )
        except Refused as refused:
            told.set_text("")
            tell(refused)
            return
        if not answer["refusedRows"]:
            go(f"/floor/cycles/{answer['batch']}")
            return
        told.set_text("")
        refused_box.clear()
        with refused_box:
            _refused(answer)

    with ui.element("div").classes("row"):
        job_type = ui.select(types, label="Job type", value=types[0]).props("outlined dense")
        job_type.classes("search")
        minutes = ui.number("SLA minutes", min=0.1, placeholder="as the queue has it", format="%g")
        minutes.props("outlined dense stack-label").classes("search")
    dropping.place("Choose a file", "or drop it here: CSV or NDJSON, one application a line", _ENDS, take)
    told = ui.label("").props('aria-live="polite"')
    refused_box = ui.element("div")


def _daily_first(job_type: str) -> tuple[bool, str]:
    return job_type != DAILY_TYPE, job_type


def _refused(answer: Mapping[str, Any]) -> None:
    number = answer["refused"]
    with ui.element("h2"):
        ui.label(f"{number:,} row{'s were' if number != 1 else ' was'} refused, the others are on their way")
    plain.table(
        ("Line", "Field", "Why"),
        [
            (str(row["line"]), row["field"] or "", row["reason"])
            for row in answer["refusedRows"][:REFUSED_SHOWN]
        ],
        numbers=("Line",),
        caption="Refused rows",
    )
    link("Watch the cycle", f"/floor/cycles/{answer['batch']}").classes("title")


def _listed(cycle: Mapping[str, Any]) -> tuple[plain.Cell, ...]:
    return (
        Link(str(cycle["batch"]), f"/floor/cycles/{cycle['batch']}"),
        cycle["name"],
        cycle["type"],
        cycle["requestedBy"],
        words.minute(cycle["createdAt"]),
        f"{cycle['accepted']:,}",
        f"{cycle['duplicates']:,}",
        f"{cycle['refused']:,}",
    )


def _report(document: Mapping[str, Any]) -> None:
    progress = document["progress"]
    batch = document["batch"]
    states = ("waiting", "delayed", "queued", "running", "done", "failed", "cancelled")
    rows: list[tuple[plain.Cell, ...]] = [
        (_state_link(state, batch), f"{progress[state]:,}") for state in states if progress[state]
    ]
    with ui.element("div").classes("grid"):
        with ui.element("div"):
            plain.table(("Status", "Jobs"), rows, numbers=("Jobs",), caption="Jobs by status")
            _on_time(document["report"])
        with ui.element("div"):
            outcomes = [(name, f"{number:,}") for name, number in document["outcomes"].items()]
            if outcomes:
                plain.table(("Outcome", "Jobs"), outcomes, numbers=("Jobs",), caption="Jobs by outcome")
        with ui.element("div"):
            spans = [
                (title, _span(document[name][0]), _span(document[name][1]))
                for name, title in (
                    ("waitSeconds", "Until it began"),
                    ("totalSeconds", "Until it ended"),
                )
                if document[name]
            ]
            if spans:
                plain.table(
                    ("Time of a job", "p50", "p95"), spans, numbers=("p50", "p95"), caption="Times of a job"
                )
            _texts(document["textsByState"])


def _on_time(report: Mapping[str, Any]) -> None:
    """The on-time shares of a cycle, and what was missed."""
    promises = Counts(*(report[name] for name in ("onTime", "late", "failed", "openLate")))
    if not promises.due:
        ui.label("None is due yet.").classes("faint")
        return
    shares = f"On time: {words.percent(promises.share_of_due)} of those due"
    if promises.ended:
        shares += f", {words.percent(promises.share_of_ended)} of those that ended"
    ui.label(shares).classes("late" if promises.missed else "faint")
    counts = {"late": promises.late, "failed": promises.failed, "open and late": promises.open_late}
    missed = [f"{number:,} {name}" for name, number in counts.items() if number]
    if missed:
        ui.label(f"Missed: {', '.join(missed)}.").classes("faint")


def _texts(texts: Mapping[str, Any]) -> None:
    counts = {"waiting": "not handed over yet", "failed": "failed", "withdrawn": "withdrawn"}
    told = [f"{texts[name]:,} {what}" for name, what in counts.items() if texts[name]]
    words_of = ", ".join([f"{words.count(texts['handedOver'], 'text')} handed over", *told])
    ui.label(words_of).classes("late" if texts["failed"] else "faint")


def _state_link(state: str, batch: int) -> plain.Cell:
    status = "waiting" if state == "delayed" else state
    return Link(state, f"/floor/jobs?batch={batch}&status={status}")


def _open(progress: Mapping[str, Any]) -> int:
    return sum(int(progress[state]) for state in ("waiting", "delayed", "queued", "running"))


def _span(seconds: float) -> str:
    return show.span(timedelta(seconds=seconds))
