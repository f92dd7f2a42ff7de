"""Situations of queues as the ledger has them, and what changes make of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from hms_oms.database import health
from hms_oms.order.estimates import Estimate, unmeasured
from hms_oms.order.foresight.outlook import Open, Situation
from hms_oms.timetables import business_time
from hms_oms.timetables.business_time import OfficeHours
from hms_ops.forecast.forecast import PAUSE_SECONDS
from hms_ops.foresight import workforce
from hms_ops.statements import statement


def read(connection: Connection, queue: str, *, also: Collection[int] = ()) -> Situation | None:
    """The situation of a queue; `also` names further kinds of work. None if too little was measured."""
    return of_jobs(connection, queue, open_jobs(connection, queue), also=also)


def open_jobs(connection: Connection, queue: str) -> list[Open]:
    """The jobs of a queue that wait for their turn, or are in flight."""
    return list(map(Open._make, connection.exec_driver_sql(statement("open_jobs"), {"queue": queue})))


def of_jobs(
    connection: Connection, queue: str, jobs: Sequence[Open], *, also: Collection[int] = ()
) -> Situation | None:
    """The situation of a queue with these open jobs. None if too little was measured."""
    now = health.clock(connection)
    there = workforce.of_queues(connection, now, queue).get(queue)
    if there is None:
        return None
    estimates = _estimates(connection, {job.kind for job in jobs}.union(also), there.mean)
    if estimates is None:
        return None
    begins_at = there.begins_at.timestamp()
    return Situation(there.policy, there.slots, now.timestamp(), begins_at, jobs, estimates, there.spacing)


def queues_of(connection: Connection, jobs: Sequence[int]) -> list[str]:
    """The queues in which open ones of these jobs are, by name."""
    return list(
        connection.scalars(
            text(
                "select distinct queue from oms.jobs"
                " where id = any(cast(:jobs as bigint[])) and finished_at is null order by queue"
            ),
            {"jobs": list(jobs)},
        )
    )


def paused(situation: Situation) -> Situation:
    """The situation if the queue were paused: what stands in the window goes back."""
    back = [
        job._replace(in_flight=False) if job.in_flight and job.runs_since is None else job
        for job in situation.jobs
    ]
    return situation._replace(jobs=back, begins_at=situation.now + PAUSE_SECONDS)


def with_sla(situation: Situation, seconds: float, office: OfficeHours | None = None) -> Situation:
    """The situation if all jobs had so many seconds more, or below zero fewer, that an office counts."""
    jobs = [
        job._replace(deadline=_later(job.deadline, seconds, office), sla=job.sla + seconds)
        for job in situation.jobs
    ]
    return situation._replace(jobs=jobs)


def _later(deadline: float, seconds: float, office: OfficeHours | None) -> float:
    if office is None:
        return deadline + seconds
    at = datetime.fromtimestamp(deadline, UTC)
    return business_time.moved(office, at, timedelta(seconds=seconds)).timestamp()


def without(situation: Situation, gone: Collection[int], *, running: bool = False) -> Situation:
    """The situation without some jobs, of which those that run stay, unless `running` ones go as well."""
    left = [
        job for job in situation.jobs if job.id not in gone or (job.runs_since is not None and not running)
    ]
    return situation._replace(jobs=left)


def with_priority(situation: Situation, changed: Mapping[int, int]) -> Situation:
    """The situation with other priorities; those that run stay."""
    jobs = [
        job._replace(priority=changed[job.id], in_flight=False)
        if job.id in changed and job.runs_since is None
        else job
        for job in situation.jobs
    ]
    return situation._replace(jobs=jobs)


def promoted(situation: Situation, chosen: Sequence[int]) -> Situation:
    """The situation with some jobs in front of all others, the first of them the very next one."""
    highest = max((job.priority for job in situation.jobs), default=0)
    return with_priority(
        situation, {job: highest + place for place, job in enumerate(reversed(chosen), start=1)}
    )


def _estimates(
    connection: Connection, kinds: Collection[int], mean: float | None
) -> Mapping[int, Estimate] | None:
    """What a job of each kind needs: as measured, else as the queue does on average; None if nobody knows."""
    rows = connection.execute(
        text("select cell, mean, upper from oms.work_estimates where cell = any(:kinds)"),
        {"kinds": list(kinds)},
    )
    known = {row.cell: Estimate(row.mean, row.upper) for row in rows}
    unknown = set(kinds) - known.keys()
    if unknown and mean is None:
        return None
    return known | dict.fromkeys(unknown, unmeasured(mean or 0.0))
