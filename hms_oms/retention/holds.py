"""Legal holds: what is held is neither removed nor erased; the writer of oms.holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

from sqlalchemy import Connection, text

from hms_oms.jobs.tickets import job_name
from hms_oms.runtime.errors import HmsError


@dataclass(frozen=True, slots=True)
class Target:
    """What a hold is about: one job, the jobs with a key (of one type, if it is named), or a cycle's."""

    job_id: int | None = None
    key: str | None = None
    type: str | None = None
    batch_id: int | None = None

    def __str__(self) -> str:
        if self.job_id is not None:
            return job_name(self.job_id)
        if self.batch_id is not None:
            return f"cycle {self.batch_id}"
        return f"key {self.key}" + (f" of {self.type}" if self.type else "")


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold, and how many jobs the ledger has that it holds; it lasts until `ended_at` is set."""

    id: int
    job_id: int | None
    key: str | None
    type: str | None
    batch_id: int | None
    reason: str
    set_by: str
    set_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    end_reason: str | None
    jobs: int

    @property
    def target(self) -> Target:
        """What it is about."""
        return Target(self.job_id, self.key, self.type, self.batch_id)


class UnknownHold(HmsError):
    """No hold has this number, or it has ended."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no hold {number} that lasts: hms db hold list shows those that do")


class NothingHeld(HmsError):
    """A hold would be about no job of the ledger."""

    def __init__(self, target: Target) -> None:
        super().__init__(f"the ledger has no job to hold: {target}; what was removed cannot be held any more")


def add(connection: Connection, target: Target, *, reason: str, who: str) -> Hold:
    """Hold jobs from now on. Raises NothingHeld if the ledger has none of them.

    A removal that is under way is waited for, so what is counted here stays.
    """
    connection.exec_driver_sql("select pg_advisory_xact_lock(5197139, hashtext('oms.retention'))")
    number = connection.scalar(
        text(
            "insert into oms.holds (job_id, key, type, batch_id, reason, set_by)"
            " values (:job_id, :key, :type, :batch_id, :reason, :who) returning id"
        ),
        {**_values(target), "reason": reason, "who": who},
    )
    hold = next(hold for hold in find(connection) if hold.id == number)
    if not hold.jobs:
        raise NothingHeld(target)
    return hold


def remove(connection: Connection, number: int, *, reason: str, who: str) -> Hold:
    """End a hold; what is over its time goes with the next removals. Raises UnknownHold."""
    hold = next((hold for hold in find(connection) if hold.id == number), None)
    if hold is None:
        raise UnknownHold(number)
    ended_at = connection.scalar(
        text(
            "update oms.holds set ended_at = oms.now(), ended_by = :who, end_reason = :reason"
            " where id = :id and ended_at is null returning ended_at"
        ),
        {"id": number, "who": who, "reason": reason},
    )
    if ended_at is None:
        raise UnknownHold(number)
    return replace(hold, ended_at=ended_at, ended_by=who, end_reason=reason)


def find(connection: Connection, *, ended: bool = False) -> Sequence[Hold]:
    """The holds that last, or all, the newest first."""
    rows = connection.execute(text(_FIND), {"ended": ended}).mappings()
    return [Hold(**{field.name: row[field.name] for field in fields(Hold)}) for row in rows]


def _values(target: Target) -> dict[str, object]:
    return {field.name: getattr(target, field.name) for field in fields(target)}


_FIND = """
select
    hold.*,
    case
        when job_id is not null then (select count(*) from oms.jobs as job where job.id = hold.job_id)
        when batch_id is not null then (
            select count(*) from oms.jobs as job where job.batch_id = hold.batch_id
        )
        else (
            select count(*)
            from (select distinct type from oms.recipes) as known
            join oms.jobs as job on job.type = known.type
                and (
                    job.key = hold.key or job.freed_key = hold.key
                )
            where hold.type is null or hold.type = known.type
        )
    end as jobs
from oms.holds as hold
where hold.ended_at is null or :ended
order by hold.id desc
"""
