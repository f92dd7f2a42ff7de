"""Counts that need every job of a queue, and are therefore not taken at every look."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import Connection, Engine

from hms_oms.jobs.on_time import Counts
from hms_oms.recipes import registry
from hms_oms.runtime import clock
from hms_ops.forecast.forecast import Histogram
from hms_ops.forecast.snapshot import TroubledWebhook
from hms_ops.statements import statement
from hms_ops.stats.sliding_window import GAMMA, LEAST, Sketch

#: A count that takes longer than this, in seconds, is not made at every chance ...
CHEAP_SECONDS = 0.1
#: ... but so seldom that it takes this share of the time.
OPEN_SHARE, DAY_SHARE = 0.1, 0.02
#: A look waits this long for a count, in seconds.
PATIENCE_SECONDS = 0.25


@dataclass(slots=True)
class Standing:
    """The open jobs of one queue, counted; `ages` are those of the jobs that nobody has begun yet."""

    waiting: int = 0
    delayed: int = 0
    queued: int = 0
    running: int = 0
    held: int = 0
    late: int = 0
    given_up: int = 0
    oldest_waiting: datetime | None = None
    oldest_queued: datetime | None = None
    #: The variance of their works over the square of the mean; None: none was measured.
    variation: float | None = None
    ages: Sketch = field(default_factory=Sketch)
    deadlines: list[tuple[datetime, int]] = field(default_factory=list)
    kept: list[tuple[datetime, int]] = field(default_factory=list)
    last: list[tuple[datetime, int]] = field(default_factory=list)
    kept_wholes: list[int] = field(default_factory=list)
    last_wholes: list[int] = field(default_factory=list)

    @property
    def histogram(self) -> Histogram:
        """How many jobs have which deadline, in the order in which they are served if none is given up.

        Acceptances that are near each other, by a 64th of the time since then, stand as one in that order.

        Deadlines that are near each other, by a 64th of the time until then, stand as the earliest of them.
        """
        return self.deadlines

    @property
    def served(self) -> Histogram:
        """The same in the order in which they are served: what was given up comes last."""
        return [*self.kept, *self.last] if self.last else self.deadlines

    @property
    def wholes(self) -> Sequence[int]:
        """How many of those that are `served` with each deadline are jobs, and no parts of one."""
        return [*self.kept_wholes, *self.last_wholes]

    @property
    def order(self) -> Mapping[str, Any]:
        """How the histogram is served, as a forecast is given it."""
        return {"served": self.served, "wholes": self.wholes, "given_up": self.last}


@dataclass(frozen=True, slots=True)
class Day:
    """Jobs of one queue that ended on the office's day, and when one was last done (within two days)."""

    deadlines: Counts = field(default_factory=Counts)
    last_finished: datetime | None = None


class Thrift:
    """Keeps a costly question to its share of the time."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._again = 0.0

    @property
    def due(self) -> bool:
        """Whether the question may be asked again."""
        return time.monotonic() >= self._again

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Note what asking has cost."""
        began = time.monotonic()
        yield
        spent = time.monotonic() - began
        self._again = time.monotonic() + (spent / self._share if spent > CHEAP_SECONDS else 0.0)


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted, and when the open jobs were. Only agents work in the queues named by `agents`."""

    at: datetime
    standings: Mapping[str, Standing]
    days: Mapping[str, Day]
    agents: frozenset[str]


class JobCounter:
    """Counts on a connection of its own, in a thread, so that no look has to wait for a long count."""

    def __init__(self, engine: Engine, office: tzinfo) -> None:
        self._engine = engine
        self._office = office
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="job-counter")
        self._counting: Future[Count] | None = None
        self._latest: Count | None = None
        self._open, self._day = Thrift(OPEN_SHARE), Thrift(DAY_SHARE)

    def latest(self, now: datetime, *, again: bool) -> Count:
        """The last count. With `again` another one is begun, if that can be afforded by now.

        The first one is waited for, others only as long as a short one takes: a longer one is in what a later
        look is given. Raises what went wrong with a count.
        """
        if self._counting is None and (self._latest is None or (again and self._open.due)):
            self._counting = self._thread.submit(self._count, now, self._latest)
        if self._counting is not None:
            patience = PATIENCE_SECONDS if again else 0.0
            wait([self._counting], None if self._latest is None else patience)
            if self._counting.done():
                done, self._counting = self._counting, None
                self._latest = done.result()
        assert self._latest is not None
        return self._latest

    def _count(self, now: datetime, before: Count | None) -> Count:
        with self._engine.begin() as connection:
            with self._open.spending():
                by_queue = standings(connection, now)
            if before is not None and not self._day.due:
                return replace(before, at=now, standings=by_queue)
            with self._day.spending():
                return Count(now, by_queue, _days(connection, now, self._office), _agents(connection))


def standings(connection: Connection, now: datetime) -> Mapping[str, Standing]:
    """The open jobs of each queue that has any."""
    by_queue: dict[str, Standing] = {}
    rows = connection.exec_driver_sql(statement("measure_open"), {"now": now, "gamma": GAMMA, "least": LEAST})
    for row in rows:
        standing = by_queue.setdefault(row.queue, Standing())
        if row.counted == _BY_QUEUE:
            standing.waiting, standing.delayed = row.waiting, row.delayed
            standing.queued, standing.running, standing.late = row.queued, row.running, row.late
            standing.given_up, standing.held = row.given_up, row.held
            standing.variation = row.variation
            standing.oldest_waiting, standing.oldest_queued = row.oldest_waiting, row.oldest_queued
        elif row.counted == _BY_DEADLINE and row.jobs:
            standing.deadlines.append((row.sla, row.jobs))
            (standing.last if row.band else standing.kept).append((row.sla, row.jobs))
            (standing.last_wholes if row.band else standing.kept_wholes).append(row.wholes)
        elif row.place is not None:
            standing.ages.gain(row.place, row.jobs, row.ages)
    return by_queue


def unsent_texts(connection: Connection, now: datetime) -> tuple[int, datetime | None]:
    """How many texts wait to be sent though they may go, and since when the oldest of them stands."""
    row = connection.exec_driver_sql(statement("measure_outbox"), {"now": now}).one()
    return row.unsent, row.since


def troubled_webhooks(connection: Connection, now: datetime) -> list[TroubledWebhook]:
    """The webhooks that take no events."""
    rows = connection.exec_driver_sql(statement("measure_webhooks"), {"now": now}).mappings()
    return [TroubledWebhook(**{**row, "gone": bool(row["gone"])}) for row in rows]


#: What a row of measure_open.sql is grouped by, as PostgreSQL's grouping() says it.
_BY_QUEUE, _BY_DEADLINE = 0b11, 0b01


def _days(connection: Connection, now: datetime, office: tzinfo) -> Mapping[str, Day]:
    midnight, _ = clock.day_of(now, office)
    rows = connection.exec_driver_sql(statement("measure_day"), {"midnight": midnight})
    return {row.queue: Day(Counts(row.on_time, row.late, row.failed), row.last_finished) for row in rows}


def _agents(connection: Connection) -> frozenset[str]:
    steps = [step for recipe in registry.snapshots(connection).values() for step in recipe.works]
    return frozenset(step.queue for step in steps) - {step.queue for step in steps if step.by != "agent"}
