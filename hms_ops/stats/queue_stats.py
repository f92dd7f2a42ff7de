"""Statistics of one queue: waits, step times and outcomes over a sliding five minutes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from hms_ops.forecast.snapshot import StepSeen, Waits
from hms_ops.stats.current_rate import RecentRate
from hms_ops.stats.sliding_window import Sketch, Window
from hms_ops.stats.waits import Begun, Ended

EVENTS, LEDGER = "events", "ledger"


class QueueStats:
    """Counts the steps of one queue; bounded by the number of its steps."""

    def __init__(self, source: str) -> None:
        #: Where the numbers come from: workers that are heard, or the sweep of the ledger.
        self.source = source
        self.last_finished: datetime | None = None
        self._waits = Window()
        self._finished = Window()
        self._failed = Window()
        self._left = Window()
        self._now = RecentRate()
        self._steps: dict[str, Window] = {}

    @property
    def finished(self) -> int:
        """Steps finished in the window."""
        return self._finished.total.count

    @property
    def failed(self) -> int:
        """Steps failed in the window, lost ones included."""
        return self._failed.total.count

    @property
    def left(self) -> int:
        """Jobs done with the queue in the window."""
        return self._left.total.count

    def rate_now(self, now: float) -> float:
        """Jobs done with the queue a second, as of now: see `hms_ops.stats.current_rate`."""
        return self._now.per_second(now)

    def last_minute(self, now: float) -> int:
        """Jobs done with the queue in the last whole minute."""
        return self._left.last_minute(now)

    def count(self, step: Begun | Ended) -> None:
        """Count a step's beginning or end; its moment is the ledger's."""
        if isinstance(step, Begun):
            if step.waited is not None:
                self._waits.add(step.at, step.waited)
            return
        (self._failed if step.failed else self._finished).add(step.at, step.took)
        if step.left:
            self._left.add(step.at, step.took)
            self._now.add(step.at)
        if not step.failed:
            self._steps.setdefault(step.step, Window()).add(step.at, step.took)
            self.finished_at(datetime.fromtimestamp(step.at, UTC))

    def finished_at(self, moment: datetime | None) -> None:
        """Note that a step was finished then, for what it is worth: the latest counts."""
        if moment is not None and (self.last_finished is None or moment > self.last_finished):
            self.last_finished = moment

    def slide(self, now: float) -> None:
        """Forget what is older than the window; `now` in seconds since 1970."""
        for window in (self._waits, self._finished, self._failed, self._left, *self._steps.values()):
            window.slide(now)

    def waits(self, ages: Sketch) -> Waits:
        """The waits of those that have begun, and the ages of those that wait still."""
        both = Sketch()
        both.merge(self._waits.total)
        both.merge(ages)
        return Waits(
            mean=both.mean,
            p50=both.percentile(0.5),
            p95=both.percentile(0.95),
            p99=both.percentile(0.99),
            begun=self._waits.total.count,
            source=self.source,
        )

    def steps(self) -> Sequence[StepSeen]:
        """How long each step took, by name."""
        return [
            StepSeen(name, window.total.count, window.total.mean, *map(window.total.percentile, (0.5, 0.95)))
            for name, window in sorted(self._steps.items())
        ]
