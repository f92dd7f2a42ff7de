"""Queues, their SLA, and who works on them."""

from __future__ import annotations

from hms_floor.api.responses import Answer, Moment
from hms_floor.api.responses.jobs import Undo


class Remedy(Answer):
    """What would help: `number` is of starts a minute, of jobs in the window, or of workers."""

    verb: str
    number: int | None
    slots: int | None


class Cause(Answer):
    """Why jobs of a queue are late or will be, who has set that, and what would help, in order."""

    kind: str
    set_by: str | None
    set_at: Moment | None
    limit: int | None
    holds: bool
    deadline: Moment | None
    hosts: list[str]
    lost: int
    remedies: list[Remedy]
    sentence: str


class Queue(Answer):
    """How a queue stands."""

    name: str
    status: str
    waiting: int
    delayed: int
    queued: int
    running: int
    late: int
    oldest_waiting: Moment | None
    next_sla: Moment | None
    sla_minutes: float | None
    paused_at: Moment | None
    paused_by: str | None
    pause_reason: str | None
    workers: int
    slots: int
    #: Those of the slots that do no more work: steps that do not end at their limit hold them.
    slots_lost: int
    #: What an autoscaler should provide; null while the watch does not measure.
    slots_to_have: int | None
    #: The limits that are set, and jobs done a second: as of now, and in the mean of five minutes.
    starts_per_minute: int | None
    window: int | None
    throughput_now: float | None
    throughput_mean: float | None
    #: Why jobs are late or will be, and what would help; null if nothing is, or nothing would.
    cause: Cause | None


class Queues(Answer):
    """All queues, by name."""

    queues: list[Queue]


class Peeked(Answer):
    """A job of a backlog, and where it stands in it."""

    id: str
    status: str
    sla_expires: Moment
    position: int


class Peek(Answer):
    """The front of a backlog."""

    jobs: list[Peeked]


class Paused(Answer):
    """A queue that is paused, and how many jobs went back from its window."""

    queue: str
    status: str
    recalled: int
    undo: Undo | None


class Resumed(Answer):
    """A queue that goes on; `changed` is false where it was not paused."""

    queue: str
    status: str
    changed: bool
    undo: Undo | None


class QueueLimits(Answer):
    """The limits of a queue; null is none."""

    queue: str
    window: int | None
    starts_per_minute: int | None
    undo: Undo | None


class Sla(Answer):
    """One entry of the SLA table."""

    queue: str
    minutes: float
    effective_at: Moment
    set_by: str
    reason: str | None


class Ahead(Answer):
    """How the open jobs fare: `lateAlready` are past their deadline, `late` others will be.

    `slotsNeeded` and `limitNeeded` (starts a minute) would hold what can be held.
    """

    late_already: int
    late: int
    first_late: Moment | None
    done_at: Moment | None
    slots_needed: int | None
    limit_needed: int | None


class Forecast(Answer):
    """How the `open` jobs of now fare, and would under the other SLA: `lateAtOnce` of them at once."""

    open: int
    before: Ahead
    after: Ahead
    late_at_once: int


class SlaChange(Answer):
    """An SLA that was set, or with `dryRun` would be; then with a forecast, if the watch has measured."""

    queue: str
    minutes: float
    effective_at: Moment
    set_by: str
    reason: str | None
    before: float
    dry_run: bool
    forecast: Forecast | None
    undo: Undo | None


class SlaHistory(Answer):
    """Every SLA that a queue ever had, newest first."""

    history: list[Sla]


class Slas(Answer):
    """The SLA of every queue, as it stands now."""

    slas: list[Sla]


class Worker(Answer):
    """One live worker."""

    id: str
    name: str
    host: str
    pid: int
    pool: str
    slots: int
    #: Those of the slots that do no more work, all of them if it is to be replaced.
    slots_lost: int
    queues: list[str]
    #: The queues that it takes nothing from any more, since it is to be replaced.
    left_queues: list[str]
    steps: list[str]
    tickets: list[str]
    cpu_percent: float
    rss_bytes: int
    started_at: Moment
    beat_at: Moment
    beat_age_seconds: float


class Workers(Answer):
    """The live workers, by name."""

    workers: list[Worker]
