"""What a storm leaves: ledger, event log, effects, executions, faults, and what the storm promised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, text

from hms_oms.jobs.records import goes_on
from tests.chaos import executions
from tests.chaos.executions import Execution

#: A request by its job type and key.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done, to which worker (its parent's pid) and processes; `until` when it lasted."""

    kind: str
    at: float
    until: float
    worker: int | None
    pids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """A job as the ledger has it at the end; `runs` are the executions whose results it holds, by step."""

    id: int
    key: Key
    status: str
    steps: tuple[str, ...]
    runs: Mapping[str, str]
    error: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a job's event log."""

    at: float
    fact: str
    status: str
    step: int
    attempt: int
    who: str | None
    completed: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class History:
    """Everything that is known of a storm.

    `accepted` are the requests whose acceptance was committed; `expected` the steps that a job that is
    done must have results of, by type; `effective` the steps that leave an effect, by type. `sighted` says
    when a ticket was last seen to stand in Redis: nothing before that has lost its message.
    """

    accepted: Sequence[Key]
    expected: Mapping[str, frozenset[str]]
    effective: Mapping[str, frozenset[str]]
    jobs: Mapping[int, Ending]
    event_log: Mapping[int, Sequence[Entry]]
    effects: Sequence[tuple[int, str, str]]
    executions: Sequence[Execution]
    faults: Sequence[Fault]
    sighted: Mapping[str, float]


def read(
    connection: Connection,
    record: Path,
    *,
    accepted: Iterable[Key],
    faults: Sequence[Fault],
    sighted: Mapping[str, float],
    expected: Mapping[str, frozenset[str]],
    effective: Mapping[str, frozenset[str]],
) -> History:
    """Read the tables and the record of executions."""
    return History(
        accepted=list(accepted),
        expected=expected,
        effective=effective,
        jobs=_jobs(connection),
        event_log=_event_log(connection),
        effects=[(job, step, run) for job, step, run in connection.execute(_EFFECTS)],
        executions=executions.read(record),
        faults=sorted(faults, key=lambda fault: fault.at),
        sighted=sighted,
    )


def _jobs(connection: Connection) -> dict[int, Ending]:
    return {
        row.id: Ending(
            row.id,
            (row.type, row.key),
            row.status,
            tuple(row.steps),
            {step: result["run"] for step, result in row.results.items()},
            row.error,
        )
        for row in connection.execute(_JOBS)
    }


def _event_log(connection: Connection) -> dict[int, list[Entry]]:
    event_log: dict[int, list[Entry]] = {}
    for job, *rest in connection.execute(_DIARY):
        entry, entries = Entry(*rest), event_log.setdefault(job, [])
        if goes_on(entry.fact, entry.status):
            entries += [replace(entry, status="queued"), replace(entry, fact="claimed", completed=None)]
        else:
            entries.append(entry)
    return event_log


_JOBS = text(
    "select id, type, coalesce(key, freed_key) as key, status, steps, results,"
    " error ->> 'type' || ': ' || (error ->> 'message') as error"
    " from oms.jobs order by id"
)
_DIARY = text(
    "select job_id, extract(epoch from at)::float8, fact, status, step, attempt, who,"
    " detail ->> 'completed', coalesce(detail ->> 'reason', detail ->> 'error')"
    " from oms.job_events order by job_id, id"
)
_EFFECTS = text("select job, step, run from public.effects")
