"""Cycles: start the day's one from a file, watch it through, and read what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from nicegui import ui
from starlette.requests import Request

from hms_floor.auth.tokens import Role
from hms_floor.pages.cycles.cycle_rows import LeftRows
from hms_floor.pages.cycles.new_cycle import NewCycle
from hms_floor.pages.frame import frame
from hms_floor.pages.parts import format as words
from hms_floor.pages.parts import html
from hms_floor.pages.parts.format import put
from hms_floor.pages.parts.freshness import keep
from hms_floor.pages.parts.html import Link, link
from hms_floor.pages.route import page
from hms_floor.presentation import text_counts
from hms_oms.api.codec import record
from hms_oms.documents.cycles import TextCounts
from hms_oms.jobs.on_time import counts_of
from hms_oms.jobs.states import WORDS
from hms_oms.runtime import format

#: How often a running cycle is looked at, and the list of all, in seconds.
LOOK_SECONDS, LIST_SECONDS = 1.0, 2.0


@page("/cycles", "GET /cycles")
async def cycles(request: Request) -> None:
    """The page of all cycles."""
    with frame(request, "Cycles") as visitor:
        may_start = visitor.may(Role.OPERATOR, Role.MANAGER)
        if may_start:
            with ui.element("section").classes("card"):
                with ui.element("h1"):
                    ui.label("Run daily cycle")
                recipes = (await visitor.ask.get("/recipes"))["recipes"]
                NewCycle(visitor, recipes)
        with ui.element("section").classes("card"):
            with ui.element("h2" if may_start else "h1"):
                ui.label("Cycles so far")
            table = html.Table(
                ("Cycle", "File", "Type", "By", "Begun", "Accepted", "Known already", "Refused"),
                numbers=("Accepted", "Known already", "Refused"),
                caption="Cycles, newest first",
                empty="No cycles.",
            )

    async def refresh() -> None:
        listed = (await visitor.ask.get("/cycles", limit=50))["cycles"]
        table.show([_listed(cycle) for cycle in listed])

    await keep(refresh, LIST_SECONDS)


@page("/cycles/{number}", "GET /cycles/{id}")
async def cycle(request: Request, number: str) -> None:
    """The page of one cycle: its progress while it runs, its report afterwards."""
    with frame(request, f"Cycle {number}") as visitor:
        answer = await visitor.ask.get(f"/cycles/{number}")
        with ui.element("section").classes("card"):
            with ui.element("div").classes("spread"):
                with ui.element("h1"):
                    ui.label(f"Cycle {answer['batch']}: {answer['name']}")
                link("Its jobs", f"/floor/jobs?batch={answer['batch']}")
            begun = words.moment(answer["createdAt"])
            subtitle = f"{answer['type']}, begun {begun} by {answer['requestedBy']}"
            ui.label(subtitle).classes("faint")
            ended_words = ui.label("").classes("big")
            bar = ui.linear_progress(0, show_value=False, size="0.9rem").props(
                'aria-label="Share of the jobs that have ended"'
            )
            report = _Report()
        left = ui.element("div")
    left_shown = False

    async def refresh() -> None:
        nonlocal left_shown
        document = await visitor.ask.get(f"/cycles/{number}")
        progress = document["progress"]
        ended = progress["done"] + progress["failed"] + progress["cancelled"]
        bar.set_value(ended / max(1, document["accepted"]))
        put(ended_words, headline(document))
        report.show(document)
        if document["closedAt"] is not None and not left_shown:
            left_shown = True
            with left:
                await LeftRows(visitor, document).show()

    await keep(refresh, LOOK_SECONDS)


def headline(document: Mapping[str, Any]) -> str:
    """How a cycle stands, in one sentence."""
    progress, accepted = document["progress"], document["accepted"]
    if document["closedAt"] is None:
        return f"The file is still being read: {accepted:,} jobs so far"
    if not accepted:
        left = [(document["refused"], "refused"), (document["duplicates"], "known already")]
        rows = " and ".join(f"{number:,} {word}" for number, word in left if number)
        return f"No job was started: {rows}" if rows else "No job was started: the file has no rows"
    ended = progress["done"] + progress["failed"] + progress["cancelled"]
    return f"{ended:,} of {accepted:,} jobs have ended"


def _listed(cycle: Mapping[str, Any]) -> tuple[html.Cell, ...]:
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


class _Report:
    """What came of a cycle so far."""

    def __init__(self) -> None:
        with ui.element("div").classes("grid"):
            with ui.element("div"):
                self._states = html.Table(("Status", "Jobs"), numbers=("Jobs",), caption="Jobs by status")
                self._on_time = ui.label("")
                self._missed = ui.label("").classes("faint")
            with ui.element("div"):
                self._outcomes = html.Table(("Outcome", "Jobs"), numbers=("Jobs",), caption="Jobs by outcome")
            with ui.element("div"):
                spans = ("Time of a job", "p50", "p95")
                self._spans = html.Table(spans, numbers=spans[1:], caption="Times of a job")
                self._texts = ui.label("").classes("faint")

    def show(self, document: Mapping[str, Any]) -> None:
        """Show it."""
        progress, batch = document["progress"], document["batch"]
        states = (*WORDS, "done", "failed", "cancelled")
        self._states.show(
            [(_state_link(state, batch), f"{progress[state]:,}") for state in states if progress[state]]
        )
        shares, missed = _on_time(document["report"])
        put(self._on_time, shares)
        _alarm(self._on_time, bool(missed))
        put(self._missed, missed)
        self._outcomes.set_visibility(bool(document["outcomes"]))
        self._outcomes.show([(name, f"{number:,}") for name, number in document["outcomes"].items()])
        spans = [
            (title, _span(document[name][0]), _span(document[name][1]))
            for name, title in (("waitSeconds", "Until it began"), ("totalSeconds", "Until it ended"))
            if document[name]
        ]
        self._spans.set_visibility(bool(spans))
        self._spans.show(spans)
        texts = document["textsByState"]
        put(self._texts, _texts(texts))
        _alarm(self._texts, bool(texts["failed"]))


def _alarm(label: ui.label, alarming: bool) -> None:
    label.classes(add="late" if alarming else "faint", remove="faint" if alarming else "late")


def _on_time(report: Mapping[str, Any]) -> tuple[str, str]:
    """The on-time shares of a cycle, and what was missed."""
    deadlines = counts_of(report)
    if not deadlines.due:
        return "None is due yet.", ""
    shares = f"On time: {words.percent(deadlines.share_of_due)} of those due"
    if deadlines.ended:
        shares += f", {words.percent(deadlines.share_of_ended)} of those that ended"
    counts = {"late": deadlines.late, "failed": deadlines.failed, "open and late": deadlines.open_late}
    missed = [f"{number:,} {name}" for name, number in counts.items() if number]
    return shares, f"Missed: {', '.join(missed)}." if missed else ""


def _texts(texts: Mapping[str, Any]) -> str:
    counts = record(TextCounts, texts)
    if not counts.written:
        return "No text to an applicant yet."
    return f"{words.count(counts.written, 'text')} to applicants: {text_counts.words(counts)}."


def _state_link(state: str, batch: int) -> html.Cell:
    status = "waiting" if state == "delayed" else state
    return Link(WORDS.get(state, state), f"/floor/jobs?batch={batch}&status={status}")


def _span(seconds: float) -> str:
    return format.span(timedelta(seconds=seconds))
