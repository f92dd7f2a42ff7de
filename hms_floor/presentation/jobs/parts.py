"""Steps in parts, and jobs that steps have started, as the API tells of them with a job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from hms_floor.presentation import explanation
from hms_oms.documents.events import TimedEvent
from hms_oms.documents.parts import ChildJob, Part, StepInParts
from hms_oms.jobs.parts import child_jobs
from hms_oms.jobs.parts.parts import name
from hms_oms.jobs.queries import parts
from hms_oms.jobs.queries import read as jobs
from hms_oms.jobs.queries.parts import PartState
from hms_oms.jobs.records import Event, Job
from hms_oms.jobs.states import TERMINAL, Status
from hms_oms.jobs.tickets import job_name
from hms_oms.recipes import registry
from hms_oms.recipes.steps.parts import PartsFault
from hms_oms.recipes.steps.step import Step
from hms_oms.runtime.errors import UnknownJob


def read(connection: Connection, job: Job, now: datetime) -> tuple[StepInParts, ...]:
    """The steps of a job that were split into parts, in order."""
    counts = parts.counts(connection, job.id)
    if not counts:
        return ()
    recipe = registry.fitting(connection, job.type, job.steps)
    shown = parts.shown(connection, job.id)
    return tuple(
        StepInParts(
            step=job.steps[step],
            parts=sum(counts[step].values()),
            **{status.value: counts[step].get(status, 0) for status in Status},
            shown=tuple(
                _part(part, job, recipe.steps[step] if recipe else None, sum(counts[step].values()), now)
                for part in shown
                if part.step == step
            ),
        )
        for step in sorted(counts)
    )


def item(connection: Connection, job: Job) -> Any:
    """What a part works on; None for a whole job, and if its job has no such item any more."""
    recipe = registry.fitting(connection, job.type, job.steps)
    if job.part is None or job.parent_id is None or recipe is None:
        return None
    with suppress(UnknownJob, PartsFault, IndexError):
        whole = jobs.get(connection, job.parent_id)
        return recipe.steps[job.step].part(job.part, whole.payload, whole.results).item
    return None


def started(connection: Connection, job: int) -> tuple[ChildJob, ...]:
    """The jobs that the steps of a job have started, in order."""
    return tuple(
        ChildJob.of(child, id=None if child.job is None else job_name(child.job))
        for child in child_jobs.of_job(connection, job)
    )


def timeline(event_log: tuple[Event, ...], steps: tuple[str, ...], until: datetime) -> Iterator[TimedEvent]:
    """An event log with how long the job stayed as each line says."""
    stays = explanation.took(event_log, until)
    for event, stay in zip(event_log, stays, strict=True):
        yield TimedEvent.of(event, step=steps[event.step], seconds=stay.total_seconds())


def _part(part: PartState, job: Job, step: Step | None, of: int, now: datetime) -> Part:
    until = part.event_log[-1].at if part.event_log and part.status in TERMINAL else now
    return Part(
        id=job_name(part.id),
        part=part.part,
        name=name(step, part.part, of),
        status=part.status,
        attempt=part.attempt,
        failures=part.failures,
        worker=part.worker,
        timeline=tuple(timeline(part.event_log, job.steps, until)),
    )
