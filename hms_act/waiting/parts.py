"""The dispatcher's look at steps in parts: it splits them, and joins them when all parts are done."""

from __future__ import annotations

import time
from collections.abc import Callable

from hms_act.waiting.waits import LOOK_SECONDS, transaction
from hms_oms.database.connections import RawConnection
from hms_oms.jobs.parts import parts
from hms_oms.jobs.parts.parts import Decision, Parent
from hms_oms.recipes.recipes import Recipe


class Parts:
    """`recipe` reads the recipe of a number, None if it cannot be read."""

    def __init__(self, connection: RawConnection, recipe: Callable[[int], Recipe | None]) -> None:
        self._connection = connection
        self._recipe = recipe
        self._looked = float("-inf")

    def look(self) -> float:
        """Settle what is to be decided, unless that was just looked at; in how many seconds to look again."""
        left = self._looked + LOOK_SECONDS - time.monotonic()
        if left > 0:
            return left
        self._looked = time.monotonic()
        return LOOK_SECONDS if self.settle() or parts.is_awaited(self._connection) else float("inf")

    def settle(self) -> int:
        """Decide what follows for the jobs whose parts have changed; how many there were."""
        with transaction(self._connection):
            parents = parts.take_up(self._connection)
            waiting = [parent for parent in parents if parts.decide(parent) is Decision.WAIT]
            if waiting:
                parts.rest(self._connection, waiting)
            for parent in parents:
                self._settle(parent)
        return len(parents)

    def _settle(self, parent: Parent) -> None:
        decision = parts.decide(parent)
        if decision is Decision.WAIT:
            return
        recipe = self._recipe(parent.recipe_id)
        if recipe is None:
            message = f"recipe {parent.recipe_id} cannot be read"
            parts.fail(self._connection, parent, "RecipeUnreadable", message)
            return
        try:
            if decision is Decision.SPLIT:
                parts.split(self._connection, parent, recipe)
            elif decision is Decision.JOIN:
                parts.join(self._connection, parent, recipe)
            elif parent.bad is not None:
                parts.fail_with(self._connection, parent, parent.bad, recipe)
        except ValueError as error:
            parts.fail(self._connection, parent, type(error).__name__, str(error))
