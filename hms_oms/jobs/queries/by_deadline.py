"""Open and late jobs by their deadline or by how late they are, and how many there are, up to a number.

Jobs that are open, that ended late, and that failed in time have an index each: of each kind the first ones
are read, and the first of these are the answer. No list looks at all jobs.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import CTE, ColumnElement, Connection, Subquery, and_, func, select, true, union_all

from hms_oms.database.schema.tables import jobs
from hms_oms.jobs.queries import read
from hms_oms.jobs.queries.read import Filter
from hms_oms.jobs.records import Job
from hms_oms.jobs.states import OPEN, TERMINAL

_IS_OPEN = jobs.c.finished_at.is_(None)
_OPEN_LATE = and_(_IS_OPEN, jobs.c.sla < func.oms.now())
_ENDED_LATE = jobs.c.finished_at > jobs.c.sla
_FAILED_IN_TIME = and_(jobs.c.finished_at <= jobs.c.sla, jobs.c.error.is_not(None))


def find(connection: Connection, selected: Filter, *, latest_first: bool, limit: int, skip: int) -> list[Job]:
    """The open or late jobs that a filter means, but the first `skip`: by deadline, or the latest first."""
    first = [_first(selected, kind, skip + limit, latest_first=latest_first) for kind in _kinds(selected)]
    whole = union_all(*(select(kind.c.id, kind.c.place) for kind in first)).subquery()
    page = select(whole.c.id).order_by(whole.c.place, whole.c.id).limit(limit).offset(skip)
    ids = tuple(connection.scalars(page))
    records = {job.id: job for job in read.find(connection, Filter(ids=ids), limit=limit)}
    # Retention may have removed one meanwhile.
    return [records[job] for job in ids if job in records]


def count(connection: Connection, selected: Filter, most: int) -> int:
    """Count the jobs that a filter means, no further than to one more than `most`."""
    kinds = list(_kinds(selected)) if selected.late else [true()]
    some = [select(jobs.c.id).where(*selected.clauses(), kind).limit(most + 1).subquery() for kind in kinds]
    whole = union_all(*(select(kind.c.id) for kind in some)).limit(most + 1).subquery()
    return connection.scalar(select(func.count()).select_from(whole)) or 0


def _kinds(selected: Filter) -> Iterator[ColumnElement[bool]]:
    """The conditions of the kinds of jobs that a filter may mean."""
    statuses = frozenset(selected.status)
    if not statuses or statuses & OPEN:
        yield _OPEN_LATE if selected.late else _IS_OPEN
    if selected.late and (not statuses or statuses & TERMINAL):
        yield _ENDED_LATE
        yield _FAILED_IN_TIME


def _first(selected: Filter, kind: ColumnElement[bool], most: int, *, latest_first: bool) -> Subquery:
    """The first ids of a kind, each with its place in the order of all."""
    is_open = kind is _IS_OPEN or kind is _OPEN_LATE
    until = func.oms.now() if is_open else jobs.c.finished_at
    place = (jobs.c.sla - until if latest_first else jobs.c.sla).label("place")
    # Of open jobs the one with the first deadline is the latest.
    order = (until - jobs.c.sla).desc() if latest_first and not is_open else jobs.c.sla
    ids = select(jobs.c.id, place).where(*selected.clauses(), kind).order_by(order, jobs.c.id).limit(most)
    if not is_open or selected.queue is not None:
        return ids.subquery()
    # Open jobs are in order queue by queue.
    queues = _queues()
    of_queue = ids.where(jobs.c.queue == queues.c.name).correlate(queues).lateral()
    return select(of_queue.c.id, of_queue.c.place).select_from(queues.join(of_queue, true())).subquery()


def _queues() -> CTE:
    """The queues that have open jobs, from one to the next by the index of deadlines."""
    least = select(func.min(jobs.c.queue).label("name")).where(_IS_OPEN)
    queues = least.cte("queues", recursive=True)
    following = least.where(jobs.c.queue > queues.c.name).correlate(queues).scalar_subquery()
    return queues.union_all(select(following).where(queues.c.name.is_not(None)))
