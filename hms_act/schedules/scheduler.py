"""The scheduler: starts what is due, once, beside the leading dispatcher.

Each transaction is one of the leader. A run is a row that no second one can have, and it is written with the
jobs that it starts: whatever ends this process leaves both or neither, and the next leader goes on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from hms_act import accept
from hms_act.schedules.intake import Begin, Intake
from hms_act.waiting import child_jobs
from hms_oms.cycles.cycle_rows import gist
from hms_oms.daemon import leader_election
from hms_oms.daemon.daemon import Stop
from hms_oms.daemon.isolation import Apart
from hms_oms.daemon.leader_election import Lease
from hms_oms.database import health
from hms_oms.recipes import recipes
from hms_oms.recipes.recipes import Recipes
from hms_oms.runtime.errors import HmsError, RequestRejected
from hms_oms.schedules import planning, runs, store
from hms_oms.schedules.records import Run, Schedule

log = logging.getLogger(__name__)

#: How often it is looked what is due, and how soon after the ledger did not answer; in seconds.
LOOK_SECONDS, AGAIN_SECONDS = 1.0, 5.0


class Scheduler:
    """Each turn starts what is due, and looks for the files that runs wait for."""

    def __init__(self, begin: Begin, known: Callable[[], Recipes], intake: Intake) -> None:
        self._begin = begin
        self._known = known
        self._intake = intake
        self._apart = Apart()

    def turn(self) -> None:
        """Write down the runs that are due, and start those that wait, and what steps have asked for."""
        with self._apart.doing("jobs that steps have asked for"):
            child_jobs.start(self._begin, self._known)
        with self._begin() as connection:
            due, waiting = store.due(connection), runs.waiting(connection)
        for name in due:
            with self._apart.doing(f"what is due of schedule {name}"):
                self._plan(name)
        if due:
            with self._begin() as connection:
                waiting = runs.waiting(connection)
        for run in waiting:
            with self._apart.doing(f"the run of schedule {run.schedule}"):
                self._start(run)

    def _plan(self, name: str) -> None:
        with self._begin() as connection:
            schedule = store.take_due(connection, name)
            if schedule is None or schedule.next_at is None:
                return
            now, rules = health.clock(connection), schedule.rules
            due = planning.due(schedule.timetable, schedule.next_at, now, rules.within)
            open_work = runs.open_work(connection, schedule) if rules.overlap == "skip" else None
            for planned in planning.plan(due, now, rules, open_work):
                number = runs.add(connection, schedule, planned)
                if planned.state == planning.WAITING and number is not None and schedule.payload is not None:
                    self._start_job(connection, schedule, runs.get(connection, number))
            store.advance(connection, schedule, now)

    def _start(self, run: Run) -> None:
        """Start a run that was asked for, or that waits for its file."""
        with self._begin() as connection:
            schedule = store.get(connection, run.schedule)
            if schedule.payload is not None:
                if runs.take(connection, run.id):
                    self._start_job(connection, schedule, run)
                return
        try:
            recipe = recipes.find(self._known(), schedule.type)
        except HmsError as error:
            with self._begin() as connection:
                if runs.take(connection, run.id):
                    runs.end(connection, run.id, "failed", note=str(error))
            return
        self._intake.look(schedule, recipe, run)

    def _start_job(self, connection: Connection, schedule: Schedule, run: Run) -> None:
        assert schedule.payload is not None
        try:
            with connection.begin_nested():
                started = accept.start_job(
                    connection,
                    recipes.find(self._known(), schedule.type),
                    schedule.payload,
                    requested_by=schedule.actor,
                    sla_minutes=schedule.sla_minutes,
                    # The same payload every day is not the same request.
                    key=f"{schedule.name} {run.due_at:%Y-%m-%dT%H:%M:%S.%fZ}",
                )
        except HmsError as error:
            runs.end(connection, run.id, "failed", note=_told(error))
        else:
            runs.end(connection, run.id, "started", job=started.job.id)


class SchedulerThread(threading.Thread):
    """Takes turns until the leader's term is over, or the process stops.

    Nobody waits for its end: a turn that is cut off is taken back, and taken again by the next leader.
    """

    def __init__(self, make: Callable[[Begin], Scheduler], lease: Lease, engine: Engine, stop: Stop) -> None:
        super().__init__(name="schedules", daemon=True)
        self._scheduler = make(partial(lease.beside, engine))
        self._stop_all = stop

    def run(self) -> None:
        """Start what is due."""
        while not self._stop_all.asked:
            pause = LOOK_SECONDS
            try:
                self._scheduler.turn()
            except DBAPIError as error:
                if leader_election.is_over(error):
                    return
                log.warning("schedules: nothing is started (%s)", str(error.orig).strip().partition("\n")[0])
                pause = AGAIN_SECONDS
            except Exception:
                log.exception("schedules: nothing is started")
                pause = AGAIN_SECONDS
            self._stop_all.sleep(pause)


def _told(error: HmsError) -> str:
    """Why nothing was started, without the values that a payload has."""
    if isinstance(error, RequestRejected):
        return "; ".join(f"{field}: {gist(reason)}" for field, reason in error.faults)
    return str(error)
