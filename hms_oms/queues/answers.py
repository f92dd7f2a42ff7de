"""Waiting for the applicant: the clock of a job stands until the answer comes, and its deadline is moved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from hms_oms.database import statements
from hms_oms.jobs.records import Job
from hms_oms.queues import calendars
from hms_oms.timetables import business_time
from hms_oms.timetables.business_time import OfficeHours


def hold(connection: Connection, jobs: Sequence[int], *, who: str, reason: str | None) -> list[int]:
    """Stop the clock of jobs that nobody works on; they are not handed out, and not late. Returns those.

    What runs, has ended or waits for an event stays as it is.
    """
    given = {"jobs": list(jobs), "who": who, "reason": reason}
    return [int(row["id"]) for row in statements.run(connection, "hold_until_answer", given)]


def go_on(connection: Connection, jobs: Sequence[int], *, who: str, reason: str | None) -> list[int]:
    """Let jobs go on whose clock stands, each by a later deadline: by the time that it has stood."""
    ids, slas, seconds = [], [], []
    for row in statements.run(connection, "held_clocks", {"jobs": list(jobs)}):
        office = calendars.of_job(connection, row["calendar_id"])
        # What may not start yet has a clock that has not begun to run.
        stood = counted(office, max(row["held_at"], row["clock_from"]), row["now"])
        ids.append(row["id"])
        slas.append(moved(office, row["sla"], stood))
        seconds.append(stood.total_seconds())
    given = {"jobs": ids, "slas": slas, "seconds": seconds, "who": who, "reason": reason}
    return [int(row["id"]) for row in statements.run(connection, "go_on", given)] if ids else []


def counted(office: OfficeHours | None, start: datetime, end: datetime) -> timedelta:
    """How much time an SLA counts between two moments; all of it without office hours."""
    if office is None:
        return max(end - start, timedelta(0))
    return business_time.elapsed(office, start, end)


def counted_seconds(job: Job, office: OfficeHours | None, until: datetime) -> float | None:
    """How many seconds of a job its SLA has counted; None: all that have passed."""
    if office is None and job.held_at is None and not job.held_seconds:
        return None
    end = max(job.counts_from, min(until, job.held_at or until))
    return max(0.0, counted(office, job.counts_from, end).total_seconds() - (job.held_seconds or 0.0))


def moved(office: OfficeHours | None, deadline: datetime, by: timedelta) -> datetime:
    """A deadline that is later by some time that an SLA counts."""
    return deadline + by if office is None else business_time.moved(office, deadline, by)
