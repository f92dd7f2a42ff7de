"""Works that were measured lately, by cell and by queue, and the estimates that rest on them."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from datetime import datetime

from hms_oms.database.connections import RawConnection
from hms_oms.order.estimates import KEPT, Calibration, Estimate, measured
from hms_oms.queues import backlogs
from hms_oms.queues.backlogs import Work

#: So many jobs that have ended are measured at once; the first time more, for a new leader knows nothing.
SAMPLE = 100
FIRST_SAMPLE = 1000
#: The works of so many cells are kept, those that were measured last.
MOST_CELLS = 2000
#: An estimate is written down again if it has changed by this share.
CHANGED = 0.05


class Works:
    """Latest works; one dispatcher measures at a time."""

    def __init__(self) -> None:
        self._cells: OrderedDict[int, deque[float]] = OrderedDict()
        self._queues: dict[str, deque[float]] = {}
        self._factors: dict[str, Calibration] = {}
        self._since: datetime | None = None
        self._written: dict[int, Estimate] = {}

    def measure(self, connection: RawConnection) -> None:
        """Measure what has ended since the last time, and write down what that changes."""
        works = backlogs.ended_works(connection, self._since, SAMPLE if self._since else FIRST_SAMPLE)
        if not works:
            return
        self._since = works[-1].ended_at
        self.add(works)
        changed = {
            work.cell: (work, len(self._cells[work.cell]), estimate)
            for work in works
            if (estimate := self._of_cell(work.cell)) is not None and self._differs(work.cell, estimate)
        }
        if changed:
            backlogs.keep_estimates(connection, changed)
            self._written |= {cell: estimate for cell, (_, _, estimate) in changed.items()}

    def add(self, works: Iterable[Work]) -> None:
        """Add works in the order of their end."""
        for work in works:
            queue = self._queues.setdefault(work.queue, deque(maxlen=KEPT))
            known = self._cells.setdefault(work.cell, deque(maxlen=KEPT))
            self._cells.move_to_end(work.cell)
            estimate = measured(list(known)) or measured(list(queue))
            if estimate is not None:
                before = self._factors.get(work.queue, Calibration())
                self._factors[work.queue] = before.after(work.seconds, estimate.mean)
            known.append(work.seconds)
            queue.append(work.seconds)
        while len(self._cells) > MOST_CELLS:
            self._cells.popitem(last=False)

    def of_queue(self, queue: str) -> Estimate | None:
        """What a job of a queue needs, whichever it is; None while too few have been measured."""
        estimate = measured(list(self._queues.get(queue, ())))
        return estimate and estimate.times(self._factor(queue))

    def of_cells(self, queue: str, cells: Iterable[int]) -> Mapping[int, Estimate]:
        """What a job of each of these cells needs in a queue; one that is not known is left out."""
        factor = self._factor(queue)
        known = {cell: self._of_cell(cell) for cell in cells}
        return {cell: estimate.times(factor) for cell, estimate in known.items() if estimate is not None}

    def _of_cell(self, cell: int) -> Estimate | None:
        return measured(list(self._cells.get(cell, ())))

    def _factor(self, queue: str) -> float:
        return self._factors.get(queue, Calibration()).factor

    def _differs(self, cell: int, estimate: Estimate) -> bool:
        written = self._written.get(cell)
        return written is None or abs(estimate.mean - written.mean) > CHANGED * written.mean
