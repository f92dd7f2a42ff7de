"""Read jobs: by id, by key or by filter, and the event log of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    any_,
    func,
    literal,
    or_,
    select,
)

from hms_oms.database.schema.tables import job_events, jobs
from hms_oms.documents.jobs import StepProgress
from hms_oms.jobs import on_time
from hms_oms.jobs.queries import search
from hms_oms.jobs.records import Band, Event, Job, in_full
from hms_oms.jobs.states import OPEN, TERMINAL, Status
from hms_oms.jobs.tickets import job_name
from hms_oms.recipes.steps import child_jobs, parts
from hms_oms.runtime.errors import UnknownJob

#: The key that a job has, or had until it was cancelled.
KEY = func.coalesce(jobs.c.key, jobs.c.freed_key).label("key")
_COLUMNS = [KEY if field.name == "key" else jobs.c[field.name] for field in fields(Job)]
#: Jobs in the backlog, as the index `jobs_order` has them.
IN_BACKLOG = and_(jobs.c.dispatched_at.is_(None), jobs.c.finished_at.is_(None), jobs.c.ready_at.is_(None))
#: As `oms.held_back()`: where jobs stand that wait for others with their key.
HELD_BACK = datetime(9999, 1, 1, tzinfo=UTC)
#: As `oms.parts_pending()`: where jobs stand that wait for their parts.
PARTS_PENDING = datetime(9998, 1, 1, tzinfo=UTC)
#: As `oms.on_hold()`: where jobs stand that wait for an answer.
ON_HOLD = datetime(9999, 2, 1, tzinfo=UTC)
#: Events of our own, which nobody signals.
_OWN = (parts.EVENT, child_jobs.EVENT)

#: Where jobs stand that may be late, each in an index of its own: late at their end, failed, or open.
_MAY_BE_LATE = or_(
    jobs.c.finished_at > jobs.c.sla,
    and_(jobs.c.finished_at.is_not(None), jobs.c.error.is_not(None)),
    and_(jobs.c.finished_at.is_(None), jobs.c.sla < func.oms.now()),
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Filter of jobs; fields that are None or empty do not restrict.

    `payload` pairs a field, as `countyFips` or `address.county`, with its value as text; `created_from` <=
    when the job was accepted < `created_to`. `words` are those that `search.terms` makes of a text. The parts
    of a job's steps are those that have it as `parent`. With `late` only those whose deadline was missed.
    """

    queue: str | None = None
    status: tuple[str, ...] = ()
    type: str | None = None
    batch: int | None = None
    older_than: timedelta | None = None
    ids: tuple[int, ...] | None = None
    payload: tuple[tuple[str, str], ...] = ()
    created_from: datetime | None = None
    created_to: datetime | None = None
    given_up: bool = False
    parent: int | None = None
    held: bool = False
    late: bool = False
    words: tuple[str, ...] = ()

    def clauses(self) -> list[ColumnElement[bool]]:
        """The filter as conditions on oms.jobs."""
        conditions: list[ColumnElement[bool]] = []
        # Parts of steps are jobs of no list but that of their job.
        if self.parent is not None:
            conditions.append(jobs.c.parent_id == self.parent)
        elif self.ids is None:
            conditions.append(jobs.c.part.is_(None))
        if self.queue is not None:
            conditions.append(jobs.c.queue == self.queue)
        if self.status:
            conditions += [jobs.c.status.in_(self.status), *_implied(frozenset(self.status))]
        if self.type is not None:
            conditions.append(jobs.c.type == self.type)
        if self.batch is not None:
            conditions.append(jobs.c.batch_id == self.batch)
        if self.older_than is not None:
            conditions.append(jobs.c.created_at < func.oms.now() - self.older_than)
        if self.ids is not None:
            conditions.append(jobs.c.id == any_(literal(list(self.ids), ARRAY(BigInteger))))
        for field, value in self.payload:
            conditions.append(func.jsonb_extract_path_text(jobs.c.payload, *field.split(".")) == value)
        if self.created_from is not None:
            conditions.append(jobs.c.created_at >= self.created_from)
        if self.created_to is not None:
            conditions.append(jobs.c.created_at < self.created_to)
        if self.given_up:
            conditions += [jobs.c.band == Band.GIVEN_UP, jobs.c.agent.is_(False), IN_BACKLOG]
        if self.words:
            conditions.append(search.matching(self.words))
        if self.held:
            conditions += [jobs.c.held_at.is_not(None), jobs.c.finished_at.is_(None)]
        if self.late:
            judged = func.oms.kept(jobs.c.status, jobs.c.finished_at, jobs.c.sla, func.oms.now())
            # The clock of a held job stands.
            runs = or_(jobs.c.held_at.is_(None), jobs.c.finished_at.is_not(None))
            conditions += [judged.in_((on_time.LATE, on_time.FAILED, on_time.OPEN_LATE)), runs, _MAY_BE_LATE]
        return conditions


def _implied(statuses: frozenset[str]) -> Iterator[ColumnElement[bool]]:
    """What is true of all jobs of these statuses: no index names the status itself."""
    if statuses <= OPEN:
        yield jobs.c.finished_at.is_(None)
    if statuses <= TERMINAL:
        yield jobs.c.finished_at.is_not(None)
    if statuses == {Status.FAILED}:
        yield jobs.c.error.is_not(None)


def having_key(keys: Sequence[str]) -> ColumnElement[bool]:
    """The condition that a job has one of these keys, or had it until it was cancelled."""
    return or_(jobs.c.key.in_(keys), jobs.c.freed_key.in_(keys))


