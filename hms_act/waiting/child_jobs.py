"""The start of the jobs that steps have asked for, and the end of the wait for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection
from sqlalchemy.exc import DataError

from hms_act import accept
from hms_act.waiting.settling import Settling
from hms_oms.cycles.cycle_rows import gist
from hms_oms.jobs.parts import child_jobs, parts
from hms_oms.jobs.parts.child_jobs import Asked
from hms_oms.jobs.parts.parts import Parent
from hms_oms.jobs.tickets import job_name
from hms_oms.recipes import recipes
from hms_oms.recipes.recipes import Recipe, Recipes
from hms_oms.recipes.steps.child_jobs import EVENT
from hms_oms.runtime.errors import HmsError, RequestRejected

#: A job of a type that is not known here is left so long to another dispatcher, which may know it amid an
#: upgrade; in seconds.
PATIENCE_SECONDS = 600.0


def start(begin: Callable[[], AbstractContextManager[Connection]], known: Callable[[], Recipes]) -> int:
    """Start the jobs that steps have asked for; how many were asked for.

    `begin` begins a transaction, `known` tells the recipes.
    """
    number = 0
    while True:
        with begin() as connection:
            asked = child_jobs.asked(connection, list(known()), PATIENCE_SECONDS)
            for request in asked:
                _start(connection, request, known())
        number += len(asked)
        if len(asked) < child_jobs.MOST:
            return number


def _start(connection: Connection, request: Asked, known: Recipes) -> None:
    try:
        with connection.begin_nested():
            recipe = recipes.find(known, request.type)
            who = job_name(request.parent)
            started = accept.start_job(
                connection, recipe, request.payload, requested_by=who, **request.options
            )
    except HmsError as error:
        child_jobs.answer(connection, request, fault=_told(error))
    except (DataError, ValueError, OverflowError) as error:
        # It is the fault of this one, and none of the others waits for it.
        fault = f"the ledger cannot keep what was given for it ({type(error).__name__})"
        child_jobs.answer(connection, request, fault=fault)
    else:
        child_jobs.answer(connection, request, job=started.job.id, created=started.created)


def _told(error: HmsError) -> str:
    """Why a job was not started, without the values that its payload has."""
    if isinstance(error, RequestRejected):
        return "; ".join(f"{field}: {gist(reason)}" for field, reason in error.faults)
    return str(error)


class ChildWaits(Settling[Parent]):
    """The dispatcher's look at jobs that wait for others."""

    what = "waits for other jobs"

    def _take_up(self) -> Sequence[Parent]:
        parents = child_jobs.take_up(self._connection)
        child_jobs.rest(self._connection)
        return parents

    def _settle(self, job: Parent, recipe: Recipe) -> None:
        child_jobs.settle(self._connection, job, recipe)

    def _fail(self, job: Parent, kind: str, message: str) -> None:
        parts.fail(self._connection, job, kind, message)

    def _goes_on(self, settled: int) -> bool:
        return settled > 0 or parts.is_awaited(self._connection, EVENT)
