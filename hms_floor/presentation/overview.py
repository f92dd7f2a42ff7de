"""The board: all queues at a glance, read from what the watch keeps up to date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from hms_floor.presentation import calendar_words
from hms_oms.broker import broker_state
from hms_oms.database import health
from hms_oms.jobs import workers as presence
from hms_oms.order.policy import Policy
from hms_oms.queues import calendars, plans
from hms_oms.queues import sla as slas
from hms_oms.queues.plans import BacklogPlan
from hms_oms.runtime.format import slots
from hms_ops import heartbeats
from hms_ops.documents.reports import Metric
from hms_ops.forecast.cause import Cause, busy_hosts, decide, standing_of
from hms_ops.metrics import metrics

#: The lights of a queue, the worst first.
LIGHTS = ("broken", "risk", "unknown", "paused", "holds", "idle")
#: What each light is called.
WORDS: Mapping[str, str] = {
    "broken": "Late",
    "risk": "At risk",
    "unknown": "Cannot tell",
    "paused": "Paused",
    "holds": "On track",
    "idle": "Idle",
}


@dataclass(frozen=True, slots=True)
class Card:
    """How one queue stands. Ages and waits in seconds, rates in jobs a second; None is "no data".

    `rate` is the mean of five minutes, `rate_now` that of now; `done` jobs were counted at `counted_at`.

    `done_at` is when its last open job will be done, `last_due` the latest deadline of an open job,
    `late_from` the first deadline that will be missed, `deadline` the one that asks for the most.
    `slots_needed` live slots and `limit_needed` starts a minute would hold what can be held; one slot gets
    `slot_rate` jobs done in a second. `agents`: its work is that of agents, not of workers. `refused` is what
    Redis does instead of taking its jobs; `undispatched`: the dispatcher is silent.
    """

    name: str
    sla_minutes: float | None = None
    paused_at: datetime | None = None
    paused_by: str | None = None
    pause_reason: str | None = None
    starts_per_minute: int | None = None
    starts_set_by: str | None = None
    starts_set_at: datetime | None = None
    window_size: int | None = None
    window_set_by: str | None = None
    window_set_at: datetime | None = None
    at_once: int | None = None
    backlog: int | None = None
    delayed: int | None = None
    window: int | None = None
    running: int | None = None
    held: int | None = None
    late: int | None = None
    at_risk: int | None = None
    oldest_age: float | None = None
    wait_mean: float | None = None
    wait_p95: float | None = None
    rate: float | None = None
    rate_now: float | None = None
    done: int | None = None
    counted_at: datetime | None = None
    on_time_today: float | None = None
    missed_today: int | None = None
    success_rate: float | None = None
    done_at: datetime | None = None
    last_due: datetime | None = None
    late_from: datetime | None = None
    slots_needed: int | None = None
    #: What an autoscaler should provide.
    slots_to_have: int | None = None
    limit_needed: int | None = None
    slot_rate: float | None = None
    deadline: datetime | None = None
    workers: int = 0
    slots: int = 0
    slots_lost: int = 0
    agents: bool = False
    busy_hosts: Sequence[str] = ()
    refused: str | None = None
    undispatched: bool = False
    policy: str = Policy.MOST_ON_TIME
    policy_set_by: str | None = None
    policy_set_at: datetime | None = None
    #: The office hours in which its SLA counts, in words.
    calendar: str | None = None
    #: The hosts on which nothing more is started, each with why.
    held_hosts: Sequence[str] = ()
    given_up: int | None = None
    #: The plan that gives up some of its jobs.
    plan: BacklogPlan | None = None
    fresh: bool = True

    @property
    def open(self) -> int:
        """Jobs of the queue that have not ended."""
        return sum(
            number or 0 for number in (self.backlog, self.delayed, self.window, self.running, self.held)
        )

    @property
    def stopped(self) -> bool:
        """Whether none of its jobs is handed out, so that nobody can tell when they will be done."""
        return not self.agents and (self.undispatched or self.refused is not None)

    @property
    def slots_told(self) -> str:
        """How many slots there are for it, and how many of them are lost."""
        return slots(self.slots + self.slots_lost, self.slots_lost)

    @property
    def cause(self) -> Cause | None:
        """Why its jobs are late or will be, and what would help."""
        return decide(
            standing_of(
                self,
                late=self.late or 0,
                at_risk=self.at_risk or 0,
                waiting=self.backlog or 0,
                queued=self.window or 0,
                running=self.running or 0,
            )
        )

    @property
    def light(self) -> str:
        """One of LIGHTS: missed deadlines first, then those at risk."""
        if not self.fresh:
            return "unknown"
        if self.late:
            return "broken"
        if self.at_risk:
            return "risk"
        if self.paused_at is not None:
            return "paused"
        return "holds" if self.open else "idle"


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """A live worker: its name, its machine, how many of its slots are busy, and how many are lost."""

    name: str
    host: str
    busy: int
    slots: int
    lost: int


@dataclass(frozen=True, slots=True)
class Board:
    """All queues at `now`, the ledger's time. `silent`: for how many seconds the watch was not heard.

    `hosts` are the machines with live workers, and how busy each is, in percent of all its cores.
    """

    now: datetime
    cards: Sequence[Card]
    silent: float | None
    workers: Sequence[WorkerLoad]
    hosts: Sequence[tuple[str, float]]
    unsent: int

    @property
    def blind(self) -> bool:
        """Whether nobody watches, so that nothing here can be relied on."""
        return self.silent is None or self.silent > heartbeats.STALE_SECONDS


def read(connection: Connection) -> Board:
    """The board as it stands now."""
    now = health.clock(connection)
    by_queue: dict[str | None, list[Metric]] = {}
    for metric in metrics.newest(connection):
        by_queue.setdefault(metric.queue, []).append(metric)
    live = presence.live(connection)
    slas_by_queue = {sla.queue: sla.minutes for sla in slas.in_force(connection)}
    stop = heartbeats.stop_of(broker_state.read(connection))
    planned = plans.in_force(connection)
    offices = calendars.offices(connection)
    rows = connection.execute(text(_QUEUES))
    cards = []
    for row in rows.mappings():
        workers = [worker for worker in live if row["name"] in worker.queues]
        cards.append(
            Card(
                **row,
                **_measured(by_queue.get(row["name"], []), now),
                sla_minutes=slas_by_queue.get(row["name"]),
                workers=len(workers),
                slots=sum(worker.live_slots(row["name"]) for worker in workers),
                slots_lost=sum(worker.lost_slots(row["name"]) for worker in live),
                plan=planned.get(row["name"]),
                held_hosts=sorted({f"{w.host} ({w.held_because})" for w in workers if w.held_because}),
                calendar=calendar_words.calendar(offices.get(row["name"])),
                busy_hosts=busy_hosts((worker.host, worker.cpu_percent) for worker in workers),
                **stop,
            )
        )
    watch = next(pulse for pulse in heartbeats.status(connection) if pulse.name == "ops")
    return Board(
        now,
        cards,
        watch.age_seconds,
        [
            WorkerLoad(
                worker.name,
                worker.host,
                min(len(worker.tickets), worker.slots),
                worker.slots,
                worker.slots_lost,
            )
            for worker in live
        ],
        sorted({worker.host: worker.cpu_percent for worker in live}.items()),
        health.unsent_texts(connection)[0],
    )


# The greatest of an index, not of all open jobs.
_QUEUES = """
select
    name, paused_at, paused_by, pause_reason, starts_per_minute, starts_set_by, starts_set_at,
    window_size, window_set_by, window_set_at, at_once, policy, policy_set_by, policy_set_at,
    (
        select max(sla) from oms.jobs
        where queue = queues.name and finished_at is null and held_at is null
    ) as last_due
