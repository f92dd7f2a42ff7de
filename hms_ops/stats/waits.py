"""Waits and durations of steps, read from the event logs of jobs, all by the ledger's clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from hms_oms.jobs.records import goes_on
from hms_oms.jobs.states import TERMINAL, Fact, Status
from hms_oms.recipes.recipes import Recipe

#: The facts that begin a step, and those that may end one.
BEGINNINGS = frozenset({Fact.CLAIMED, Fact.RESERVED})
ENDINGS = frozenset(
    {
        Fact.ADVANCED,
        Fact.HANDED_OVER,
        Fact.AWAITING,
        Fact.SLEEPING,
        Fact.FINISHED,
        Fact.RETRYING,
        Fact.FAILED,
        Fact.LOST,
        Fact.POISONED,
        Fact.CANCELLED,
    }
)
_COMPLETE = frozenset({Fact.ADVANCED, Fact.HANDED_OVER, Fact.AWAITING, Fact.SLEEPING, Fact.FINISHED})
#: The facts that end a wait for an event, or for parts, which was no wait for a turn.
_TAKEN_UP = frozenset({Fact.SIGNALLED, Fact.TIMED_OUT, Fact.JOINED, Fact.PART_FAILED})
#: The type of the error by which a step itself asks to be run later.
_LATER = "Retry"


class Line(NamedTuple):
    """A line of a job's event log; moments in seconds since 1970, `detail` as the ledger keeps it."""

    id: int
    at: float
    fact: str
    status: str
    step: int
    detail: Mapping[str, Any] | None = None


class Begun(NamedTuple):
    """A step was begun. `waited` seconds in the backlog and the window; None where it followed at once."""

    line: int
    at: float
    queue: str
    step: str
    waited: float | None


class Ended(NamedTuple):
    """A step was ended, `took` seconds after it was begun.

    `failed`: it raised an error, or its worker was lost. `left`: the job is done with the queue.
    """

    line: int
    at: float
    queue: str
    step: str
    took: float
    failed: bool
    left: bool


def read(lines: Iterable[Line], recipe: Recipe, planned: float) -> Iterator[Begun | Ended]:
    """The beginnings and endings of steps in the event log of one job, from its first line on.

    A line that tells both has one number, and is always read as both.

    A job waits from the line that put it into the backlog, or from when it was allowed to start where that
    is later (`planned`, at acceptance), until it is claimed or reserved. What a person does to the order, a
    pause or a lost message does not begin the wait again. A step that follows the one before it in the same
    chain has not waited.
    """
    place, queue = 0, recipe.steps[0].queue
    since: float | None = None
    ready = planned
    begun: float | None = None
    is_held = False
    for line in lines:
        detail = line.detail or {}
        if line.fact in BEGINNINGS:
            waited = None if since is None else max(0.0, line.at - max(since, ready))
            yield Begun(line.id, line.at, queue, recipe.steps[place].name, waited)
            since, ready, begun = None, 0.0, line.at
            continue
        if line.fact == Fact.ACCEPTED and "part" in detail:
            place, queue = line.step, detail["queue"]
        if line.fact in (Fact.HELD, Fact.ANSWERED):
            # While its clock stands it waits for no turn.
            since, is_held = None, line.fact == Fact.HELD
        if line.fact in _TAKEN_UP:
            since, ready = None, 0.0
            continue
        if begun is None and line.fact in _COMPLETE:
            # What was taken up: nobody has worked on it.
            place, queue = line.step, recipe.steps[line.step].queue
        if begun is not None and line.fact in ENDINGS:
            ahead = recipe.steps[line.step].queue if line.fact in _COMPLETE else queue
            left = line.status in TERMINAL or ahead != queue
            failed = _failed(line.fact, detail)
            if not _asked_for(line.fact, detail):
                yield Ended(line.id, line.at, queue, recipe.steps[place].name, line.at - begun, failed, left)
            place, queue, begun = line.step, ahead, None
            if goes_on(line.fact, line.status):
                yield Begun(line.id, line.at, queue, recipe.steps[place].name, None)
                begun = line.at
        if line.fact == Fact.MOVED:
            queue = detail["queue"]
        if line.fact == Fact.RETRYING:
            ready = line.at + (detail.get("retryAfter") or 0.0)
        if line.fact in (Fact.DELAYED, Fact.SLEEPING):
            ready = detail.get("readyAt") or 0.0
        if line.status == Status.CANCELLED:
            # If it is reinstated, it waits from then on.
            since = None
        if line.status == Status.WAITING and since is None and not is_held:
            since = line.at


def _failed(fact: str, detail: Mapping[str, Any]) -> bool:
    return fact not in _COMPLETE and "completed" not in detail


def _asked_for(fact: str, detail: Mapping[str, Any]) -> bool:
    """Whether the step was ended by nobody's fault and without a result: asked for later, or cancelled."""
    if fact == Fact.CANCELLED:
        return "completed" not in detail
    return fact == Fact.RETRYING and detail.get("error") == _LATER
