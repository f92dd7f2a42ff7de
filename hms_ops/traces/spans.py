"""A job's trace, made from its event log: the job, with its acceptance, its waits and its steps' runs below.

Names and numbers only: no payload, no result, no words of an error, no name of a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hms_oms.jobs.records import Event
from hms_oms.jobs.states import Fact, Status
from hms_oms.jobs.tickets import job_name
from hms_oms.runtime.trace_ids import span_id, trace_id

#: What ends a run of a step badly.
_BAD = frozenset({Fact.RETRYING, Fact.FAILED, Fact.LOST, Fact.POISONED})
_WAITING = (Status.WAITING, Status.QUEUED)

Attributes = Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that has ended, or a `part` of one, its parent."""

    id: int
    type: str
    queue: str
    status: str
    steps: Sequence[str]
    sla: datetime
    finished_at: datetime
    parent_id: int | None = None
    part: int | None = None


@dataclass(slots=True)
class Span:
    """A stretch of a job's life. `parent` is None for the job itself; `fault` says how a bad end came."""

    name: str
    id: int
    parent: int | None
    start: datetime
    end: datetime
    attributes: Attributes
    fault: str | None = None
    #: What happened meanwhile.
    events: list[tuple[str, datetime]] = field(default_factory=list)


def spans(installation: str, job: Ended, event_log: Sequence[Event]) -> list[Span]:
    """The spans of a job, the job itself first."""
    root = Span(
        f"job {job.type}" if job.part is None else f"part {job.steps[event_log[0].step]}",
        span_id(installation, job.id),
        None,
        event_log[0].at,
        max(job.finished_at, event_log[0].at),
        {**_common(job), "hms.job.status": job.status, "hms.job.late": int(job.finished_at > job.sla)},
        fault="the job failed" if job.status == Status.FAILED else None,
    )
    below = [*_accepted(installation, job, event_log[0]), *_stretches(installation, job, event_log)]
    return [root, *below]


def trace(installation: str, job: int) -> int:
    """The id of a job's trace."""
    return trace_id(installation, job)


def _accepted(installation: str, job: Ended, line: Event) -> Iterator[Span]:
    root = span_id(installation, job.id)
    name = span_id(installation, job.id, "accept")
    yield Span("accept", name, root, line.at, line.at, _common(job))


def _stretches(installation: str, job: Ended, event_log: Sequence[Event]) -> Iterator[Span]:
    """Spans between the events: each wait until a step runs, and each run of a step."""
    current: Span | None = None
    key: tuple[str, int, int] | None = None
    for line in event_log:
        kind = "step" if line.status == Status.RUNNING else "wait" if line.status in _WAITING else ""
        # Put back and taken again, it is the same wait.
        follows = key is not None and key == (kind, line.step, line.attempt)
        if current is not None and not follows:
            _end(current, line, was_step=key is not None and key[0] == "step")
            yield current
            current = key = None
        if kind and current is None:
            key = (kind, line.step, line.attempt)
            current = _begin(installation, job, kind, line)
        elif current is not None:
            current.events.append((line.fact, line.at))
    if current is not None:
        current.end = max(job.finished_at, current.start)
        yield current


def _begin(installation: str, job: Ended, kind: str, line: Event) -> Span:
    step = job.steps[line.step]
    # An attempt may wait twice, as before and after its move to another queue: the moment tells them apart.
    words = (kind, line.attempt, step) if kind == "step" else (kind, line.attempt, step, line.at.isoformat())
    attributes: dict[str, str | int | float] = {**_common(job), "hms.step": step, "hms.attempt": line.attempt}
    if kind == "step" and line.fact == Fact.CLAIMED and line.who:
        # An agent's name may be a person's.
        attributes["hms.worker"] = line.who
    return Span(
        f"{kind} {step}",
        span_id(installation, job.id, *words),
        span_id(installation, job.id),
        line.at,
        line.at,
        attributes,
    )


def _end(span: Span, line: Event, *, was_step: bool) -> None:
    span.end = max(line.at, span.start)
    if not was_step:
        return
    span.attributes = {**span.attributes, "hms.step.end": line.fact}
    if line.fact in _BAD:
        kind = (line.detail or {}).get("error")
        span.fault = f"{line.fact}: {kind}" if kind else str(line.fact)


def _common(job: Ended) -> dict[str, str | int | float]:
    common: dict[str, str | int | float] = {"hms.job.id": job_name(job.id), "hms.job.type": job.type}
    if job.parent_id is not None and job.part is not None:
        common |= {"hms.job.parent": job_name(job.parent_id), "hms.job.part": job.part}
    return {**common, "hms.queue": job.queue}
