"""Snapshots: the numbers of one look at queues, hosts, the outbox and the watch itself.

Rules judge a snapshot and nothing else, so a morning can be replayed from a list of snapshots.
None is "no data"; it is never the same as zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hms_oms.broker.broker_state import BrokerState
from hms_oms.schedules.troubles import ScheduleTrouble
from hms_ops.documents.reports import ForecastRecord
from hms_ops.forecast.capacity import Capacity
from hms_ops.forecast.cause import Cause, decide, standing_of


@dataclass(frozen=True, slots=True)
class Waits:
    """How long jobs waited for their first step in a queue, over a sliding five minutes, in seconds.

    `mean` is over the waits of the jobs begun in that time and the ages of those that are ready or queued, so
    that a stuck queue shows; the percentiles likewise. `begun` is how many began; `source` is 'events' or
    'ledger'.
    """

    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    begun: int
    source: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecast of one queue (see `hms_ops.forecast.forecast`).

    `late` jobs of the open ones will miss a deadline that is still ahead if nothing changes, the first of
    them at `first_late`; `deadline` is the binding one. `done_at` is when the last open job is done. `rate`
    is jobs per second, `slot_rate` what one slot gets done while it has a job. `slots_needed` live slots, and
    `limit_needed` starts a minute, would meet every deadline that can still be met (None: it cannot be told).
    `trusted` says whether the rates rest on enough finished jobs to wake somebody. With `late_chance` jobs
    that are due at `riskiest` are late, and with none a higher one (None: too little was measured).
    """

    late: int
    first_late: datetime | None
    deadline: datetime | None
    done_at: datetime | None
    rate: float
    slots_needed: int | None
    trusted: bool = False
    slot_rate: float | None = None
    limit_needed: int | None = None
    late_chance: float | None = None
    riskiest: datetime | None = None
    #: What it rests on.
    capacity: Capacity | None = None


