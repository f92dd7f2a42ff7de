"""Cycles: the requests of a day; the writer of oms.batches, and how a cycle stands."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import Connection, Executable, func, insert, select, text, update

from hms_oms.cycles import cycle_report
from hms_oms.cycles.cycle_report import Report as Report
from hms_oms.database import health, statements
from hms_oms.database.schema.tables import batches
from hms_oms.documents.cycles import Cycle, CycleProgress
from hms_oms.jobs.on_time import Counts
from hms_oms.jobs.states import OPEN_COUNTS
from hms_oms.messages import outbox
from hms_oms.runtime.errors import HmsError

#: A cycle that has taken no end of its file for so long was cut off.
CUT_OFF = timedelta(days=7)


class UnknownCycle(HmsError):
    """No cycle has this number, or there is none at all."""

    def __init__(self, batch: int | None) -> None:
        self.batch = batch
        super().__init__("no cycle has been run yet" if batch is None else f"there is no cycle {batch}")


def begin(connection: Connection, *, job_type: str, name: str, requested_by: str) -> Cycle:
    """Begin a cycle; `name` says where its requests come from."""
    row = insert(batches).values(type=job_type, name=name, requested_by=requested_by)
    return _one(connection, row.returning(*_COLUMNS), None)


def add(
    connection: Connection, batch: int, *, accepted: int, duplicates: int, differing: int, refused: int
) -> Cycle:
    """Count requests of a cycle, in the transaction that accepts them. Raises UnknownCycle."""
    row = update(batches).values(
        accepted=batches.c.accepted + accepted,
        duplicates=batches.c.duplicates + duplicates,
        differing=batches.c.differing + differing,
        refused=batches.c.refused + refused,
    )
    return _one(connection, row.where(batches.c.id == batch).returning(*_COLUMNS), batch)


def close(connection: Connection, batch: int) -> Cycle:
    """Record that every request of a cycle has come in. Raises UnknownCycle."""
    row = update(batches).values(closed_at=func.coalesce(batches.c.closed_at, func.oms.now()))
    return _one(connection, row.where(batches.c.id == batch).returning(*_COLUMNS), batch)


def get(connection: Connection, batch: int | None) -> Cycle:
    """One cycle, the latest if None. Raises UnknownCycle."""
    row = select(*_COLUMNS).order_by(batches.c.id.desc()).limit(1)
    return _one(connection, row if batch is None else row.where(batches.c.id == batch), batch)


def find(connection: Connection, limit: int | None, after: int | None = None) -> list[Cycle]:
    """The cycles, newest first; `after` goes on behind that id."""
    query = select(*_COLUMNS).order_by(batches.c.id.desc()).limit(limit)
    rows = connection.execute(query if after is None else query.where(batches.c.id < after))
    return [Cycle(**row) for row in rows.mappings()]


def count(connection: Connection) -> int:
    """How many cycles there are."""
    return connection.scalar(select(func.count()).select_from(batches)) or 0


def progress(connection: Connection, batch: int) -> CycleProgress:
    """How the jobs of a cycle stand."""
    row = connection.execute(text(_PROGRESS), {"batch": batch}).one()
    return CycleProgress(**row._mapping)


def report(connection: Connection, batch: int | None) -> Report:
    """What came of a cycle so far, the latest if None. Raises UnknownCycle.

    Of a cycle from which retention has removed jobs, what came of it by then.
    """
    cycle = get(connection, batch)
    final = connection.scalar(select(batches.c.final_report).where(batches.c.id == cycle.id))
    if final is not None:
        return cycle_report.read(cycle, final)
    sums = connection.execute(text(_SUMS), {"batch": cycle.id}).one()
    return Report(
        batch=cycle,
        progress=progress(connection, cycle.id),
        outcomes=_counts(connection, _OUTCOMES, cycle.id),
        reasons=_counts(connection, _REASONS, cycle.id),
        deadlines=Counts(sums.on_time, sums.late, sums.failed, sums.open_late),
        texts=outbox.to_applicants(connection, batch=cycle.id),
        sla_minutes=None if sums.least_sla is None else (sums.least_sla, sums.most_sla),
        wait=_percentiles(sums.waits),
        total=_percentiles(sums.totals),
        finished_at=sums.finished_at,
    )


def is_over(connection: Connection, batch: int) -> bool:
    """Whether a cycle is at its end: all came in, or was cut off a week ago, and no job is open."""
    cycle, now = get(connection, batch), health.clock(connection)
    is_in = cycle.closed_at is not None or now - cycle.created_at > CUT_OFF
    return is_in and not progress(connection, batch).open


@dataclass(frozen=True, slots=True)
class Ended:
    """A cycle at its end, with its jobs by what became of them."""

    id: int
    type: str
    ended_at: datetime
    jobs: int
    done: int
    failed: int
    cancelled: int
    late: int


def note_ends(connection: Connection) -> list[Ended]:
    """Mark the cycles that have come to their end since the last time; each is returned once."""
    return [Ended(**row) for row in statements.run(connection, "end_cycles", {})]


def keep_report(connection: Connection, batch: int) -> None:
    """Keep what came of a cycle, which is over, before the first of its jobs is removed."""
    final = select(batches.c.final_report.is_not(None)).where(batches.c.id == batch)
    if not connection.scalar(final):
        document = json.dumps(cycle_report.document(report(connection, batch)))
        connection.execute(
            text("update oms.batches set final_report = :report where id = :batch"),
            {"report": document, "batch": batch},
        )


def _one(connection: Connection, query: Executable, batch: int | None) -> Cycle:
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise UnknownCycle(batch)
    return Cycle(**row)


def _counts(connection: Connection, query: str, batch: int) -> dict[str, int]:
    return {row.name: row.number for row in connection.execute(text(query), {"batch": batch})}


def _percentiles(seconds: list[float] | None) -> tuple[timedelta, timedelta] | None:
    if seconds is None:
        return None
    return timedelta(seconds=seconds[0]), timedelta(seconds=seconds[1])


_COLUMNS = [batches.c[field.name] for field in fields(Cycle)]

_PROGRESS = f"""
select
    oms.now() as now,
    {OPEN_COUNTS},
    count(*) filter (where status = 'done') as done,
    count(*) filter (where status = 'failed') as failed,
    count(*) filter (where status = 'cancelled') as cancelled,
    count(*) filter (
        where held_at is null and oms.kept(status, finished_at, sla, oms.now()) in ('late', 'open late')
    ) as late,
    max(since) as moved_at
