"""Going on with a job: its next step is claimed as this one is completed, and runs in the same worker.

Without this each next step would travel through Redis. It still does if another worker serves its queue, or
if this one is to take nothing more.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from celery import Celery, signals

from hms_oms.jobs.records import Claimed, Completion, Progress
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe
from hms_oms.recipes.steps.step import Step

#: A lease outlives the step's time limit by this much, in seconds, so that the limit comes first.
LEASE_GRACE = 30.0

#: Pools in which a worker goes on.
_POOLS = frozenset(f"celery.concurrency.{name}" for name in ("prefork", "solo", "thread"))
_OPEN, _STOPPED = 1, 2
# In memory that the pool's children share: only the parent hears that the worker is to stop.
_state = mmap.mmap(-1, 1)


@dataclass(frozen=True)
class Following:
    """A step that has been claimed for this worker together with the completion of the step before it."""

    step: Step
    claimed: Claimed
    #: The rest of the job's chain, last one first.
    chain: Sequence[Any]


#: Steps that this process has claimed in going on, and that have not begun.
granted: set[Ticket] = set()
_followings: dict[str, Following] = {}


def begin(pool: object) -> None:
    """Go on from now on, if the pool is one that we know."""
    if type(pool).__module__ in _POOLS:
        _state[0] = _OPEN


def stop(**_: Any) -> None:
    """Go on with no job from now on, in this process and the pool's children: the worker is to end."""
    _state[0] = _STOPPED


signals.worker_shutting_down.connect(stop, weak=False)


def may_run(app: Celery, step: Step) -> bool:
    """Whether this worker may go on with a job's next step."""
    task = app.tasks.get(step.run)
    return (
        _state[0] == _OPEN
        and step.by == "worker"
        and step.queue in app.amqp.queues.consume_from
        # Celery counts what it limits as it takes messages.
        and task is not None
        and task.rate_limit is None
    )


def rest(chain: Sequence[Any] | None, completion: Completion, recipe: Recipe) -> list[Any]:
    """What is left of a chain, last one first as Celery keeps it, from the step on that comes next."""
    links = list(chain or ())
    if completion.next_step is None:
        return []
    # Drop the steps that were skipped.
    name = recipe.steps[completion.next_step].name
    while links and Ticket.parse(links[-1]["options"]["task_id"]).step != name:
        links.pop()
    return links


def with_lease(completion: Completion, app: Celery, recipe: Recipe, links: Sequence[Any]) -> Completion:
    """The report that asks for the claim to the next step as well, if this worker may go on with it."""
    if completion.next_step is None or not links:
        return completion
    step = recipe.steps[completion.next_step]
    return replace(completion, lease=step.time_limit + LEASE_GRACE) if may_run(app, step) else completion


def hand_on(
    before: Claimed, completion: Completion, made: Progress, recipe: Recipe, links: Sequence[Any]
) -> None:
    """Keep the claim to the next step for the request that runs it."""
    assert completion.next_step is not None
    ticket = before.ticket
    _followings[str(ticket)] = Following(
        recipe.steps[completion.next_step],
        replace(
            before,
            step=completion.next_step,
            failures=0,
            results={**before.results, ticket.step: json.loads(completion.result)},
            now=made.since,
        ),
        links[:-1],
    )


def taken(ticket: str) -> Following | None:
    """The step that was claimed with the completion of the one that this ticket names; it is told once."""
    return _followings.pop(ticket, None)
