"""Jobs, one and many, and why they are where they are."""

from __future__ import annotations

from hms_floor.api.responses import Answer, Json, Moment


class Undo(Answer):
    """A change that can be undone: its number, until when, and the seconds that are left."""

    id: int
    until: Moment
    seconds: float


class Started(Answer):
    """The job that a request led to; `sla` is its deadline, `replaces` a cancelled job that had its key."""

    job_id: str
    type: str
    queue: str
    status: str
    sla: Moment
    sla_minutes: float
    key: str | None
    replaces: str | None
    created: bool


class Job(Answer):
    """One job. Payload, results and error are masked for badges that may not see them.

    `replaces` is the cancelled job whose key this one has been given.
    """

    id: str
    type: str
    queue: str
    status: str
    steps: list[str]
    step: str
    attempt: int
    failures: int
    priority: int
    sla_expires: Moment
    sla_minutes: float
    ready_at: Moment | None
    payload: Json
    results: Json
    outcome: str | None
    error: Json | None
    worker: str | None
    batch: int | None
    key: str | None
    replaces: str | None
    requested_by: str
    created_at: Moment
    since: Moment
    started_at: Moment | None
    finished_at: Moment | None


class Event(Answer):
    """One line of a job's timeline; `seconds` is how long the job stayed as it was then."""

    at: Moment
    fact: str
    status: str
    step: str
    attempt: int
    who: str | None
    detail: Json | None


class TimedEvent(Event):
    """A line of the timeline, and how many seconds the job stayed so."""

    seconds: float


class JobWithTimeline(Job):
    """One job with all that happened to it, oldest first; `replacedBy` has the key of a cancelled one now."""

    replaced_by: str | None
    timeline: list[TimedEvent]


class SteeredJob(Job):
    """A job after a change, and how to undo it."""

    undo: Undo | None


class Jobs(Answer):
    """A page of jobs, newest first."""

    jobs: list[Job]
    next: str | None
    total: int | None


class Pause(Answer):
    """Since when a queue is paused, by whom and why."""

    at: Moment
    by: str | None
    reason: str | None


class Explained(Answer):
    """Why a job is where it is: the facts, and sentences."""

    id: str
    status: str
    queue: str
    step: str
    attempt: int
    position: int | None
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
    losses: list[Event]
    sla_expires: Moment
    late: bool
    now: Moment
    dispatcher: bool
    by_agent: bool
    because: list[str]


class BulkDone(Answer):
    """What came of a change to many jobs: `able` could be changed, `unchanged` by their status could not.

    `undo` is None where nothing was changed, or where the change is none that can be undone.
    """

    dry_run: bool
    matched: int
    able: int
    changed: int
    jobs: list[str]
    unchanged: dict[str, int]
    running: list[str]
    warning: str | None
    undo: Undo | None


class Change(Answer):
    """A change that can be undone: an action on `jobs` many jobs, or on a queue."""

    id: int
    at: Moment
    actor: str
    action: str
    queue: str | None
    jobs: int
    until: Moment
    seconds: float


class Changes(Answer):
    """What can still be undone, the newest first."""

    changes: list[Change]


class Undone(Answer):
    """What was undone, in a sentence; `left` counts by reason the jobs that stay as they are."""

    id: int
    action: str
    queue: str | None
    restored: int
    jobs: list[str]
    left: dict[str, int]
    message: str
