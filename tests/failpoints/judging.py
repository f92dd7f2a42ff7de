"""What has become of a run: its jobs up to attempts, and what is lost, recorded twice or no transition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hms_oms.jobs.records import goes_on
from hms_oms.jobs.states import Fact
from tests.chaos import checker, executions
from tests.chaos.history import Ending, Entry, History
from tests.failpoints.lanes import KNOWN, Lane

#: Facts that come of attempts: how often a job is handed out and taken back may differ.
_OF_ATTEMPTS = frozenset({Fact.DISPATCHED, Fact.CLAIMED, Fact.LOST, Fact.RESERVED, Fact.RECALLED})
#: The steps of workers, of which a job that is done has results.
EXPECTED = {
    recipe.type: frozenset(step.name for step in recipe.steps if step.by == "worker" and step.parts is None)
    for recipe in KNOWN.values()
}


@dataclass
class Story:
    """What happened in a run, up to attempts: it is to be the same whatever struck."""

    outcome: Mapping[str, Any]
    facts: list[tuple[Any, ...]]
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    illegal: list[str] = field(default_factory=list)

    @property
    def told(self) -> tuple[Any, ...]:
        """What is compared."""
        return self.outcome, self.facts


def newest(lane: Lane) -> int:
    """The number of the newest job."""
    [row] = lane.rows("select coalesce(max(id), 0) as id from oms.jobs")
    return int(row["id"])


def story(lane: Lane, since: int) -> Story:
    """What happened to the jobs after this number."""
    jobs = lane.rows(
        "select id, type, coalesce(key, freed_key) as key, status, steps, results, part, outcome,"
        " error ->> 'type' as error from oms.jobs where id > :since order by part nulls first, id",
        since=since,
    )
    event_log: dict[int, list[Entry]] = {row["id"]: [] for row in jobs}
    for row in lane.rows(
        "select job_id, extract(epoch from at)::float8 as at, fact, status, step, attempt, who,"
        " detail ->> 'completed' as completed, coalesce(detail ->> 'reason', detail ->> 'error') as reason"
        " from oms.job_events where job_id > :since order by job_id, id",
        since=since,
    ):
        entry = Entry(**{name: value for name, value in row.items() if name != "job_id"})
        event_log[row["job_id"]].append(entry)
    facts = [
        (place, entry.fact, entry.step, entry.completed)
        for place, row in enumerate(jobs)
        for entry in event_log[row["id"]]
        if entry.fact not in _OF_ATTEMPTS
    ]
    outcome: dict[str, Any] = {
        f"{row['type']} {place}": (
            row["status"],
            row["outcome"],
            row["error"],
            {step: _without_runs(result) for step, result in row["results"].items()},
        )
        for place, row in enumerate(jobs)
    }
    texts = lane.rows("select count(*) from oms.messages where job_id > :since", since=since)
    outcome["texts"] = texts[0]["count"]
    findings = checker.check(_history(lane, since, jobs, event_log))
    return Story(
        outcome, facts, lost=findings.lost, twice=findings.recorded_twice, illegal=findings.broken_lives
    )


def _history(lane: Lane, since: int, jobs: list[Any], event_log: dict[int, list[Entry]]) -> History:
    return History(
        accepted=[],
        expected=EXPECTED,
        effective={"points:order:v1": frozenset({"book", "tell"})},
        jobs={
            row["id"]: Ending(
                row["id"],
                (row["type"], row["key"]),
                row["status"],
                tuple(row["steps"]),
                {
                    step: result["run"]
                    for step, result in row["results"].items()
                    if isinstance(result, dict) and result.get("run") not in (None, "agent")
                },
                row["error"],
                row["part"] is not None,
            )
            for row in jobs
        },
        event_log={job: _in_full(entries) for job, entries in event_log.items()},
        effects=[
            (row["job"], row["step"], row["run"])
            for row in lane.rows("select job, step, run from public.effects where job > :since", since=since)
        ],
        executions=[item for item in executions.read(lane.record) if item.job > since],
        faults=[],
        sighted={},
    )


def _in_full(entries: list[Entry]) -> list[Entry]:
    full: list[Entry] = []
    for entry in entries:
        if goes_on(entry.fact, entry.status):
            full += [replace(entry, status="queued"), replace(entry, fact="claimed", completed=None)]
        else:
            full.append(entry)
    return full


def _without_runs(result: Any) -> Any:
    """A result without the execution that it comes of, and without the numbers of jobs."""
    if isinstance(result, dict):
        return {
            name: name if name in ("run", "job") else _without_runs(value) for name, value in result.items()
        }
    return [_without_runs(value) for value in result] if isinstance(result, list) else result
