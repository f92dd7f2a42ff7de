"""What a storm leaves: ledger, event log, effects, executions, faults, and what the storm promised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import Connection, text

from hms_oms.jobs.records import goes_on
from tests.chaos import executions, guarantees
from tests.chaos.executions import Execution
from tests.chaos.guarantees import Outside, Part, ScheduleRun
from tests.chaos.texts import Texts

#: The steps that are done in parts: a list has their results, or the names of branches.
SPLIT_STEPS = ("piece", "sides")
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
    """A job, or a part of one, as the ledger has it at the end.

    `runs` are the executions whose results it holds, by step.
    """

    id: int
    key: Key
    status: str
    steps: tuple[str, ...]
    runs: Mapping[str, str]
    error: str | None
    part: bool = False


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
    outside: Outside = field(default_factory=Outside)
    texts: Texts = field(default_factory=Texts)


def read(
    connection: Connection,
    record: Path,
    *,
    accepted: Iterable[Key],
    faults: Sequence[Fault],
    sighted: Mapping[str, float],
    expected: Mapping[str, frozenset[str]],
    effective: Mapping[str, frozenset[str]],
    outside: Outside,
    texts: Texts,
) -> History:
    """Read the tables and the record of executions."""
    event_log = _event_log(connection)
    return History(
        accepted=list(accepted),
        expected=expected,
        effective=effective,
        jobs=_jobs(connection),
        event_log=event_log,
        effects=[(job, step, run) for job, step, run in connection.execute(_EFFECTS)],
        executions=executions.read(record),
        faults=sorted(faults, key=lambda fault: fault.at),
        sighted=sighted,
        outside=_with_ledger(connection, outside, event_log),
        texts=replace(texts, states={row.recipient: row.state for row in connection.execute(_TEXTS)}),
    )


def _with_ledger(
    connection: Connection, outside: Outside, event_log: Mapping[int, Sequence[Entry]]
) -> Outside:
    """What was done from outside, with what the ledger has of it."""
    joined = {
        (row.id, step): [part.get("run") for part in (result.values() if step == "sides" else result)]
        for row in connection.execute(_JOINED)
        for step, result in row.results.items()
        if step in SPLIT_STEPS
    }
    return replace(
        outside,
        answers={row.id: row.answer for row in connection.execute(_ANSWERS)},
        heeded=guarantees.heeded(event_log),
        joined=joined,
        parts=[Part(*row) for row in connection.execute(_PARTS)],
        schedule_runs=[ScheduleRun(*row) for row in connection.execute(_SCHEDULE_RUNS)],
        scheduled=list(connection.scalars(_SCHEDULED)),
        watched={row.id: row.status for row in connection.execute(_WATCHED)},
        deliveries={row.subject: row.state for row in connection.execute(_DELIVERIES)},
    )


def _jobs(connection: Connection) -> dict[int, Ending]:
    return {
        row.id: Ending(
            row.id,
            (row.type, row.key),
            row.status,
            tuple(row.steps),
            {
                step: result["run"]
                for step, result in row.results.items()
                if isinstance(result, Mapping) and isinstance(result.get("run"), str)
            },
            row.error,
            row.part,
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


#: The ledger's clock is set in a storm; this is the time by the machine's.
TRUE_TIME = "alter table oms.job_events add column written_at timestamptz default pg_catalog.now()"

_JOBS = text(
    "select id, type, coalesce(key, freed_key) as key, status, steps, results,"
    " error ->> 'type' || ': ' || (error ->> 'message') as error,"
    " part is not null as part"
    " from oms.jobs order by id"
)
_DIARY = text(
    "select job_id, extract(epoch from written_at)::float8, fact, status, step, attempt, who,"
    " detail ->> 'completed', coalesce(detail ->> 'reason', detail ->> 'error')"
    " from oms.job_events order by job_id, id"
)
_ANSWERS = text(
    "select id, results -> 'answer' as answer from oms.jobs"
    " where type = 'chaos:wait:v1' and results ? 'answer'"
)
_JOINED = text("select id, results from oms.jobs where type = 'chaos:parts:v1' and part is null")
_PARTS = text(
    "select parent_id, steps[step + 1], part, status, results -> steps[step + 1] ->> 'run'"
    " from oms.jobs where part is not null"
)
_SCHEDULE_RUNS = text("select extract(epoch from due_at)::float8, state, job_id from oms.schedule_runs")
_SCHEDULED = text("select id from oms.jobs where type = 'chaos:tick:v1'")
_WATCHED = text("select id, status from oms.jobs where type = 'chaos:wait:v1'")
_DELIVERIES = text(
    "select subject, format('%s after %s attempts, due in %s s: %s', state, attempts,"
    " round(extract(epoch from due_at - oms.now())), coalesce(fault, 'no fault')) as state"
    " from ops.webhook_deliveries"
)
_TEXTS = text(
    "select message.recipient, format("
    "'%s: try %s of attempt %s, which is %s; asked %s times, %s, due in %s s, %s', message.state,"
    " message.tries, message.attempts, coalesce(attempt.outcome, 'open'), message.polls,"
    " case when message.resend then 'goes again' else 'goes once' end,"
    " round(extract(epoch from message.due_at - oms.now())), coalesce(message.fault, 'no fault')) as state"
    " from oms.messages as message left join oms.message_attempts as attempt"
    " on attempt.message_id = message.id and attempt.number = message.attempts"
)
_EFFECTS = text("select job, step, run from public.effects")