#: Of the jobs with one key the one that has it now comes first.
KEY_ORDER = (jobs.c.status == "cancelled", jobs.c.id.desc())


def get(connection: Connection, job: int) -> Job:
    """One job. Raises UnknownJob."""
    row = connection.execute(select(*_COLUMNS).where(jobs.c.id == job)).mappings().one_or_none()
    if row is None:
        raise UnknownJob(job_name(job))
    return _job(row)


def by_key(connection: Connection, job_type: str, key: str) -> Job:
    """The job that has a key; if all that had it are cancelled, the newest of them. Raises UnknownJob."""
    query = select(*_COLUMNS).where(jobs.c.type == job_type, having_key([key])).order_by(*KEY_ORDER).limit(1)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise UnknownJob(f"job of type {job_type} with key {key!r}")
    return _job(row)


def by_keys(
    connection: Connection, job_type: str, keys: Sequence[str], *, lock: bool = False
) -> dict[str, Job]:
    """The jobs that have keys now, by key; with `lock` nobody changes them before the caller commits."""
    query = select(*_COLUMNS).where(jobs.c.type == job_type, jobs.c.key.in_(keys))
    if lock:
        query = query.order_by(jobs.c.id).with_for_update()
    return {str(job.key): job for job in _jobs(connection, query)}


def find(
    connection: Connection, selected: Filter, *, limit: int | None, after: int | None = None
) -> list[Job]:
    """The jobs that a filter means, newest first; `after` goes on behind that id."""
    query = select(*_COLUMNS).where(*selected.clauses()).order_by(jobs.c.id.desc())
    if after is not None:
        query = query.where(jobs.c.id < after)
    return _jobs(connection, query.limit(limit))


def find_in_order(
    connection: Connection, selected: Filter, order: Sequence[int], *, limit: int, skip: int
) -> tuple[list[Job], int]:
    """The jobs of `order` that a filter means, without the first `skip`, and how many there are in all."""
    narrowed = replace(selected, ids=tuple(order))
    meant = set(connection.scalars(select(jobs.c.id).where(*narrowed.clauses())))
    page = [job for job in order if job in meant][skip : skip + limit]
    records = {job.id: job for job in find(connection, Filter(ids=tuple(page)), limit=limit)}
    return [records[job] for job in page], len(meant)


def count(connection: Connection, selected: Filter) -> int:
    """Count the jobs that match a filter."""
    return connection.scalar(select(func.count()).select_from(jobs).where(*selected.clauses())) or 0


def exceeds(connection: Connection, selected: Filter, most: int) -> bool:
    """Whether a filter means more than `most` jobs; no more of them are looked at."""
    beyond = select(jobs.c.id).where(*selected.clauses()).offset(most).limit(1)
    return connection.scalar(beyond) is not None


def event_log(connection: Connection, job: int) -> list[Event]:
    """The event log of a job, a line for each change, oldest first."""
    columns = [job_events.c[field.name] for field in fields(Event)]
    query = select(*columns).where(job_events.c.job_id == job).order_by(job_events.c.id)
    return list(in_full(Event(**row) for row in connection.execute(query).mappings()))


def event_logs(connection: Connection, chosen: Sequence[int]) -> dict[int, list[Event]]:
    """The event logs of some jobs."""
    columns = [job_events.c[field.name] for field in fields(Event)]
    query = select(job_events.c.job_id, *columns).where(job_events.c.job_id.in_(chosen))
    logs: dict[int, list[Event]] = {}
    for job, *line in connection.execute(query.order_by(job_events.c.job_id, job_events.c.id)):
        logs.setdefault(job, []).append(Event(*line))
    return {job: list(in_full(lines)) for job, lines in logs.items()}


def peek(connection: Connection, queue: str, limit: int) -> list[Job]:
    """The jobs of a queue's backlog in the order in which they will be dispatched, the next one first."""
    query = (
        select(*_COLUMNS)
        .where(jobs.c.queue == queue, IN_BACKLOG)
        # Worker steps before agent steps: they are two backlogs, each in its own order.
        .order_by(jobs.c.agent, jobs.c.band, -jobs.c.priority, jobs.c.due, jobs.c.id)
    )
    return _jobs(connection, query.limit(limit))


def _jobs(connection: Connection, query: Select[Any]) -> list[Job]:
    return [_job(row) for row in connection.execute(query).mappings()]


def _job(row: RowMapping) -> Job:
    steps = tuple(row["steps"])
    # One that waits for its parts, its child jobs, others with its key, or an answer, may start at no time.
    no_time = row["ready_at"] in (HELD_BACK, PARTS_PENDING, ON_HOLD) or row["event"] == child_jobs.EVENT
    ready_at = None if no_time else row["ready_at"]
    progress = _progress(row, steps[row["step"]])
    waits_for_event = row["status"] == Status.WAITING and row["event"] not in _OWN
    event = row["event"] if waits_for_event else None
    made = {"steps": steps, "progress": progress, "ready_at": ready_at, "event": event}
    return Job(**{**row, **made})


def _progress(row: RowMapping, step: str) -> StepProgress | None:
    """What the step that runs has told; the ledger keeps what an earlier one has told until then."""
    last = row["progress"]
    if last is None or row["status"] != Status.RUNNING:
        return None
    if (last["attempt"], last["step"]) != (row["attempt"], step):
        return None
    return StepProgress(last["share"], last["note"], datetime.fromisoformat(last["at"]))


Jobs = Sequence[Job]
