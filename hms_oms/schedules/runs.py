"""Runs of schedules and the files that they take; the writer of oms.schedule_runs and oms.schedule_files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from hms_oms.database import statements
from hms_oms.database.plain_text import plain
from hms_oms.jobs.tickets import job_name
from hms_oms.schedules.planning import WAITING, PlannedRun
from hms_oms.schedules.records import NotWaiting, Run, Schedule

#: How long a note may be.
LONGEST_NOTE = 500


def add(connection: Connection, schedule: Schedule, planned: PlannedRun) -> int | None:
    """Add a run that is due and return its id; None if it has its row already.

    One that waits for a file replaces the run that has waited for it until now, and with it the time by which
    the file was expected.
    """
    expected_by = None
    if planned.state == WAITING and schedule.source is not None:
        ended = connection.execute(text(_GIVE_UP), {"schedule": schedule.id}).scalars()
        own = planned.due_at + timedelta(minutes=schedule.missing_after_minutes)
        expected_by = min([*ended, own])
    values = {
        "schedule": schedule.id,
        "due_at": planned.due_at,
        "state": planned.state,
        "note": planned.note,
        "expected_by": expected_by,
    }
    return connection.execute(text(_ADD), values).scalar_one_or_none()


def request(connection: Connection, schedule: Schedule, who: str) -> Run:
    """Ask for a run now; the leading dispatcher does it."""
    number = connection.execute(text(_REQUEST), {"schedule": schedule.id, "who": who}).scalar_one()
    return get(connection, number)


def skip(connection: Connection, schedule: Schedule, *, who: str, reason: str | None) -> Run:
    """Have a run wait for its file no longer, or settle one that has failed. Raises NotWaiting."""
    note = f"skipped by {who}" + (f": {reason}" if reason else "")
    asked = {"schedule": schedule.id, "who": who, "note": plain(note)[:LONGEST_NOTE]}
    rows = statements.run(connection, "skip_run", asked)
    if not rows:
        raise NotWaiting(schedule.name)
    return get(connection, rows[0]["id"])


def waiting(connection: Connection) -> Sequence[Run]:
    """The runs that are to start, or wait for a file, oldest first."""
    return _read(connection, f"{_SELECT} where run.state = 'waiting' and {_AT_WORK} order by run.due_at", {})


def take(connection: Connection, run: int) -> bool:
    """Take a run that waits, until the end of the transaction; False if it has ended, or another has it."""
    return bool(statements.run(connection, "take_run", {"run": run}))


def end(
    connection: Connection, run: int, state: str, *, note: str | None = None, job: int | None = None
) -> None:
    """End a run that waits: what it has started, or why nothing."""
    connection.execute(
        text(_END), {"run": run, "state": state, "note": note and plain(note)[:LONGEST_NOTE], "job": job}
    )


def settle(connection: Connection, run: int, who: str) -> None:
    """Have nobody be called for what a run has not taken."""
    connection.execute(
        text("update oms.schedule_runs set settled_by = :who where id = :run"), {"run": run, "who": who}
    )


def note(connection: Connection, run: int, words: str) -> None:
    """Note what a run waits for."""
    connection.execute(text(_NOTE), {"run": run, "note": plain(words)[:LONGEST_NOTE]})


def add_file(
    connection: Connection,
    schedule: Schedule,
    run: int,
    *,
    digest: str,
    name: str,
    size: int,
) -> bool:
    """Add a file that a run takes; False if the schedule has taken this content before."""
    values = {
        "schedule": schedule.name,
        "digest": digest,
        "name": plain(name),
        "size": size,
        "run": run,
    }
    return connection.execute(text(_ADD_FILE), values).rowcount == 1


def settle_file(
    connection: Connection, schedule: Schedule, digest: str, *, batch: int | None, fault: str | None
) -> None:
    """Note what a file has become: a cycle, or why none."""
    values = {"schedule": schedule.name, "digest": digest, "batch": batch, "fault": fault and plain(fault)}
    connection.execute(text(_SETTLE_FILE), values)


def taken(connection: Connection, run: int) -> tuple[int, list[str]]:
    """How many cycles a run has made so far, and the faults of the files that became none."""
    rows = connection.execute(
        text("select fault from oms.schedule_files where run_id = :run order by name"), {"run": run}
    )
    every = rows.scalars().all()
    faults = [fault for fault in every if fault is not None]
    return len(every) - len(faults), faults


def open_work(connection: Connection, schedule: Schedule) -> str | None:
    """What of the latest run that has started has not ended: a cycle or a job; None if all has."""
    for row in statements.run(connection, "open_work", {"schedule": schedule.id}):
        return f"cycle {row['batch_id']}" if row["batch_id"] else job_name(row["id"])
    return None


def get(connection: Connection, number: int) -> Run:
    """One run."""
    [run] = _read(connection, f"{_SELECT} where run.id = :id", {"id": number})
    return run


def of_schedule(connection: Connection, schedule: int, limit: int) -> list[Run]:
    """The latest runs of a schedule, newest first."""
    query = f"{_SELECT} where run.schedule_id = :schedule order by run.due_at desc limit :limit"
    return _read(connection, query, {"schedule": schedule, "limit": limit})


def latest(connection: Connection) -> dict[int, Run]:
    """The latest run of each schedule, by the schedule's id."""
    return {run.schedule_id: run for run in _read(connection, _SELECT + _LATEST, {})}


