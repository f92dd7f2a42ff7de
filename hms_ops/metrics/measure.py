"""Measures the floor: one look is one `Snapshot`, from what was heard and from what the ledger says.

A light look costs a few milliseconds however many jobs are open: deadlines by their index, and the steps that
were heard. A heavy look also counts the open jobs and sweeps the event log; what it counts is carried on.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from math import inf
from typing import Any

from sqlalchemy import Connection, Engine, text

from hms_oms.broker import broker_state
from hms_oms.broker.broker_state import BrokerState
from hms_oms.jobs import workers as presence
from hms_oms.jobs.workers import Worker
from hms_oms.schedules import troubles
from hms_oms.schedules.troubles import ScheduleTrouble
from hms_ops import heartbeats
from hms_ops.events.event_buffer import BufferedEvents
from hms_ops.events.event_log import EventLog
from hms_ops.events.receiver import Receiver
from hms_ops.forecast import scaling
from hms_ops.forecast.capacity import Capacity, most
from hms_ops.forecast.cause import busy_hosts
from hms_ops.forecast.forecast import Histogram, forecast, later, start_of
from hms_ops.forecast.scaling import Load
from hms_ops.forecast.snapshot import (
    Forecast,
    Hearing,
    HorizonHolder,
    QueueSnapshot,
    Snapshot,
    TroubledWebhook,
)
from hms_ops.forecast.throughput import Throughput, work
from hms_ops.metrics import deadlines, hosts
from hms_ops.metrics.counts import Count, Day, JobCounter, Standing, troubled_webhooks, unsent_texts
from hms_ops.metrics.deadlines import Deadlines
from hms_ops.metrics.horizon import HorizonWatch
from hms_ops.stats.queue_stats import EVENTS, LEDGER, QueueStats
from hms_ops.stats.waits import Begun, Ended

#: What is set for a queue, as the ledger has it.
_SET = (
    "paused_by",
    "starts_per_minute",
    "starts_set_by",
    "starts_set_at",
    "window_size",
    "window_set_by",
    "window_set_at",
    "given_up_since",
)
#: Events are late by a bundle and a look: the sweep leaves what was just written to them, in seconds.
HEARING_SECONDS = 2.0
#: The looks over which it is told how many events come, and how late.
HEARING_LOOKS = 20


class Measure:
    """Looks at the floor again and again, by the days of `office`; without `receiver` by the ledger alone."""

    def __init__(self, engine: Engine, receiver: Receiver | None, *, office: tzinfo = UTC) -> None:
        self._receiver = receiver
        self._event_log = EventLog(0.0 if receiver is None else HEARING_SECONDS)
        self._counter = JobCounter(engine, office)
        self._counted_at: datetime | None = None
        self._deadlines = Deadlines()
        self._stats: dict[str, QueueStats] = {}
        self._throughputs: dict[str, Throughput] = {}
        self._ahead: dict[str, Forecast | None] = {}
        self._slots: dict[str, int] = {}
        # What the forecasts rest on: so that each look knows which of the jobs are late by now.
        self._lines: dict[str, tuple[Histogram, Capacity, datetime]] = {}
        self._orders: dict[str, Mapping[str, Any]] = {}
        self._left: dict[str, int] = {}
        self._worked: dict[str, float] = {}
        self._done: dict[str, int] = {}
        self._unsent: tuple[int, datetime | None] | None = None
        self._broker: BrokerState | None = None
        self._horizon_watch = HorizonWatch()
        self._horizon: HorizonHolder | None = None
        self._webhooks: Sequence[TroubledWebhook] = ()
        self._schedules: Sequence[ScheduleTrouble] = ()
        # Queues in which nothing could be done, and since when it can again.
        self._unable: set[str] = set()
        self._able_since: dict[str, datetime] = {}
        self._began: float | None = None
        self._last: float | None = None
        self._looked: datetime | None = None
        self._lately: deque[tuple[float, int, float | None]] = deque(maxlen=HEARING_LOOKS)
        self._dropped = self._malformed = 0

    def look(self, connection: Connection, heavy: bool) -> Snapshot:
        """One look, in the caller's transaction; the first one is a heavy one in any case."""
        now: datetime = connection.scalar(text("select oms.now()")).astimezone(UTC)
        buffered = BufferedEvents() if self._receiver is None else self._receiver.drain()
        self._follow(connection, buffered, now.timestamp())
        if heavy or self._counted_at is None or self._event_log.behind:
            self._sweep(connection, now.timestamp())
        workers = presence.live(connection)
        count = self._counter.latest(now, again=heavy)
        for stats in self._stats.values():
            stats.slide(now.timestamp())
        rows = self._deadlines.look(connection, now)
        queues = [self._queue(dict(row), workers, now, count) for row in rows]
        self._counted_at = count.at
        if heavy or self._unsent is None:
            self._unsent = unsent_texts(connection, now)
            self._broker = broker_state.read(connection)
            self._horizon = self._horizon_watch.look(connection, now)
            self._webhooks = troubled_webhooks(connection, now)
            self._schedules = troubles.read(connection)
        unsent, unsent_since = self._unsent
        looked_before, self._looked = self._looked, now
        return Snapshot(
            now=now,
            queues=queues,
            hosts=hosts.read(workers),
            unsent=unsent,
            unsent_since=unsent_since,
            events_at=self._events_at(now),
            looked_before=looked_before,
            workers=len(workers),
            counted_at=count.at,
            hearing=self._hearing(),
            broker=self._broker,
            horizon=self._horizon,
            webhooks=self._webhooks,
            schedules=self._schedules,
        )

    def _follow(self, connection: Connection, buffered: BufferedEvents, now: float) -> None:
        steps = self._event_log.follow(connection, buffered.tickets, now)
        for step in steps:
            self._count(step)
            self._stats_of(step.queue).source = EVENTS
        self._dropped += buffered.dropped
        self._malformed += buffered.malformed
        self._last = buffered.last if buffered.last is not None else self._last
        lag = max((max(0.0, now - step.at) for step in steps), default=None)
        self._lately.append((time.monotonic(), buffered.events, lag))

    def _sweep(self, connection: Connection, now: float) -> None:
        events = self._event_log.sweep(connection, now)
        for step in events.steps:
            self._count(step)
        for queue in events.announced | events.swept:
            mostly_announced = events.announced[queue] >= events.swept[queue]
            self._stats_of(queue).source = EVENTS if mostly_announced else LEDGER
        self._began = now if self._began is None else self._began

    def _count(self, step: Begun | Ended) -> None:
        self._stats_of(step.queue).count(step)
        # What was done before the first look says nothing of how many slots were at it.
        if not isinstance(step, Ended) or self._began is None or step.at <= self._began:
            return
        since_counted = inf if self._counted_at is None else max(0.0, step.at - self._counted_at.timestamp())
        self._worked[step.queue] = self._worked.get(step.queue, 0.0) + min(step.took, since_counted)
        if step.left:
            self._left[step.queue] = self._left.get(step.queue, 0) + 1
            self._done[step.queue] = self._done.get(step.queue, 0) + 1

    def _stats_of(self, queue: str) -> QueueStats:
        stats = self._stats.get(queue)
        if stats is None:
            stats = self._stats[queue] = QueueStats(LEDGER if self._last is None else EVENTS)
        return stats

    def _queue(
        self, row: Mapping[str, Any], workers: Sequence[Worker], now: datetime, count: Count
    ) -> QueueSnapshot:
        name: str = row["name"]
        serving = [worker for worker in workers if name in worker.queues]
        slots = sum(worker.live_slots(name) for worker in serving)
        standing = count.standings.get(name, Standing())
        day, stats = count.days.get(name, Day()), self._stats_of(name)
        stats.finished_at(day.last_finished)
        if count.at != self._counted_at:
            # How many agents there are, nobody knows: together they count as one slot.
            if name in count.agents:
                self._worked.pop(name, None)
            servers = 1 if name in count.agents else min(slots, row["at_once"] or slots)
            self._look_ahead(row, standing, servers, now)
        ahead = self._ahead.get(name)
        if ahead is not None:
            ahead = later(ahead, *self._lines[name], now, **self._orders[name])
        known = self._event_log.caught_up
        queue = QueueSnapshot(
            name=name,
            sla_minutes=row["sla_minutes"],
            waiting=standing.waiting,
            delayed=standing.delayed,
            queued=standing.queued,
            given_up=standing.given_up,
            running=standing.running,
            held_jobs=standing.held,
            late=row["late"] if row["late"] < deadlines.MOST_LATE else max(row["late"], standing.late),
            late_since=row["next_sla"] if row["late"] else None,
            at_risk=ahead.late if ahead is not None and ahead.trusted else None,
            oldest_waiting=standing.oldest_waiting,
            oldest_queued=standing.oldest_queued,
            next_sla=row["next_sla"],
            paused_at=row["paused_at"],
            workers=len(serving),
            slots=slots,
            slots_lost=sum(worker.lost_slots(name) for worker in workers),
            agent_only=name in count.agents,
            waits=stats.waits(standing.ages) if known else None,
            finished=stats.finished if known else None,
            failed=stats.failed if known else None,
            last_finished=stats.last_finished,
            rate=None if ahead is None else ahead.rate,
            forecast=ahead,
            left=stats.left if known else None,
            left_last_minute=stats.last_minute(now.timestamp()) if known else None,
            rate_now=stats.rate_now(now.timestamp()) if known else None,
            done=self._done.get(name, 0),
            steps=stats.steps(),
            # How many agents there are is nobody's to decide.
            slots_to_have=None if name in count.agents and not serving else self._slots.get(name),
            ended_today=day.deadlines.ended,
            on_time_today=day.deadlines.on_time,
            busy_hosts=busy_hosts((worker.host, worker.cpu_percent) for worker in serving),
            **{name: row[name] for name in _SET},
            **heartbeats.stop_of(self._broker),
        )
        return replace(queue, able_since=self._since_able(queue, now))

    def _since_able(self, queue: QueueSnapshot, now: datetime) -> datetime | None:
        """Since when its work can be done again, where it was seen that it could not."""
        if not queue.able:
            self._unable.add(queue.name)
        elif queue.name in self._unable:
            self._unable.remove(queue.name)
            self._able_since[queue.name] = now
        return self._able_since.get(queue.name)

    def _look_ahead(self, row: Mapping[str, Any], standing: Standing, slots: int, now: datetime) -> None:
        name, paused = row["name"], row["paused_at"] is not None
        stopped = any(heartbeats.stop_of(self._broker).values())
        held = paused or stopped or row["starts_used"] or row["window_size"] == 0
        able = work(standing.running, standing.queued, standing.waiting, held=held)
        throughput = self._throughputs.setdefault(name, Throughput())
        worked = self._worked.pop(name, 0.0)
        throughput.look(now, self._left.pop(name, 0), min(slots, able), worked)
        capacity = throughput.capacity(slots)
        allowed = most(row["starts_per_minute"], row["window_size"])
        begun = standing.running + standing.queued
        load = Load(
            standing.histogram,
            begun,
            slots,
            None if capacity is None else capacity.per_slot,
            row["sla_minutes"],
            allowed,
            held=paused or allowed == 0,
        )
        self._slots[name] = scaling.slots(load, now)
        order = self._orders[name] = standing.order
        self._ahead[name] = None
        if capacity is not None:
            capacity = capacity.limited(allowed, begun).varying(standing.variation)
            self._lines[name] = standing.histogram, capacity, start_of(now, paused=paused)
            self._ahead[name] = forecast(standing.histogram, capacity, now, paused=paused, **order)

    def _events_at(self, now: datetime) -> datetime | None:
        return None if self._last is None else now - timedelta(seconds=time.monotonic() - self._last)

    def _hearing(self) -> Hearing | None:
        if self._receiver is None:
            return None
        seconds = self._lately[-1][0] - self._lately[0][0]
        events = sum(count for _, count, _ in self._lately) - self._lately[0][1]
        return Hearing(
            events=events / seconds if seconds else 0.0,
            lag=max((lag for _, _, lag in self._lately if lag is not None), default=None),
            dropped=self._dropped + self._event_log.dropped,
            malformed=self._malformed,
        )
