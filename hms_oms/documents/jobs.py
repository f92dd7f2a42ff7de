"""Jobs, one and many, why they are where they are, and what was done to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from hms_oms.documents.document import Document, Json, Moment, Named
from hms_oms.documents.events import Event, TimedEvent
from hms_oms.documents.foresight import Effect
from hms_oms.documents.parts import ChildJob, StepInParts


@dataclass(frozen=True, slots=True)
class Undo(Document):
    """A change that can be undone: its number, until when, and the seconds that are left."""

    id: int
    until: Moment
    seconds: float


@dataclass(frozen=True, slots=True)
class Started(Document):
    """The job that a request led to, due at `sla`; `created` is False if its key was known already.

    `replaces` is a cancelled job that had the key.
    """

    id: Annotated[str, Named("jobId")]
    type: str
    queue: str
    status: str
    sla: Moment
    sla_minutes: float
    key: str | None
    replaces: str | None
    created: bool


@dataclass(frozen=True, slots=True)
class StepProgress(Document):
    """How far a step that runs is, as it said `at` a time: its `share` from 0 to 1, and a note."""

    share: float
    note: str
    at: Moment


@dataclass(frozen=True, slots=True)
class JobFields(Document):
    """What the ledger and its readers call by the same names: a new field of a job is added here."""

    type: str
    queue: str
    status: str
    steps: tuple[str, ...]
    attempt: int
    failures: int
    priority: int
    sla_minutes: float
    ready_at: Moment | None
    payload: Json
    results: Json
    outcome: str | None
    error: Json | None
    worker: str | None
    key: str | None
    requested_by: str
    created_at: Moment
    since: Moment
    started_at: Moment | None
    finished_at: Moment | None
    erased_at: Moment | None
    progress: StepProgress | None
    must: bool
    given_up_at: Moment | None
    event: str | None
    held_at: Moment | None


@dataclass(frozen=True, slots=True)
class Job(JobFields):
    """One job. Payload, results and error are masked for badges that may not see them.

    `progress` is what the step tells that runs, if it does; `event` the event that the job waits for, until
    `ready_at` at the latest.
    What `must` be on time is never given up for others. What was given up at `given_up_at` is done after all
    others, because not all can be on time. Since `held_at` it waits for an answer of the applicant: its clock
    stands, and its deadline is moved when it goes on. At `erased_at` retention has erased the personal data
    in them.

    `replaces` is the cancelled job whose key this one has been given. A part of a step has the job that it
    belongs to as its `parent`, and is its `part`, from 0. An open job is predicted to end at `predicted_end`
    if nothing changes; it is `at_risk` if its deadline is ahead and it will miss it. That was foreseen at
    `forecast_at`. All are None if nobody has asked, and of a job that waits for something else than its turn,
    its time or its parts; the end alone is None if it never comes, or if nobody can tell it.
    """

    id: str
    step: str
    sla_expires: Moment
    batch: int | None
    replaces: str | None
    parent: str | None
    part: int | None
    predicted_end: Moment | None
    at_risk: bool | None
    forecast_at: Moment | None


@dataclass(frozen=True, slots=True)
class JobWithTimeline(Job):
    """One job with all that happened to it, oldest first; a cancelled one's key is that of `replaced_by`.

    `elapsed_seconds` have passed from when its time began to count until now, or until its end; of these
    its SLA has counted `business_seconds`, in office hours and while the job was not held; None: all of them.
    `parts` are its steps that were split into parts, `child_jobs` the jobs that its steps have started.
    `item` is what a part works on: an item of the list, or the name of its branch.
    """

    replaced_by: str | None
    elapsed_seconds: float
    business_seconds: float | None
    timeline: tuple[TimedEvent, ...]
    parts: tuple[StepInParts, ...] = ()
    child_jobs: tuple[ChildJob, ...] = ()
    item: Any = None


@dataclass(frozen=True, slots=True)
class SteeredJob(Job):
    """A job after a change, and how to undo it."""

    undo: Undo | None


@dataclass(frozen=True, slots=True)
class SignalledJob(Job):
    """A job before it goes on; `signalled` is False if that was done before: nothing was changed."""

    signalled: bool


@dataclass(frozen=True, slots=True)
class Pause(Document):
    """Since when a queue is paused, by whom and why."""

    at: Moment
    by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Explained(Document):
    """Why a job is where it is: the facts, and sentences that say them, the most telling first.

    `position` counts from 1 in a backlog of `backlog` jobs, None for a job that is not in it; what is
    `given_up` is done after all others there. `dispatcher` is whether one hands jobs out `now`, `by_agent`
    whether the step is an agent's.
    """

    id: str
    status: str
    queue: str
    step: str
    attempt: int
    position: int | None
    given_up: bool
    backlog: int
    queued: int
    slots: int
    slots_lost: int
    window_size: int | None
    starts_per_minute: int | None
    paused: Pause | None
    ready_at: Moment | None
    worker: str | None
    lease_until: Moment | None
    failures: int
    attempts_allowed: int | None
    losses: tuple[Event, ...]
    sla_expires: Moment
    late: bool
    now: Moment
    dispatcher: bool
    by_agent: bool
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Peeked(Document):
    """A job of a backlog; `position` 1 is the next one."""

    id: str
    status: str
    sla_expires: Moment
    position: int


@dataclass(frozen=True, slots=True)
class ReservedJob(Document):
    """A job that an agent has to itself until `lease_until`."""

    id: Annotated[str, Named("reservationId")]
    job_id: str
    queue: str
    type: str
    step: str
    attempt: int
    status: str
    payload: Json
    results: Json
    sla_expires: Moment
    lease_until: Moment


@dataclass(frozen=True, slots=True)
class BulkDone(Document):
    """What came of a change to many jobs: `able` could be changed, `unchanged` by their status could not.

    `jobs` names the first 10,000 that were changed, `running` are the tickets of steps that ran. `undo` is
    None if nothing was changed, or if the change is none that can be undone. A dry run of a promotion, a
    priority, a move or a cancellation tells its `effects` on each queue; too little was measured of those
    that are `unmeasured`.
    """

    dry_run: bool
    matched: int
    able: int
    changed: int
    jobs: tuple[str, ...]
    unchanged: Mapping[str, int]
    running: tuple[str, ...]
    warning: str | None
    undo: Undo | None
    effects: tuple[Effect, ...] = ()
    unmeasured: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change(Document):
    """A change that can be undone for `seconds` more: an action on `jobs` many jobs, or on a queue."""

    id: int
    at: Moment
    actor: str
    action: str
    queue: str | None
    jobs: int
    until: Moment
    seconds: float


@dataclass(frozen=True, slots=True)
class Undone(Document):
    """What was undone, in a sentence; `left` counts by reason the jobs that stay as they are."""

    id: int
    action: str
    queue: str | None
    restored: int
    jobs: tuple[str, ...]
    left: Mapping[str, int]
    message: str


@dataclass(frozen=True, slots=True)
class JobType(Document):
    """A job type: its queue, its steps, and what its payload must hold, as a JSON schema.

    `key` is the field of the payload that makes a request the same as another, None if there is none.
    `columns` are those of a CSV of requests; a type without them takes JSON only. `show` are the fields of
    the payload that lists of jobs show, and by which jobs are found.
    """

    type: str
    summary: str
    queue: str
    sla_minutes: float
    key: str | None
    steps: tuple[str, ...]
    payload: Json
    columns: tuple[str, ...] = ()
    show: tuple[str, ...] = ()
