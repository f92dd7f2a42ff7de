"""Queues, their SLA, and who works on them."""

from __future__ import annotations

from dataclasses import dataclass

from hms_oms.documents.document import Document, Moment
from hms_oms.documents.foresight import Effect
from hms_oms.documents.jobs import Undo


@dataclass(frozen=True, slots=True)
class QueueCounts(Document):
    """How a queue stands; `delayed` jobs may not start yet, `late` ones are open past their deadline.

    `held` ones wait for an answer of the applicant, and their clock stands. `given_up` ones are ready and
    done after the others, because not all can be on time. `oldest_waiting` is since when the oldest ready
    job has been ready; `next_sla` is the earliest deadline of an open job. Of the `slots` of its workers
    `slots_lost` are lost to steps that hang.
    """

    name: str
    waiting: int
    delayed: int
    queued: int
    running: int
    held: int
    late: int
    given_up: int
    oldest_waiting: Moment | None
    next_sla: Moment | None
    sla_minutes: float | None
    paused_at: Moment | None
    paused_by: str | None
    pause_reason: str | None
    workers: int
    slots: int
    slots_lost: int

    @property
    def open(self) -> int:
        """Jobs of this queue that have not ended."""
        return self.waiting + self.delayed + self.queued + self.running + self.held


@dataclass(frozen=True, slots=True)
class Remedy(Document):
    """What would help: `number` is of starts a minute, of jobs in the window, or of workers."""

    verb: str
    number: int | None
    slots: int | None


@dataclass(frozen=True, slots=True)
class Cause(Document):
    """Why jobs of a queue are late or will be, who has set that, and what would help, in order.

    `refused` is what Redis does instead of taking what is handed out.
    """

    kind: str
    set_by: str | None
    set_at: Moment | None
    limit: int | None
    holds: bool
    deadline: Moment | None
    hosts: tuple[str, ...]
    lost: int
    refused: str | None
    remedies: tuple[Remedy, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Queue(QueueCounts):
    """How a queue stands, what limits it, and how many of its jobs are done a second.

    `delayed` jobs may not start yet, `late` ones are open past their deadline. Of the `slots` of its workers
    `slots_lost` do no more work; `slots_to_have` is what an autoscaler should provide, None while the watch
    does not measure. `throughput_now` is as of now, `throughput_mean` over five minutes. `cause` is why jobs
    are late or will be, None if nothing is, or nothing would help.
    """

    status: str
    slots_to_have: int | None
    starts_per_minute: int | None
    window: int | None
    at_once: int | None
    throughput_now: float | None
    throughput_mean: float | None
    cause: Cause | None
    policy: str
    policy_set_by: str | None
    policy_set_at: Moment | None
    #: The office hours in which its SLA counts, in words; None: time always counts.
    calendar: str | None
    #: The hosts on which nothing more is started, each with why.
    held_hosts: tuple[str, ...]
    #: Since when some of its jobs are given up, and why, in a sentence.
    given_up_since: Moment | None
    given_up_because: str | None


@dataclass(frozen=True, slots=True)
class QueuePolicy(Document):
    """How the jobs of a queue are put in order; `set_by` is None as long as nobody has set it.

    With `dry_run` it is not set: then `effect` is what it would do, if enough was measured.
    """

    queue: str
    policy: str
    set_by: str | None
    set_at: Moment | None
    undo: Undo | None
    dry_run: bool = False
    effect: Effect | None = None


@dataclass(frozen=True, slots=True)
class QueueCalendar(Document):
    """The office hours in which the SLAs of a queue count; without `hours` time always counts.

    `holidays` are those of a country or a part of it. A job that is accepted now is `due` by the SLA of the
    queue, `sla_minutes`.
    """

    queue: str
    hours: str | None
    timezone: str | None
    holidays: str | None
    open_now: bool | None
    set_by: str | None
    set_at: Moment | None
    sla_minutes: float
    due: Moment
    undo: Undo | None


@dataclass(frozen=True, slots=True)
class Paused(Document):
    """A queue that is paused, and how many jobs went back from its window.

    With `dry_run` it is not: then `effect` is what ten minutes of it would do, if enough was measured.
    """

    queue: str
    status: str
    recalled: int
    undo: Undo | None
    dry_run: bool = False
    effect: Effect | None = None


@dataclass(frozen=True, slots=True)
class Resumed(Document):
    """A queue that goes on; `changed` is False if it was not paused."""

    queue: str
    status: str
    changed: bool
    undo: Undo | None


@dataclass(frozen=True, slots=True)
class QueueLimits(Document):
    """How many jobs may stand in a queue's window, start a minute, and be in flight at once; None: any.

    With `dry_run` they are not set: then `effect` is what they would do, if enough was measured.
    """

    queue: str
    window: int | None
    starts_per_minute: int | None
    at_once: int | None
    undo: Undo | None
    dry_run: bool = False
    effect: Effect | None = None


@dataclass(frozen=True, slots=True)
class Sla(Document):
    """One entry of the SLA table: from `effective_at` on, jobs are due `minutes` after they are accepted."""

    queue: str
    minutes: float
    effective_at: Moment
    set_by: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Ahead(Document):
    """How the open jobs fare: `late_already` are past their deadline, `late` others will be.

    `slots_needed` and `limit_needed` (starts a minute) would hold what can be held.
    """

    late_already: int
    late: int
    first_late: Moment | None
    done_at: Moment | None
    slots_needed: int | None
    limit_needed: int | None


@dataclass(frozen=True, slots=True)
class Forecast(Document):
    """How the `open` jobs of now fare, and would under the other SLA: `late_at_once` of them at once."""

    open: int
    before: Ahead
    after: Ahead
    late_at_once: int


@dataclass(frozen=True, slots=True)
class SlaChange(Sla):
    """An SLA that was set, or with `dry_run` would be; then with a forecast, if the watch has measured.

    `effect` is how the open jobs would fare had they been accepted under it, each by its own kind of work.
    """

    before: float
    dry_run: bool
    forecast: Forecast | None
    undo: Undo | None
    effect: Effect | None = None


@dataclass(frozen=True, slots=True)
class Worker(Document):
    """A live worker: what it serves, which tickets it holds, and the load of its host in percent.

    Of its `slots` those are lost that do no more work, all of them if it is to be replaced; then it takes
    nothing more from `left_queues`. With `held_because` its host is over a limit, and it starts nothing more
    until that is over.
    """

    id: str
    name: str
    host: str
    pid: int
    pool: str
    slots: int
    slots_lost: int
    queues: tuple[str, ...]
    left_queues: tuple[str, ...]
    steps: tuple[str, ...]
    tickets: tuple[str, ...]
    cpu_percent: float
    rss_bytes: int
    memory_percent: float
    held_because: str | None
    started_at: Moment
    beat_at: Moment
    beat_age_seconds: float