from oms.jobs
where batch_id = :batch
"""  # noqa: S608 -- a constant of our own

_SUMS = """
select
    count(*) filter (where kept = 'on time')::int as on_time,
    count(*) filter (where kept = 'late')::int as late,
    count(*) filter (where kept = 'failed')::int as failed,
    count(*) filter (where kept = 'open late')::int as open_late,
    min(sla_minutes) as least_sla,
    max(sla_minutes) as most_sla,
    percentile_cont(array[0.5, 0.95]) within group (
        order by extract(epoch from started_at - created_at)::float8
    ) as waits,
    percentile_cont(array[0.5, 0.95]) within group (
        order by extract(epoch from finished_at - created_at)::float8
    ) as totals,
    max(finished_at) as finished_at
from oms.jobs
cross join lateral oms.kept(status, finished_at, case when held_at is null then sla end, oms.now()) as kept
where batch_id = :batch
"""

_OUTCOMES = """
select outcome as name, count(*) as number from oms.jobs
where batch_id = :batch and status = 'done' and outcome is not null
group by outcome order by number desc, name
"""

# A job counts once for a reason, however many of its steps repeat it.
_REASONS = """
select reason as name, count(distinct job.id) as number
from oms.jobs as job
cross join lateral jsonb_each(job.results) as step (name, result)
cross join lateral jsonb_array_elements_text(
    case jsonb_typeof(result -> 'reasons') when 'array' then result -> 'reasons' else '[]' end
) as reason
where job.batch_id = :batch and reason is not null
group by reason order by number desc, name
"""
