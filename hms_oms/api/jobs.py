"""What the API answers about jobs, queues and cycles: frozen records, times aware and in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from hms_oms.api.codec import Named


@dataclass(frozen=True, slots=True)
class Undo:
    """How a change that was just made can be undone: `seconds` are left."""

    id: int
    until: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a job's timeline; `seconds` is how long the job stayed in `status` after it."""

    at: datetime
    fact: str
    status: str
    step: str
    attempt: int
    who: str | None
    detail: Mapping[str, Any] | None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One job. Badges that may not see payloads find `***` for every value in them.

    `replaces` is the cancelled job whose key this one has been given.
    """

    id: str
    type: str
    queue: str
    status: str
    steps: tuple[str, ...]
    step: str
    attempt: int
    failures: int
    priority: int
    sla_expires: datetime
    sla_minutes: float
    ready_at: datetime | None
    payload: Mapping[str, Any]
    results: Mapping[str, Any]
    outcome: str | None
    error: Mapping[str, Any] | None
    worker: str | None
    batch: int | None
    key: str | None
    requested_by: str
    created_at: datetime
    since: datetime
    started_at: datetime | None
    finished_at: datetime | None
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class JobInFull(Job):
    """One job with all that happened to it, oldest first; `replaced_by` has a cancelled one's key now."""

    timeline: tuple[Event, ...] = ()
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True)
class Steered(Job):
    """A job after a change, and how to undo it."""

    undo: Undo | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """The job that a request led to, due at `sla`; `created` is False if its key was known already.

    `replaces` is a cancelled job that had the key.
    """

    id: Annotated[str, Named("jobId")]
    type: str
    queue: str
    status: str
    sla: datetime
    sla_minutes: float
    key: str | None
    created: bool
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Peeked:
    """A job of a backlog; `position` 1 is the next one."""

    id: str
    status: str
    sla_expires: datetime
    position: int


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of many jobs: how many were meant, could be changed and were changed.

    `jobs` names the first 10,000 that were changed, `unchanged` counts the others by their status, `running`
    are the tickets of steps that ran.
    """

    dry_run: bool
    matched: int
    able: int
    changed: int
    jobs: tuple[str, ...]
    unchanged: Mapping[str, int]
    running: tuple[str, ...] = ()
    warning: str | None = None
    undo: Undo | None = None


@dataclass(frozen=True, slots=True)
class QueuePaused:
    """A queue that is paused, and how many jobs went back from its window."""

    queue: str
    status: str
    recalled: int
    undo: Undo | None = None


@dataclass(frozen=True, slots=True)
class QueueResumed:
    """A queue that goes on; `changed` is False if it was not paused."""

    queue: str
    status: str
    changed: bool
    undo: Undo | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A change that can be undone for `seconds` more: an action on `jobs` many jobs, or on a queue."""

    id: int
    at: datetime
    actor: str
    action: str
    queue: str | None
    jobs: int
    until: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Undone:
    """What was undone, in a sentence; `left` counts by reason the jobs that stay as they are."""

    id: int
    action: str
    queue: str | None
    restored: int
    jobs: tuple[str, ...]
    left: Mapping[str, int]
    message: str


@dataclass(frozen=True, slots=True)
class Paused:
    """Since when a queue is paused, by whom and why."""

    at: datetime
    by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Explained:
    """Why a job is where it is: the facts, and sentences that say them, the most telling first.

    `position` counts from 1 in a backlog of `backlog` jobs, None for a job that is not in it. `dispatcher` is
    whether one hands jobs out `now`, `by_agent` whether the step is an agent's.
    """

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
    paused: Paused | None
    ready_at: datetime | None
    worker: str | None
    lease_until: datetime | None
    failures: int
    attempts_allowed: int | None
    losses: tuple[Event, ...]
    sla_expires: datetime
    late: bool
    now: datetime
    dispatcher: bool
    by_agent: bool
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Queue:
    """How a queue stands; `delayed` jobs may not start yet, `late` ones are open past their deadline."""

    name: str
    status: str
    waiting: int
    delayed: int
    queued: int
    running: int
    late: int
    oldest_waiting: datetime | None
    next_sla: datetime | None
    sla_minutes: float | None
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None
    workers: int
    slots: int
    #: Those of the slots that do no more work: steps that do not end at their limit hold them.
    slots_lost: int
    #: What an autoscaler should provide; None while the watch does not measure.
    slots_to_have: int | None = None
    #: The limits that are set, and jobs done a second: as of now, and in the mean of five minutes.
    starts_per_minute: int | None = None
    window: int | None = None
    throughput_now: float | None = None
    throughput_mean: float | None = None
    #: Why jobs are late or will be, and what would help, with a `sentence`.
    cause: Mapping[str, Any] | None = None

    @property
    def open(self) -> int:
        """Jobs of this queue that have not ended."""
        return self.waiting + self.delayed + self.queued + self.running


@dataclass(frozen=True, slots=True)
class Limits:
    """How many jobs may stand in a queue's window, and how many may start a minute; None is no limit."""

    queue: str
    window: int | None
    starts_per_minute: int | None
    undo: Undo | None = None


@dataclass(frozen=True, slots=True)
class Sla:
    """One entry of a queue's SLA: its jobs are due `minutes` after they are accepted."""

    queue: str
    minutes: float
    effective_at: datetime
    set_by: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class SlaSet(Sla):
    """A new SLA, what it was `before`, and, if the API can tell, what it would mean for the backlog."""

    before: float | None
    dry_run: bool = False
    forecast: Mapping[str, Any] | None = None
    undo: Undo | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """A live worker: what it serves, which tickets it holds, and the load of its host in percent."""

    id: str
    name: str
    host: str
    pid: int
    pool: str
    slots: int
    #: Those of the slots that do no more work, all of them if it is to be replaced.
    slots_lost: int
    queues: tuple[str, ...]
    left_queues: tuple[str, ...]
    steps: tuple[str, ...]
    tickets: tuple[str, ...]
    cpu_percent: float
    rss_bytes: int
    started_at: datetime
    beat_at: datetime
    beat_age_seconds: float


@dataclass(frozen=True, slots=True)
class JobType:
    """What may be started: its queue, the names of its steps, and the JSON schema of its payload.

    `key` is the field of the payload that makes a request the same as another, None where there is none.
    """

    type: str
    summary: str
    queue: str
    sla_minutes: float
    key: str | None
    steps: tuple[str, ...]
    payload: Mapping[str, Any]
