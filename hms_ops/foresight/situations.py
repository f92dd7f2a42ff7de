"""Situations of queues as the ledger has them, and what changes make of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from hms_oms.database import health
from hms_oms.order.estimates import Estimate, unmeasured
from hms_oms.order.foresight.line import Situation
from hms_oms.order.foresight.open_jobs import Group, Open, OpenJobs
from hms_oms.timetables import business_time
from hms_oms.timetables.business_time import OfficeHours
from hms_ops.forecast.forecast import PAUSE_SECONDS
from hms_ops.foresight import workforce
from hms_ops.statements import statement


def read(connection: Connection, queue: str, *, also: Collection[int] = ()) -> Situation | None:
    """The situation of a queue; `also` names further kinds of work. None if too little was measured."""
    return of_jobs(connection, queue, open_jobs(connection, queue), also=also)


def open_jobs(connection: Connection, queue: str) -> OpenJobs:
    """The jobs of a queue that wait for their turn, or are in flight."""
    front = connection.exec_driver_sql(statement("jobs_in_flight"), {"queue": queue})
    groups = connection.exec_driver_sql(statement("jobs_that_wait"), {"queue": queue})
    return OpenJobs(list(map(Open._make, front)), [Group.of(*row) for row in groups])


def of_jobs(
    connection: Connection, queue: str, jobs: OpenJobs, *, also: Collection[int] = ()
) -> Situation | None:
    """The situation of a queue with these open jobs. None if too little was measured."""
    now = health.clock(connection)
    there = workforce.of_queues(connection, now, queue).get(queue)
    if there is None:
        return None
    kinds = jobs.kinds.union(also)
    works, estimates = _estimates(connection, kinds, there.mean)
    if kinds - estimates.keys():
        return None
    at, begins_at = now.timestamp(), there.begins_at.timestamp()
    return Situation(there.policy, there.slots, at, begins_at, jobs, estimates, there.spacing, works)


def queues_of(connection: Connection, jobs: Sequence[int]) -> list[str]:
    """The queues in which open ones of these jobs are, or parts of their steps, by name."""
    return list(connection.scalars(text(_QUEUES), {"jobs": list(jobs)}))


def paused(situation: Situation) -> Situation:
    """The situation if the queue were paused: what stands in the window goes back."""
    jobs = situation.jobs
    back = [job._replace(in_flight=False) for job in jobs.front if job.runs_since is None]
    running = [job for job in jobs.front if job.runs_since is not None]
    waiting = OpenJobs(running, jobs.groups).plus(back)
    return situation._replace(jobs=waiting, begins_at=situation.now + PAUSE_SECONDS)


def with_sla(situation: Situation, seconds: float, office: OfficeHours | None = None) -> Situation:
    """The situation if all jobs had so many seconds more, or below zero fewer, that an office counts."""
    front = [
        job._replace(deadline=_later(job.deadline, seconds, office), sla=job.sla + seconds)
        for job in situation.jobs.front
    ]
    groups = [
        replace(
            group,
            deadlines=[_later(deadline, seconds, office) for deadline in group.deadlines],
            sla=group.sla + seconds,
        )
        for group in situation.jobs.groups
    ]
    return situation._replace(jobs=OpenJobs(front, groups))


def _later(deadline: float, seconds: float, office: OfficeHours | None) -> float:
    if office is None:
        return deadline + seconds
    at = datetime.fromtimestamp(deadline, UTC)
    return business_time.moved(office, at, timedelta(seconds=seconds)).timestamp()


def without(situation: Situation, gone: Collection[int], *, running: bool = False) -> Situation:
    """The situation without some jobs, of which those that run stay, unless `running` ones go as well."""
    left, out = situation.jobs.apart(gone)
    stay = [] if running else [job for job in out if job.runs_since is not None]
    return situation._replace(jobs=OpenJobs([*stay, *left.front], left.groups))


def with_priority(situation: Situation, changed: Mapping[int, int]) -> Situation:
    """The situation with other priorities; those that run stay."""
    left, out = situation.jobs.apart(changed.keys())
    running = [job for job in out if job.runs_since is not None]
    back = [
        job._replace(priority=_of_job(changed, job), in_flight=False) for job in out if job.runs_since is None
    ]
    return situation._replace(jobs=OpenJobs([*running, *left.front], left.groups).plus(back))


def _of_job(changed: Mapping[int, int], job: Open) -> int:
    """The priority that a job gets, by itself or with the job whose part it is."""
    return changed[job.id] if job.id in changed else changed[job.whole or 0]


def promoted(situation: Situation, chosen: Sequence[int]) -> Situation:
    """The situation with some jobs in front of all others, the first of them the very next one."""
    jobs = situation.jobs
    priorities = [*(job.priority for job in jobs.front), *(group.priority for group in jobs.groups)]
    highest = max(priorities, default=0)
    return with_priority(
        situation, {job: highest + place for place, job in enumerate(reversed(chosen), start=1)}
    )


def _estimates(
    connection: Connection, kinds: Collection[int], mean: float | None
) -> tuple[Mapping[int, int], Mapping[int, Estimate]]:
    """How many works of each kind were measured, and what one needs: as measured, else as the queue does."""
    rows = connection.execute(
        text("select cell, works, mean, upper from oms.work_estimates where cell = any(:kinds)"),
        {"kinds": list(kinds)},
    ).all()
    works = {row.cell: max(1, row.works) for row in rows}
    known = {row.cell: Estimate(row.mean, row.upper) for row in rows}
    if mean is not None:
        known |= dict.fromkeys(set(kinds) - known.keys(), unmeasured(mean))
    return works, known


_QUEUES = """
select distinct queue
from oms.jobs
where finished_at is null
    and (id = any(cast(:jobs as bigint[])) or (parent_id = any(cast(:jobs as bigint[])) and part is not null))
order by queue
"""
