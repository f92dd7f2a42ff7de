"""The end of waits: jobs whose event was signalled, or has not come in time, go on to what follows."""

from __future__ import annotations

from collections.abc import Sequence

from hms_act.waiting.settling import Settling
from hms_oms.jobs.live import waits
from hms_oms.jobs.live.waits import Due
from hms_oms.recipes.recipes import Recipe


class Waits(Settling[Due]):
    """The dispatcher's look at waits for events."""

    what = "waits"

    def _take_up(self) -> Sequence[Due]:
        return waits.take_up(self._connection)

    def _settle(self, job: Due, recipe: Recipe) -> None:
        waits.settle(self._connection, job, recipe)

    def _fail(self, job: Due, kind: str, message: str) -> None:
        waits.fail(self._connection, job, kind, message)

    def _goes_on(self, settled: int) -> bool:
        # A signal notifies, and for time limits the dispatcher wakes.
        return settled == waits.MOST
