"""Mask payloads, results and errors for callers who may not see them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from hms_floor.api.access.guard import Caller
from hms_floor.api.transport.problems import unprocessable
from hms_floor.presentation import explanation_words
from hms_floor.presentation.explanation import Case
from hms_floor.presentation.masking import MASK
from hms_oms.cycles.cycle_rows import CycleRow
from hms_oms.documents.cycles import Difference, RepeatedRow
from hms_oms.documents.events import Event
from hms_oms.documents.jobs import Explained, Job, Pause, Undo
from hms_oms.documents.messages import Text
from hms_oms.jobs import records
from hms_oms.jobs.on_time import missed
from hms_oms.jobs.tickets import Ticket, job_name, job_number
from hms_oms.messages.recipients import channel_of
from hms_oms.undo import changes
from hms_ops.foresight.ends import End

_PRIVATE = ("payload", "results", "error")


def job(source: records.Job, caller: Caller, end: End | None = None) -> Job:
    """One job, for this caller, with its predicted end if there is one."""
    masked = {} if caller.sees_payloads else {name: hidden(getattr(source, name)) for name in _PRIVATE}
    return Job.of(
        source,
        id=source.name,
        step=source.step_name,
        sla_expires=source.sla,
        batch=source.batch_id,
        replaces=None if source.replaces is None else job_name(source.replaces),
        parent=None if source.parent_id is None else job_name(source.parent_id),
        predicted_end=end and end.ends_at,
        at_risk=end and end.at_risk,
        forecast_at=end and end.as_of,
        **masked,
    )


def explained(case: Case) -> Explained:
    """Explanation of a job's state: facts and sentences."""
    standing, job = case.standing, case.standing.job
    paused = None
    if standing.paused_at is not None:
        paused = Pause(standing.paused_at, standing.paused_by, standing.pause_reason)
    return Explained(
        id=job.name,
        status=job.status,
        queue=job.queue,
        step=job.step_name,
        attempt=job.attempt,
        position=standing.position,
        given_up=standing.given_up,
        backlog=standing.backlog,
        queued=standing.queued,
        slots=standing.slots,
        slots_lost=standing.slots_lost,
        window_size=standing.window_size,
        starts_per_minute=standing.starts_per_minute,
        paused=paused,
        ready_at=job.ready_at,
        worker=job.worker,
        lease_until=case.lease_until,
        failures=job.failures,
        attempts_allowed=case.attempts,
        losses=tuple(Event.of(line, step=job.steps[line.step]) for line in standing.losses),
        sla_expires=job.sla,
        late=job.held_at is None and missed(job.status, job.finished_at, job.sla, standing.now),
        now=standing.now,
        dispatcher=case.dispatcher,
        by_agent=case.by_agent,
        because=tuple(explanation_words.sentences(case)),
    )


def undo(connection: Connection, number: int | None) -> Undo | None:
    """The undo offer for a change that was just made."""
    if number is None:
        return None
    change = changes.get(connection, number)
    return Undo(change.id, change.undo_until, change.seconds)


def text(whole: Text, caller: Caller) -> Text:
    """One text, for this caller: what an applicant was told is masked like payloads, and so is any phone."""
    if caller.sees_payloads:
        return whole
    return replace(whole, to=phone(whole.to), body=MASK if whole.incident is None else whole.body)


def repeated_row(row: CycleRow, *, sees_values: bool = True) -> RepeatedRow:
    """A row whose key was known; by field what that job has, and what was sent."""
    pairs = row.differences or {}
    differences = {
        field: Difference(*(pair if sees_values else map(hidden, pair))) for field, pair in pairs.items()
    }
    return RepeatedRow(row.line, None if row.job is None else job_name(row.job), differences)


def phone(number: str) -> str:
    """A phone as those see it who may not know it: its last four digits; a channel has nothing to hide."""
    return number if channel_of(number) is not None else MASK + number[-4:]


def hidden(value: Any) -> Any:
    """A JSON value with its shape and none of its contents."""
    if isinstance(value, dict):
        return {name: hidden(held) for name, held in value.items()}
    if isinstance(value, list):
        return [hidden(item) for item in value]
    return value if value is None else MASK


def number(word: str) -> int:
    """The number of a job id that has the right form."""
    return job_number(word)


def ticket(word: str) -> Ticket:
    """The ticket that a reservation's id is. Raises Problem."""
    try:
        return Ticket.parse(word)
    except ValueError:
        raise unprocessable(("id", "is not the id of a reservation, as in job-219.2.review")) from None
