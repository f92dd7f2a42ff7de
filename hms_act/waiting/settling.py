"""Looks at jobs that wait for something else than a worker: what those of the dispatcher have alike."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Generic, Protocol, TypeVar

from hms_oms.database.connections import RawConnection
from hms_oms.recipes.recipes import Recipe

#: It is looked this often, in seconds, and no more than this share of the time.
LOOK_SECONDS, LOOK_SHARE = 0.2, 0.05


class Waiting(Protocol):
    """A job that was taken up because its wait may be over."""

    @property
    def recipe_id(self) -> int:
        """The number of its recipe."""


W = TypeVar("W", bound=Waiting)


class Settling(ABC, Generic[W]):
    """A look at one kind of wait; `recipe` reads the recipe of a number, None if it cannot be read."""

    what: ClassVar[str]

    def __init__(self, connection: RawConnection, recipe: Callable[[int], Recipe | None]) -> None:
        self._connection = connection
        self._recipe = recipe
        self._again = float("-inf")

    def look(self) -> float:
        """Settle what is over, unless that was just looked at; in how many seconds to look again."""
        began = time.monotonic()
        if began < self._again:
            return self._again - began
        goes_on = self._goes_on(self.settle())
        pause = max(LOOK_SECONDS, (time.monotonic() - began) / LOOK_SHARE)
        self._again = began + pause
        return pause if goes_on else float("inf")

    def settle(self) -> int:
        """Settle the jobs whose wait is over; how many there were."""
        with _transaction(self._connection):
            jobs = self._take_up()
            for job in jobs:
                self._settle_or_fail(job)
        return len(jobs)

    def _settle_or_fail(self, job: W) -> None:
        recipe = self._recipe(job.recipe_id)
        if recipe is None:
            self._fail(job, "RecipeUnreadable", f"recipe {job.recipe_id} cannot be read")
            return
        try:
            self._settle(job, recipe)
        except ValueError as error:
            self._fail(job, type(error).__name__, str(error))

    @abstractmethod
    def _take_up(self) -> Sequence[W]:
        """Hold the jobs whose wait is over, and have the others wait."""

    @abstractmethod
    def _settle(self, job: W, recipe: Recipe) -> None:
        """Settle a job. Raises ValueError for what it cannot go on with."""

    @abstractmethod
    def _fail(self, job: W, kind: str, message: str) -> None:
        """Fail a job for good."""

    @abstractmethod
    def _goes_on(self, settled: int) -> bool:
        """Whether to look again though nobody notifies, after so many were settled."""


@contextmanager
def _transaction(connection: RawConnection) -> Iterator[None]:
    """One transaction of several statements: what was taken up is settled, or waits as before."""
    connection.autocommit = False
    try:
        with connection:
            yield
    finally:
        if not connection.closed:
            connection.autocommit = True
