"""Requests that keep coming while the storm lasts, and the list of those that were promised."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import groupby

import sqlalchemy as sa

from hms_act import accept
from hms_oms.database import connections
from hms_oms.recipes.recipes import Recipes
from tests.chaos import plan
from tests.chaos.history import Key

#: How many requests go into one transaction, at most.
PAGE = 50
#: How often to look what is due, and to try again while the database is away, in seconds.
LOOK_SECONDS = 0.05


class Arrivals(threading.Thread):
    """Accepts as many requests as `due` says; a key is on the list once its commit is certain."""

    def __init__(self, database_url: str, recipes: Recipes, seed: int, due: Callable[[], int]) -> None:
        super().__init__(name="arrivals", daemon=True)
        self.accepted: list[Key] = []
        self._engine = connections.engine(database_url)
        self._recipes = recipes
        self._seed = seed
        self._due = due
        self._over = threading.Event()

    def run(self) -> None:
        """Go on until told to leave."""
        while not self._over.wait(LOOK_SECONDS):
            while (first := len(self.accepted)) < (due := self._due()) and not self._over.is_set():
                try:
                    self.accepted += self._accept(range(first, min(due, first + PAGE)))
                except sa.exc.DBAPIError:
                    # Whether the commit was made or not: asking again with the same keys tells.
                    self._over.wait(LOOK_SECONDS)

    def leave(self) -> None:
        """Accept no more."""
        self._over.set()
        self.join()

    def _accept(self, numbers: range) -> list[Key]:
        requests = sorted((plan.request(number, self._seed) for number in numbers), key=lambda pair: pair[0])
        keys: list[Key] = []
        with self._engine.begin() as connection:
            for job_type, group in groupby(requests, key=lambda pair: pair[0]):
                payloads = [payload for _, payload in group]
                accept.accept_many(connection, self._recipes[job_type], payloads, requested_by="storm")
                keys += [(job_type, str(payload["number"])) for payload in payloads]
        return keys
