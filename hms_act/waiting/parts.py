"""The dispatcher's look at steps in parts: it splits them, and joins them when all parts are done."""

from __future__ import annotations

from collections.abc import Sequence

from hms_act.waiting.settling import Settling
from hms_oms.jobs.parts import parts
from hms_oms.jobs.parts.parts import Decision, Parent
from hms_oms.recipes.recipes import Recipe
from hms_oms.recipes.steps.parts import EVENT


class Parts(Settling[Parent]):
    """The dispatcher's look at jobs whose parts have changed."""

    what = "steps in parts"

    def _take_up(self) -> Sequence[Parent]:
        parents = parts.take_up(self._connection)
        waiting = [parent for parent in parents if parts.decide(parent) is Decision.WAIT]
        if waiting:
            parts.rest(self._connection, waiting)
        return [parent for parent in parents if parent not in waiting]

    def _settle(self, job: Parent, recipe: Recipe) -> None:
        decision = parts.decide(job)
        if decision is Decision.SPLIT:
            parts.split(self._connection, job, recipe)
        elif decision is Decision.JOIN:
            parts.join(self._connection, job, recipe)
        elif job.bad is not None:
            parts.fail_with(self._connection, job, job.bad, recipe)

    def _fail(self, job: Parent, kind: str, message: str) -> None:
        parts.fail(self._connection, job, kind, message)

    def _goes_on(self, settled: int) -> bool:
        return settled > 0 or parts.is_awaited(self._connection, EVENT)
