"""What is promised of events, parts, keys, schedules and webhooks, and whether a storm has left it so."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hms_oms.jobs.states import Fact, Status

#: How a job has ended, as webhooks tell it.
TOLD = (Status.DONE, Status.FAILED)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a step: its job, its place from 0, how it ended, and the execution whose result it holds."""

    parent: int
    step: str
    place: int
    status: str
    run: str | None


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """A run of a schedule: the minute or moment at which it was due, and the job that it started."""

    due: float
    state: str
    job: int | None


@dataclass(frozen=True)
class Outside:
    """What was asked from outside, and what came of it.

    `signalled` are the jobs whose event was signalled, `answers` what each job that waited holds as the
    answer, and `heeded` says how often it has heeded one. `joined` are the executions whose results a job
    holds of a step in parts. `started` are the jobs that were started under keys, `exceeded` is what an
    onlooker has seen. `watched` are the jobs of which a webhook hears, with how they ended; `posted` are the
    events that arrived, each with its body, `deliveries` says by job how the ledger has its event,
    and `forged` counts those that were not signed.
    """

    signalled: frozenset[int] = frozenset()
    answers: Mapping[int, Any] = field(default_factory=dict)
    heeded: Mapping[int, int] = field(default_factory=dict)
    joined: Mapping[tuple[int, str], Sequence[str | None]] = field(default_factory=dict)
    parts: Sequence[Part] = ()
    started: Sequence[int] = ()
    exceeded: Sequence[str] = ()
    schedule_runs: Sequence[ScheduleRun] = ()
    scheduled: Sequence[int] = ()
    watched: Mapping[int, str] = field(default_factory=dict)
    posted: Sequence[tuple[str, bytes]] = ()
    deliveries: Mapping[str, str] = field(default_factory=dict)
    forged: int = 0


def broken(outside: Outside, jobs: Mapping[int, str]) -> list[str]:
    """Every promise that was broken, a sentence each; `jobs` are all jobs with their status."""
    return [
        *_events(outside, jobs),
        *_parts(outside),
        *(f"a key was exceeded: {sentence}" for sentence in outside.exceeded),
        *(
            f"job-{job} was started under a key and is not there"
            for job in outside.started
            if job not in jobs
        ),
        *_schedule(outside),
        *_webhooks(outside),
    ]


def _events(outside: Outside, jobs: Mapping[int, str]) -> Iterator[str]:
    """An event is heeded once, by the job that it was for."""
    for job in sorted(outside.signalled):
        if jobs.get(job) != Status.DONE:
            continue
        if outside.answers.get(job) != {"signal": job}:
            yield f"job-{job} was signalled its event, and has the answer {outside.answers.get(job)}"
        if outside.heeded.get(job) != 1:
            yield f"job-{job} heeded its event {outside.heeded.get(job, 0)} times"


def _parts(outside: Outside) -> Iterator[str]:
    """A job goes on with the results of all its parts, each that of one execution."""
    parts: dict[tuple[int, str], list[Part]] = defaultdict(list)
    for part in outside.parts:
        parts[part.parent, part.step].append(part)
    for (job, step), runs in outside.joined.items():
        inorder = sorted(parts.pop((job, step), []), key=lambda part: part.place)
        if [part.place for part in inorder] != list(range(len(runs))):
            yield f"job-{job}: {step} has {len(runs)} results of {len(inorder)} parts"
        elif [part.run for part in inorder] != list(runs) or None in runs:
            yield f"job-{job}: {step} has other results than its parts"
        yield from (
            f"job-{job}: part {part.place} of {step} is {part.status}"
            for part in inorder
            if part.status != Status.DONE
        )
    for job, step in parts:
        yield f"job-{job}: the parts of {step} were never put together"


def _schedule(outside: Outside) -> Iterator[str]:
    """What was due has one run, a run has one job, and a job has one run."""
    for due, number in Counter(run.due for run in outside.schedule_runs).items():
        if number > 1:
            yield f"{number} runs of the schedule were due at {due:.3f}"
    minutes = sorted(run.due for run in outside.schedule_runs if run.due % 60 == 0)
    for before, after in itertools.pairwise(minutes):
        if after - before != 60:
            yield f"the schedule has no run between {before:.0f} and {after:.0f}"
    yield from (f"a run is {run.state}" for run in outside.schedule_runs if run.state != "started")
    jobs = Counter(run.job for run in outside.schedule_runs)
    if jobs != Counter(outside.scheduled):
        yield f"runs have the jobs {sorted(map(str, jobs))}, the schedule has started {outside.scheduled}"


def _webhooks(outside: Outside) -> Iterator[str]:
    """Each end of a job arrives, under one id with one body."""
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for event, body in outside.posted:
        bodies[event].add(body)
    yield from (f"{event} came with {len(known)} bodies" for event, known in bodies.items() if len(known) > 1)
    ids: dict[str, set[str]] = defaultdict(set)
    for event in bodies:
        ids[event.rpartition("-")[0]].add(event)
    for job, status in outside.watched.items():
        if status in TOLD and len(ids[f"job-{job}-{status}"]) != 1:
            arrivals, delivery = sorted(ids[f"job-{job}-{status}"]), outside.deliveries.get(f"job-{job}")
            yield f"job-{job} is {status}, which came as {arrivals}, and the ledger has it as {delivery}"
    if outside.forged:
        yield f"{outside.forged} events were not signed with the secret"


def heeded(event_logs: Mapping[int, Sequence[Any]]) -> dict[int, int]:
    """How often each job has heeded an event."""
    return {job: sum(entry.fact == Fact.SIGNALLED for entry in log) for job, log in event_logs.items()}