def between(connection: Connection, since: datetime, until: datetime, limit: int) -> list[Run]:
    """The runs that were due in a time, oldest first."""
    query = f"{_SELECT} where run.due_at >= :since and run.due_at < :until order by run.due_at limit :limit"
    return _read(connection, query, {"since": since, "until": until, "limit": limit})


def _read(connection: Connection, query: str, parameters: dict[str, object]) -> list[Run]:
    return [Run.of_row(row) for row in connection.execute(text(query), parameters).mappings()]


_AT_WORK = "schedule.removed_at is null and (schedule.paused_at is null or run.requested_by is not null)"

_SELECT = """
select
    run.*,
    schedule.name as schedule,
    array(
        select batch_id from oms.schedule_files as file
        where file.run_id = run.id and file.batch_id is not null order by batch_id
    ) as batches
from oms.schedule_runs as run
join oms.schedules as schedule on schedule.id = run.schedule_id
"""

_LATEST = """
where run.id in (
    select distinct on (schedule_id) id from oms.schedule_runs order by schedule_id, due_at desc
)
"""

_ADD = """
insert into oms.schedule_runs (schedule_id, due_at, state, note, expected_by, ended_at)
values (
    :schedule, :due_at, :state, :note, :expected_by,
    case when :state = 'waiting' then null else oms.now() end
)
on conflict (schedule_id, due_at) do nothing
returning id
"""

_GIVE_UP = """
update oms.schedule_runs
set state = 'missed', note = 'no file came until the next run was due', ended_at = oms.now()
where schedule_id = :schedule and state = 'waiting' and requested_by is null
returning expected_by
"""

# Two who ask within a microsecond have asked for one run.
_REQUEST = """
insert into oms.schedule_runs (schedule_id, due_at, state, requested_by)
values (:schedule, oms.now(), 'waiting', :who)
on conflict (schedule_id, due_at) do update set requested_by = oms.schedule_runs.requested_by
returning id
"""

_END = """
update oms.schedule_runs set state = :state, note = :note, job_id = :job, ended_at = oms.now()
where id = :run and state = 'waiting'
"""

_NOTE = """
update oms.schedule_runs set note = :note
where id = :run and state = 'waiting' and note is distinct from :note
"""

_ADD_FILE = """
insert into oms.schedule_files (schedule, digest, name, size, run_id)
values (:schedule, :digest, :name, :size, :run)
on conflict (schedule, digest) do nothing
"""

_SETTLE_FILE = """
update oms.schedule_files set batch_id = :batch, fault = :fault
where schedule = :schedule and digest = :digest
"""
