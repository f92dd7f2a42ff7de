"""What a job waits for while others work: parts of its step, jobs it has started, others with its key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hms_oms.jobs.parts.child_jobs import ChildJob
from hms_oms.jobs.queries.explain import Standing
from hms_oms.jobs.tickets import job_name
from hms_oms.runtime import format


def for_parts(standing: Standing, since: str, place: str) -> Iterator[str]:
    """How many parts of its step a job waits for."""
    name = standing.job.name
    if standing.parts:
        yield f"{name} waits for {standing.open_parts:,} of {standing.parts:,} parts, {since}, in {place}."
        yield f"See them with: hms job list --parent {name}"
    else:
        yield f"{name} has been waiting {since} to be split into parts, in {place}."


def for_jobs(standing: Standing, children: Sequence[ChildJob], since: str, place: str) -> Iterator[str]:
    """How many of the jobs that it has started a job waits for."""
    name = standing.job.name
    left = [child for child in children if child.is_open]
    started = format.count(len(children), "job")
    yield f"{name} waits for {len(left):,} of {started} that it has started, {since}, in {place}."
    names = [job_name(child.job) for child in left if child.job is not None]
    if names:
        yield f"Look at {'it' if len(left) == 1 else 'the first of them'} with: hms job explain {names[0]}"


def for_others(standing: Standing) -> Iterator[str]:
    """Which limit of its key a job waits for."""
    most, starts, started = standing.limit_at_once, standing.limit_starts, standing.started_with_key
    full = most is not None and standing.with_key >= most
    if most is not None and (full or starts is None):
        others = "another job" if standing.with_key == 1 else f"{standing.with_key:,} other jobs"
        yield f"It waits for {others} with its limit key, of which {most:,} may be in flight at once."
    if starts is not None and (started >= starts or not full):
        yield f"It waits: {started:,} of {starts:,} starts with its limit key have been in the last minute."
