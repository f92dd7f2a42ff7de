"""One job on one page: its facts, its timeline and what it was asked to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from hms_floor.cli.terminal import show, tables
from hms_floor.presentation import calendar_words
from hms_oms.documents.jobs import JobWithTimeline
from hms_oms.documents.parts import Part
from hms_oms.jobs.states import Status
from hms_oms.runtime import format


def sheet(job: JobWithTimeline, now: datetime) -> list[RenderableType]:
    """Everything that the ledger has of a job."""
    parts: list[RenderableType] = [_heading(job), tables.facts(_facts(job, now))]
    if job.parts:
        parts += [_title("Parts"), *_in_parts(job, now)]
    if job.child_jobs:
        parts += [_title("Jobs that it has started"), _child_jobs(job)]
    parts += [_title("Timeline"), _timeline(job, now)]
    if job.part is None:
        parts += [_title("Payload"), _json(job.payload)]
    else:
        parts += [_title("Item"), _json(job.item)]
    if job.results:
        parts += [_title("Results"), _json(job.results)]
    if job.error:
        parts += [_title("Last error"), _error(job.error)]
    return parts


def _heading(job: JobWithTimeline) -> Text:
    heading = Text.assemble((job.id, "bold"), "  ", job.type, "  ", show.status(job.status))
    if job.outcome:
        heading.append_text(Text("  ")).append_text(show.plain(job.outcome))
    return heading


def _facts(job: JobWithTimeline, now: datetime) -> list[tuple[str, str | Text]]:
    place = f"{job.step} ({job.steps.index(job.step) + 1} of {len(job.steps)}: {' -> '.join(job.steps)})"
    tries = f"{job.attempt}" + (f", {job.failures} failed in this step" if job.failures else "")
    rows: list[tuple[str, str | Text | None]] = [
        ("deadline", show.deadline(job.sla_expires, job.finished_at, job.status, now, job.held_at)),
        ("SLA", show.minutes(job.sla_minutes)),
        ("elapsed", calendar_words.elapsed(job.elapsed_seconds, job.business_seconds)),
        ("queue", job.queue),
        ("step", place),
        ("progress", _progress(job, now)),
        ("attempt", tries),
        ("priority", str(job.priority)),
        ("must", "never given up for others" if job.must else None),
        ("given up", show.moment(job.given_up_at, now)),
        ("predicted end", show.predicted_end(job.predicted_end, job.sla_expires, now, at_risk=job.at_risk)),
        ("worker", job.worker),
        ("held", _held(job, now)),
        ("waits for", job.event and f"{job.event}, until {show.moment(job.ready_at, now)}"),
        ("not before", None if job.event else show.moment(job.ready_at, now)),
        ("part of", job.parent),
        ("cycle", None if job.batch is None else str(job.batch)),
        ("key", job.key),
        ("replaces", job.replaces and f"{job.replaces}, which was cancelled"),
        ("replaced by", job.replaced_by and f"{job.replaced_by}, which has its key"),
        ("accepted", f"{show.moment(job.created_at, now)} by {job.requested_by}"),
        ("started", show.moment(job.started_at, now)),
        ("finished", show.moment(job.finished_at, now)),
        ("personal data", _erased(job)),
        ("took", show.span(job.finished_at - job.created_at) if job.finished_at else None),
    ]
    return [(name, value) for name, value in rows if value]


def _in_parts(job: JobWithTimeline, now: datetime) -> Iterator[RenderableType]:
    """A table of the parts of each step, with how many are in each status above it."""
    for step in job.parts:
        counts = {status.value: getattr(step, status.value) for status in Status}
        words = ", ".join(f"{number:,} {status}" for status, number in counts.items() if number)
        yield Text(f"{step.step}: {format.count(step.parts, 'part')}, {words}")
        rows = [
            (
                part.name,
                part.id,
                show.status(part.status),
                str(part.attempt),
                part.worker or "",
                _ran(part, now),
            )
            for part in step.shown
        ]
        headers = ["part", "id", "status", "attempt", "worker", "since"]
        yield tables.table(headers, rows, right=["attempt"], spare=["worker", "attempt"])
        if step.parts > len(step.shown):
            yield Text(f"All of them: hms job list --parent {job.id} --limit 0")


def _child_jobs(job: JobWithTimeline) -> RenderableType:
    rows = [
        (child.id or "", child.type, show.status(child.status or ""), child.outcome or child.fault or "")
        for child in job.child_jobs
    ]
    return tables.table(["id", "type", "status", "outcome"], rows, wide=["outcome"])


def _ran(part: Part, now: datetime) -> str:
    return show.relative(part.timeline[-1].at, now) if part.timeline else ""


def _progress(job: JobWithTimeline, now: datetime) -> str | None:
    last = job.progress
    return None if last is None else format.progress(last.share, last.note, last.at, now)


def _held(job: JobWithTimeline, now: datetime) -> str | None:
    since = show.moment(job.held_at, now)
    return f"until the applicant answers, since {since}" if since else None


def _erased(job: JobWithTimeline) -> str | None:
    return None if job.erased_at is None else f"erased on {show.day(job.erased_at)} by retention"


def _timeline(job: JobWithTimeline, now: datetime) -> RenderableType:
    rows = []
    for line in job.timeline:
        last = line is job.timeline[-1]
        stayed = timedelta(seconds=line.seconds or 0.0)
        rows.append(
            (
                show.local(line.at, now, parts="milliseconds"),
                show.status(line.fact),
                line.step,
                str(line.attempt),
                "" if last and job.finished_at else _stay(line.status, stayed, still=last),
                line.who or "",
                _detail(line.detail),
            )
        )
    headers = ["at", "fact", "step", "attempt", "then", "who", "detail"]
    return tables.table(headers, rows, right=["attempt"], wide=["detail"], spare=["who", "attempt"])


def _stay(status: str, stayed: timedelta, *, still: bool) -> Text:
    words = {"waiting": "waited", "queued": "queued", "running": "ran"}
    return Text(f"{words.get(status, status)} {show.span(stayed)}{' so far' if still else ''}")


def _detail(detail: Any) -> str:
    if not isinstance(detail, dict):
        return ""
    return ", ".join(f"{name} {_word(value)}" for name, value in detail.items() if value is not None)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _error(error: Any) -> Text:
    text = show.plain(f"{error.get('type', 'error')}: {error.get('message', '')}")
    text.stylize("red")
    trace = str(error.get("traceback", "")).strip()
    return text.append("\n").append_text(show.plain(trace)) if trace else text


def _json(document: Any) -> Text:
    return show.plain(json.dumps(document, ensure_ascii=False, indent=2))


def _title(words: str) -> Text:
    return Text(f"\n{words}", style="bold")
