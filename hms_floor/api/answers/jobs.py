"""Jobs, one and many, and why they are where they are."""

from __future__ import annotations

from hms_floor.api.answers import Answer, Json, Moment


class Started(Answer):
    """The job that a request led to; `sla` is its deadline."""

    job_id: str
    type: str
    queue: str
    status: str
    sla: Moment
    sla_minutes: float
    key: str | None
    created: bool


class Job(Answer):
    """One job. Payload, results and error are masked for badges that may not see them."""

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
    """One job with all that happened to it, oldest first."""

    timeline: list[TimedEvent]


class CancelledJob(Job):
    """A job that was cancelled, or is asked to end; `warning` says what could not be done."""

    warning: str | None = None


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
    """What came of a change to many jobs: `able` could be changed, `unchanged` by their status could not."""

    dry_run: bool
    matched: int
    able: int
    changed: int
    jobs: list[str]
    unchanged: dict[str, int]
    running: list[str]
    warning: str | None
