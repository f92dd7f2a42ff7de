"""The end of waits: jobs whose event was signalled, or has not come in time, go on to what follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hms_oms.database.connections import RawConnection
from hms_oms.jobs.live import waits
from hms_oms.recipes.recipes import Recipe

#: Waits are looked at this often, in seconds.
LOOK_SECONDS = 0.2


class Waits:
    """The dispatcher's look at waits; `recipe` reads the recipe of a number, None if it cannot be read."""

    def __init__(self, connection: RawConnection, recipe: Callable[[int], Recipe | None]) -> None:
        self._connection = connection
        self._recipe = recipe
        self._looked = float("-inf")

    def look(self) -> float:
        """Settle what is over, unless that was just looked at; in how many seconds to look again."""
        left = self._looked + LOOK_SECONDS - time.monotonic()
        if left > 0:
            return left
        self._looked = time.monotonic()
        return LOOK_SECONDS if self.settle() == waits.MOST else float("inf")

    def settle(self) -> int:
        """Settle the waits that are over; how many there were."""
        with transaction(self._connection):
            overdue = waits.take_up(self._connection)
            for due in overdue:
                self._settle(due)
        return len(overdue)

    def _settle(self, due: waits.Due) -> None:
        recipe = self._recipe(due.recipe_id)
        if recipe is None:
            waits.fail(self._connection, due, "RecipeUnreadable", f"recipe {due.recipe_id} cannot be read")
            return
        try:
            waits.settle(self._connection, due, recipe)
        except ValueError as error:
            waits.fail(self._connection, due, type(error).__name__, str(error))


@contextmanager
def transaction(connection: RawConnection) -> Iterator[None]:
    """One transaction of several statements: what was taken up is settled, or waits as before."""
    connection.autocommit = False
    try:
        with connection:
            yield
    finally:
        if not connection.closed:
            connection.autocommit = True
