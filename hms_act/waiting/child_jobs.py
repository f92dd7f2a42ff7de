"""The start of the jobs that steps have asked for, and the end of the wait for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import Connection

from hms_act import accept
from hms_act.waiting.waits import LOOK_SECONDS, transaction
from hms_oms.cycles.cycle_rows import gist
from hms_oms.database.connections import RawConnection
from hms_oms.jobs.parts import child_jobs, parts
from hms_oms.jobs.parts.child_jobs import Asked
from hms_oms.jobs.parts.parts import Parent
from hms_oms.jobs.tickets import job_name
from hms_oms.recipes import recipes
from hms_oms.recipes.recipes import Recipe, Recipes
from hms_oms.runtime.errors import HmsError, RequestRejected

#: The share of the time that may be spent on looking whether jobs have ended that others wait for.
SHARE = 0.05


def start(begin: Callable[[], AbstractContextManager[Connection]], known: Callable[[], Recipes]) -> int:
    """Start jobs that steps have asked for, as many as one transaction should; how many were asked for.

    `begin` begins a transaction, `known` tells the recipes.
    """
    with begin() as connection:
        asked = child_jobs.asked(connection)
        for request in asked:
            _start(connection, request, known)
    return len(asked)


def _start(connection: Connection, request: Asked, known: Callable[[], Recipes]) -> None:
    if request.cancelled:
        child_jobs.answer(connection, request, fault=f"{job_name(request.parent)} was cancelled")
        return
    try:
        with connection.begin_nested():
            recipe = recipes.find(known(), request.type)
            who = job_name(request.parent)
            started = accept.start_job(
                connection, recipe, request.payload, requested_by=who, **request.options
            )
    except HmsError as error:
        child_jobs.answer(connection, request, fault=_told(error))
    else:
        child_jobs.answer(connection, request, job=started.job.id, created=started.created)


def _told(error: HmsError) -> str:
    """Why a job was not started, without the values that its payload has."""
    if isinstance(error, RequestRejected):
        return "; ".join(f"{field}: {gist(reason)}" for field, reason in error.faults)
    return str(error)


class ChildWaits:
    """The dispatcher's look at jobs that wait for others; `recipe` reads the recipe of a number."""

    def __init__(self, connection: RawConnection, recipe: Callable[[int], Recipe | None]) -> None:
        self._connection = connection
        self._recipe = recipe
        self._again = float("-inf")

    def look(self) -> None:
        """Settle what is over, unless that was just looked at."""
        began = time.monotonic()
        if began >= self._again:
            self.settle()
            # With many jobs that wait a look takes long.
            self._again = time.monotonic() + max(LOOK_SECONDS, (time.monotonic() - began) / SHARE)

    def settle(self) -> int:
        """Settle the jobs whose child jobs have all ended; how many there were."""
        with transaction(self._connection):
            parents = child_jobs.take_up(self._connection)
            for parent in parents:
                self._settle(parent)
            child_jobs.rest(self._connection)
        return len(parents)

    def _settle(self, parent: Parent) -> None:
        recipe = self._recipe(parent.recipe_id)
        if recipe is None:
            message = f"recipe {parent.recipe_id} cannot be read"
            parts.fail(self._connection, parent, "RecipeUnreadable", message)
            return
        try:
            child_jobs.settle(self._connection, parent, recipe)
        except ValueError as error:
            parts.fail(self._connection, parent, type(error).__name__, str(error))
