"""The watch: look at the floor, judge, open and close incidents, call people; twice a second and on time.

A look wakes up for the next deadline, so a breach is seen when it happens. What costs more is measured every
few seconds, and what may wait a moment is written after the calls are out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hms_oms.daemon.isolation import Apart
from hms_oms.database import connections
from hms_ops import heartbeats
from hms_ops.documents.reports import ForecastRecord
from hms_ops.findings import Finding, Key
from hms_ops.forecast.snapshot import Snapshot
from hms_ops.foresight import line_forecasts
from hms_ops.foresight.places import EVERY_SECONDS
from hms_ops.incidents import lifecycle, set_back, thresholds
from hms_ops.incidents.impact import late_jobs
from hms_ops.incidents.thresholds import Thresholds
from hms_ops.metrics import history, metrics, moments
from hms_ops.metrics.past import hours
from hms_ops.oncall import escalation
from hms_ops.reports import forecast_record
from hms_ops.rules import RULES

log = logging.getLogger(__name__)

#: How often the watch looks when no deadline comes earlier, and while nothing is open, in seconds ...
LOOK_SECONDS = 0.5
QUIET_SECONDS = 1.0
#: ... how often it measures what costs more, and how often while nothing is open ...
HEAVY_SECONDS = 1.0
IDLE_SECONDS = 4.0
#: ... and how often late jobs are looked for from the beginning.
WHOLE_SECONDS = 60.0
#: How often it is read how good the forecasts were, in seconds: all of a month.
RECORD_SECONDS = 600.0
#: A look comes so long after a deadline, in seconds: then it has passed.
AFTER_SECONDS = 0.005


class Looker(Protocol):
    """Source of snapshots: `hms_ops.metrics.measure.Measure`."""

    def look(self, connection: Connection, heavy: bool) -> Snapshot:
        """The floor as it is now; `heavy`: with what costs more to measure."""


class Watch:
    """Each turn is one look; `begin` opens its transactions, and times in texts are of `office`.

    `sender_is_local`: texts stay here, in a log.
    """

    #: Deadlines that follow each other closely are looked at together.
    least_seconds = 0.1

    def __init__(
        self,
        begin: Callable[[], AbstractContextManager[Connection]],
        measure: Looker,
        *,
        sender_is_local: bool,
        samples_days: int = history.DAYS,
        office: tzinfo = UTC,
    ) -> None:
        self.begin = begin
        self.measure = measure
        self.sender_is_local = sender_is_local
        self.samples_days = samples_days
        self.office = office
        self._heavy = _Every(HEAVY_SECONDS)
        self._idle = _Every(IDLE_SECONDS)
        self._open = True
        self._apart = Apart()
        self._whole = _Every(WHOLE_SECONDS)
        self._fine = _Every(moments.STEP_SECONDS)
        self._foreseeing = _Every(EVERY_SECONDS)
        self._recording = _Every(RECORD_SECONDS)
        self._records: Mapping[str, ForecastRecord] = {}
        self._were_open: set[str] = set()
        #: The last minute of which samples are kept.
        self._sampled: datetime | None = None

    def turn(self) -> float:
        """Look once; return after how many seconds to look again."""
        began = time.monotonic()
        try:
            with self.begin() as connection:
                snapshot = self._look(connection)
            whole = self._whole()
            with self.begin() as connection:
                with self._apart.doing("noting late jobs"), connection.begin_nested():
                    late_jobs.note(connection, snapshot.now, whole=whole)
                if self._recording():
                    with self._apart.doing("reading the record of forecasts"), connection.begin_nested():
                        self._records = forecast_record.read(
                            connection, snapshot.now - line_forecasts.KEPT, snapshot.now
                        )
                snapshot = self._with_records(snapshot)
                metrics.publish(connection, snapshot, self._apart)
                minute = snapshot.now.replace(second=0, microsecond=0)
                if minute != self._sampled:
                    with self._apart.doing("keeping samples"), connection.begin_nested():
                        if history.keep(connection, snapshot.now, self.samples_days):
                            hours.keep(connection, snapshot.now, self.samples_days)
                            self._sampled = minute
                if self._foreseeing():
                    line_forecasts.turn(connection, snapshot, self.office, self._apart)
                if self._fine():
                    with self._apart.doing("keeping moments"), connection.begin_nested():
                        self._were_open = moments.keep(connection, snapshot, self._were_open)
        except DBAPIError as error:
            # The daemon knows the driver's own words for a server that is gone.
            if error.orig is not None and connections.is_gone(error.orig):
                raise error.orig from error
            raise
        seconds = until_next(snapshot) if self._open else QUIET_SECONDS
        return max(0.0, began + seconds - time.monotonic())

    def _with_records(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with how good the forecasts of each queue were."""
        queues = [replace(queue, record=self._records.get(queue.name)) for queue in snapshot.queues]
        return replace(snapshot, queues=queues)

    def _look(self, connection: Connection) -> Snapshot:
        """Look, judge, move the incidents and call people."""
        heavy = self._heavy() if self._open else self._idle()
        snapshot = self.measure.look(connection, heavy)
        # The earliest deadline of each queue is known at every look: there is one as soon as a job is open.
        was_open, self._open = self._open, any(queue.next_sla or queue.open for queue in snapshot.queues)
        if self._open and not was_open and not heavy:
            snapshot = self.measure.look(connection, True)
        looked_before = snapshot.looked_before or _last_beat(connection)
        if looked_before is not None and looked_before > snapshot.now:
            with self._apart.doing("following the database's clock"), connection.begin_nested():
                set_back.follow(connection, snapshot.now)
        limits = thresholds.limits(connection)
        findings, unknown, failed = judge(snapshot, limits)
        judged = {rule.name for rule in RULES} - failed
        lifecycle.observe(
            connection,
            snapshot.now,
            findings,
            limits,
            judged=judged,
            unknown=unknown,
            looked_before=looked_before,
            apart=self._apart,
        )
        escalation.page(connection, snapshot.now, self.sender_is_local, self.office, self._apart)
        detail = {
            "failed_rules": sorted(failed),
            "sender_is_local": self.sender_is_local,
            "failing": self._apart.words,
        }
        heartbeats.beat(connection, "ops", detail)
        return snapshot


def judge(snapshot: Snapshot, limits: Thresholds) -> tuple[list[Finding], set[Key], set[str]]:
    """Findings of all rules in a snapshot, what is unknown to them, and the names of rules that failed."""
    every: list[Finding] = []
    unknown: set[Key] = set()
    failed = set()
    for rule in RULES:
        try:
            findings, untold = rule.judge(snapshot, limits.of(rule.name)), rule.unknown(snapshot)
        except Exception:
            # One rule that is broken must not blind the others; its incidents stay as they are.
            log.exception("rule %s failed", rule.name)
            failed.add(rule.name)
        else:
            every += findings
            unknown.update(untold)
    return every, unknown, failed


class _Every:
    """Whether it is time again: at first, and then every so many seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._next = float("-inf")

    def __call__(self) -> bool:
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True


def until_next(snapshot: Snapshot) -> float:
    """Seconds from a look to the next one: the next deadline, if it is near."""
    ahead = (queue.next_sla for queue in snapshot.queues if queue.next_sla and queue.next_sla > snapshot.now)
    seconds = ((deadline - snapshot.now).total_seconds() + AFTER_SECONDS for deadline in ahead)
    return min(LOOK_SECONDS, min(seconds, default=LOOK_SECONDS))


def _last_beat(connection: Connection) -> datetime | None:
    """Time of the last look of any watch."""
    return next((beat.at for beat in heartbeats.status(connection) if beat.name == "ops"), None)