from oms.queues
order by name
"""

#: Which metric is which field of a card.
_FIELDS: Mapping[tuple[str, str | None], str] = {
    ("queue.length", "backlog"): "backlog",
    ("queue.length", "delayed"): "delayed",
    ("queue.length", "window"): "window",
    ("queue.length", "running"): "running",
    ("queue.length", "held"): "held",
    ("queue.givenUp", None): "given_up",
    ("sla.breached", None): "late",
    ("sla.atRisk", None): "at_risk",
    ("queue.oldestAge", None): "oldest_age",
    ("queue.waitTime", None): "wait_mean",
    ("queue.waitTime.p95", None): "wait_p95",
    ("queue.throughput", None): "rate",
    ("queue.throughput.now", None): "rate_now",
    ("queue.done", None): "done",
    ("sla.onTimeDueToday", None): "on_time_today",
    ("sla.missedToday", None): "missed_today",
    ("worker.successRate", None): "success_rate",
    ("forecast.slotRate", None): "slot_rate",
    ("forecast.slotsNeeded", None): "slots_needed",
    ("queue.slotsToHave", None): "slots_to_have",
    ("forecast.limitNeeded", None): "limit_needed",
}
_COUNTS = (
    *("backlog", "delayed", "window", "running", "held", "late", "at_risk", "missed_today", "given_up"),
    *("slots_needed", "slots_to_have", "limit_needed", "done"),
)
#: Which metric is how long from now on which moment of a card is.
_MOMENTS: Mapping[str, str] = {
    "forecast.doneIn": "done_at",
    "forecast.lateIn": "late_from",
    "forecast.dueIn": "deadline",
}


def _measured(metrics: Sequence[Metric], now: datetime) -> dict[str, Any]:
    """What the watch has measured of one queue, without what is stale."""
    fresh = [metric for metric in metrics if not metric.stale(now)]
    values: dict[str, Any] = {"fresh": any(metric.name == "queue.length" for metric in fresh)}
    for metric in fresh:
        field = _FIELDS.get((metric.name, metric.subject))
        if metric.name == "worker.online":
            values["agents"] = metric.value is None
        elif metric.value is None:
            continue
        elif field is not None:
            values[field] = int(metric.value) if field in _COUNTS else metric.value
            if field == "done":
                values["counted_at"] = metric.at
        elif metric.name in _MOMENTS:
            values[_MOMENTS[metric.name]] = metric.at + timedelta(seconds=metric.value)
    return values