@dataclass(frozen=True, slots=True)
class StepSeen:
    """How long one step of a queue took, over a sliding five minutes, in seconds from claim to report."""

    name: str
    ended: int
    mean: float | None
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Hearing:
    """How well the workers are heard: `events` a second lately, and the `lag` (at most, lately, in seconds).

    The lag is the time from a step's beginning or end to the look that saw it, by the ledger's clock. Since
    the start so many tickets were `dropped`, which the sweep has to find, and so many events `malformed`.
    """

    events: float
    lag: float | None
    dropped: int
    malformed: int


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """One queue in one look. Lengths in jobs, times in seconds, moments aware and in UTC.

    `late` counts open jobs past their deadline, in whatever state; `late_since` is the earliest such
    deadline. `oldest_waiting` is since when the oldest job that may start has been in the backlog,
    `oldest_queued` since when one has stood in the window. `at_risk` counts open jobs that the forecast has
    late. `finished` steps and `failed` steps are those of the last five minutes; `last_finished` is when a
    step of this queue was last finished, as far as is known. `rate` is jobs done with this queue per second,
    while it had work. `able_since` is since when its work can be done again, after a pause or a time without
    workers or work; None where none was seen.
    """

    name: str
    sla_minutes: float | None
    waiting: int = 0
    delayed: int = 0
    queued: int = 0
    running: int = 0
    held_jobs: int = 0
    late: int = 0
    late_since: datetime | None = None
    at_risk: int | None = None
    #: So many that wait were given up, since then, because not all can be on time.
    given_up: int = 0
    given_up_since: datetime | None = None
    oldest_waiting: datetime | None = None
    oldest_queued: datetime | None = None
    next_sla: datetime | None = None
    paused_at: datetime | None = None
    workers: int = 0
    #: Slots that do its work, and those that did and are lost to steps that hang.
    slots: int = 0
    slots_lost: int = 0
    agent_only: bool = False
    waits: Waits | None = None
    finished: int | None = None
    failed: int | None = None
    last_finished: datetime | None = None
    rate: float | None = None
    forecast: Forecast | None = None
    #: Jobs done with this queue in the last five minutes.
    left: int | None = None
    #: Those of the last whole minute, the rate of now in jobs per second, and all since the first look.
    left_last_minute: int | None = None
    rate_now: float | None = None
    done: int | None = None
    steps: Sequence[StepSeen] = ()
    #: Jobs that ended in this queue since midnight UTC, without the cancelled ones, and those of them that
    #: met their deadline.
    ended_today: int | None = None
    on_time_today: int | None = None
    able_since: datetime | None = None
    #: Who has paused it; what is set for it, by whom, and when.
    paused_by: str | None = None
    starts_per_minute: int | None = None
    starts_set_by: str | None = None
    starts_set_at: datetime | None = None
    window_size: int | None = None
    window_set_by: str | None = None
    window_set_at: datetime | None = None
    #: How many slots it should have: see `hms_ops.forecast.scaling`.
    slots_to_have: int | None = None
    #: The machines of its workers, if all of them are busy.
    busy_hosts: Sequence[str] = ()
    #: What Redis does instead of taking what is handed out; whether the dispatcher is silent.
    refused: str | None = None
    undispatched: bool = False
    #: How good its forecasts of the last weeks were.
    record: ForecastRecord | None = None

    @property
    def cause(self) -> Cause | None:
        """Cause of its late jobs, with remedies."""
        ahead = self.forecast
        return decide(
            standing_of(
                self,
                at_risk=0 if ahead is None else ahead.late,
                agents=self.agent_only,
                slot_rate=None if ahead is None else ahead.slot_rate,
                slots_needed=None if ahead is None else ahead.slots_needed,
                limit_needed=None if ahead is None else ahead.limit_needed,
                deadline=None if ahead is None else ahead.deadline,
            )
        )

    @property
    def able(self) -> bool:
        """Whether there is work to begin, and somebody who may."""
        return bool(self.waiting + self.queued and self.workers and self.paused_at is None)

    @property
    def open(self) -> int:
        """Jobs of this queue that have not ended."""
        return self.waiting + self.delayed + self.queued + self.running + self.held_jobs


@dataclass(frozen=True, slots=True)
class HostSnapshot:
    """A machine with live workers: load in percent of all its cores, memory of its workers in bytes.

    `queues` are those that its workers work for.
    """

    name: str
    cpu_percent: float
    rss_bytes: int
    workers: int
    queues: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class HorizonHolder:
    """What keeps PostgreSQL from removing dead rows, and since when.

    `kind` is a transaction (`name` is its process), a prepared transaction, a replication slot or a standby.
    """

    kind: str
    name: str
    program: str | None
    owner: str | None
    since: datetime


@dataclass(frozen=True, slots=True)
class TroubledWebhook:
    """A webhook that takes no events: since when, with what fault, and how many were given up within a day.

    `gone`: its receiver has said that it wants nothing more.
    """

    name: str
    failing_since: datetime | None = None
    fault: str | None = None
    gone: bool = False
    given_up: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look at the whole floor at `now`, by the ledger's clock.

    `events_at` is when the last worker event was heard; `looked_before` when the look before this one was.
    `unsent` texts wait in the outbox, the oldest that may go since `unsent_since`.
    """

    now: datetime
    queues: Sequence[QueueSnapshot] = ()
    hosts: Sequence[HostSnapshot] = ()
    unsent: int = 0
    unsent_since: datetime | None = None
    events_at: datetime | None = None
    looked_before: datetime | None = None
    workers: int = field(default=0)
    #: When the open jobs were last counted, in lengths, ages and forecasts: not at every look.
    counted_at: datetime | None = None
    hearing: Hearing | None = None
    #: What the dispatcher has last reported of itself and of Redis.
    broker: BrokerState | None = None
    horizon: HorizonHolder | None = None
    webhooks: Sequence[TroubledWebhook] = ()
    #: The schedules whose work has not started.
    schedules: Sequence[ScheduleTrouble] = ()
