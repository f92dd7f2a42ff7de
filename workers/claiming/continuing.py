"""Going on with a job: its next step is claimed as this one is completed, and runs in the same worker.

Without this each next step would travel through Redis. It still does if another worker serves its queue, if
a step waits to run alone, or if this worker is to take nothing more.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Sequence
from typing import Any, NamedTuple

from celery import Celery, signals

from hms_oms.jobs.records import Claimed, Completion, Progress
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe
from hms_oms.recipes.steps.step import Step

#: A lease outlives the step's time limit by this much, in seconds, so that the limit comes first.
LEASE_GRACE = 30.0

_OPEN, _STOPPED = 1, 2
# In memory that the pool's children share: only the parent hears that the worker is to stop, or that a step
# waits to be alone.
_state = mmap.mmap(-1, 2)


@signals.worker_init.connect(weak=False)
def prepare(**_: Any) -> None:
    """Share nothing with other workers, which may be forks of the same process; before there are children."""
    global _state
    _state = mmap.mmap(-1, 2)


class Reported(NamedTuple):
    """A step that has ended and is to be reported, with what is left of its job's chain, last one first."""

    completion: Completion
    links: Sequence[Any]


class Following(NamedTuple):
    """A step that has been claimed for this worker together with the completion of the step before it."""

    step: Step
    claimed: Claimed
    #: The rest of the job's chain, last one first.
    chain: Sequence[Any]
    #: When this was asked for, by the monotonic clock.
    sent_at: float

    @classmethod
    def after(
        cls,
        before: Claimed,
        completion: Completion,
        made: Progress,
        recipe: Recipe,
        links: Sequence[Any],
        sent_at: float,
    ) -> Following:
        """The step that was claimed with this completion of the one before."""
        assert completion.next_step is not None
        claimed = before._replace(
            step=completion.next_step,
            failures=0,
            results={**before.results, before.ticket.step: json.loads(completion.result)},
            now=made.since,
        )
        return cls(recipe.steps[completion.next_step], claimed, links[:-1], sent_at)


#: Steps that this process has claimed, and that have not begun.
granted: set[Ticket] = set()
_left: dict[str, Following | Reported] = {}


def begin() -> None:
    """Go on with jobs from now on."""
    _state[0] = _OPEN


def stop(**_: Any) -> None:
    """Go on with no job from now on, in this process and the pool's children: the worker is to end."""
    _state[0] = _STOPPED


def hold(is_held: bool) -> None:
    """Go on with no job while a step waits to run alone."""
    _state[1] = is_held


def is_open() -> bool:
    """Whether this worker takes and goes on with jobs."""
    return _state[0] == _OPEN


signals.worker_shutting_down.connect(stop, weak=False)


def may_run(app: Celery, step: Step) -> bool:
    """Whether this worker may go on with a job's next step."""
    task = app.tasks.get(step.run)
    return (
        is_open()
        and not _state[1]
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
    return completion._replace(lease=step.time_limit + LEASE_GRACE) if may_run(app, step) else completion


def leave(ticket: Ticket, what: Following | Reported) -> None:
    """Keep what comes after a step for the request that ran it."""
    _left[str(ticket)] = what


def taken(ticket: str) -> Following | Reported | None:
    """What comes after the step that this ticket names; it is told once."""
    return _left.pop(ticket, None)
