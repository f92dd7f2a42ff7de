"""Records as JSON documents: names in camelCase, times RFC 3339 in UTC, jobs called `job-219`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from hms_oms.cycles.cycle_rows import CycleRow
from hms_oms.cycles.cycles import Batch, Report
from hms_oms.jobs.records import Event, Job
from hms_oms.jobs.tickets import job_name
from hms_oms.jobs.workers import Worker
from hms_oms.queues.queues import Queue
from hms_oms.queues.sla import Sla

Document = dict[str, Any]


def stamp(when: datetime) -> str:
    """A time as RFC 3339 in UTC."""
    return when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def camel(name: str) -> str:
    """`sla_minutes` as `slaMinutes`."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def record(found: Any) -> Document:
    """A record field by field; what a field holds is left as it is."""
    return {camel(field.name): _value(getattr(found, field.name)) for field in fields(found)}


def job(found: Job) -> Document:
    """One job."""
    document = record(found)
    document |= {"id": found.name, "step": found.step_name, "slaExpires": document.pop("sla")}
    document["batch"] = document.pop("batchId")
    document["replaces"] = None if found.replaces is None else job_name(found.replaces)
    return document


def event(line: Event, steps: Sequence[str]) -> Document:
    """One line of a job's event log."""
    return record(line) | {"step": steps[line.step]}


def peeked(found: Job, position: int) -> Document:
    """A job of a backlog, and where it stands in it."""
    return {
        "id": found.name,
        "status": found.status,
        "slaExpires": stamp(found.sla),
        "position": position,
    }


def queue(found: Queue) -> Document:
    """One queue."""
    return record(found) | {"status": "paused" if found.paused_at else "open"}


def worker(found: Worker, now: datetime) -> Document:
    """One live worker, and how old its last beat is."""
    return record(found) | {"beatAgeSeconds": round(max(0.0, (now - found.beat_at).total_seconds()), 3)}


def sla(found: Sla) -> Document:
    """One entry of the SLA table."""
    return record(found)


def batch(found: Batch) -> Document:
    """One cycle, as it was accepted."""
    document = record(found)
    return {"batch": document.pop("id")} | document


def refused_row(row: CycleRow) -> Document:
    """A row that was refused, as it came."""
    return {"line": row.line, "field": row.field, "reason": row.reason, "original": row.original}


def repeated_row(row: CycleRow) -> Document:
    """A row whose key was known; by field what that job has, and what was sent."""
    differences = {
        field: {"known": known, "sent": sent} for field, (known, sent) in (row.differences or {}).items()
    }
    return {"line": row.line, "job": row.job and job_name(row.job), "differences": differences}


def report(found: Report) -> Document:
    """What came of a cycle."""
    document: Document = {
        "batch": found.batch.id,
        "accepted": found.batch.accepted,
        "duplicates": found.batch.duplicates,
        "differing": found.batch.differing,
        "refused": found.batch.refused,
        "done": found.progress.done,
        "failed": found.progress.failed,
        "assigned": found.outcomes.get("assigned", 0),
        "rejected": found.outcomes.get("rejected", 0),
        "reasons": dict(found.reasons),
        "onTime": found.promises.on_time,
        "late": found.promises.late,
        "openLate": found.promises.open_late,
        "onTimeShareOfEnded": found.promises.share_of_ended,
        "onTimeShareOfDue": found.promises.share_of_due,
        "seconds": round(found.elapsed.total_seconds(), 3),
        "jobsPerSecond": round(found.jobs_per_second, 1),
        "texts": found.texts.written,
    }
    extra = {"cancelled": found.progress.cancelled, "open": found.progress.open, "lost": found.lost}
    return document | {name: number for name, number in extra.items() if number}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return list(value) if isinstance(value, tuple) else value
