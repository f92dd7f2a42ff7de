"""The plan of a backlog: which waiting jobs are given up, so that as many as possible end by their deadline.

It is Moore and Hodgson's algorithm over cells of jobs: walk them by deadline and add up their work; whenever
the sum does not fit, the largest so far is given up. Nothing is given up while everything fits: then the
order is that of the deadlines. Jobs that must be on time are planned by themselves first, and are never given
up for others. Moments are seconds of one clock, whichever it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from math import ceil
from typing import NamedTuple

#: Work that is too little to count, in seconds: sums of it are rounded.
NO_WORK = 1e-6

#: A job that must be on time is served as if this share of its SLA were not there.
EARLY = 0.1
#: Deadlines within as many seconds share a cell; cells are fixed in time, or jobs would move with each plan.
#: In the ledger those that are far ahead are wider (hms_oms.queues.backlogs).
CELL_SECONDS = 15.0


class Cell(NamedTuple):
    """Waiting jobs of one kind of work whose deadlines are close together.

    `due` is the earliest moment by which one of them is to have ended. Those that `must` be on time are
    served as if they were due earlier: their deadline itself is `pull` seconds later than `due`. `mean` is
    the work of one, in seconds of a slot; `upper` is what nine of ten stay below. `given_up` says how many
    of them the last plan gave up.
    """

    due: float
    mean: float
    upper: float
    must: bool
    jobs: int
    key: Hashable
    pull: float = 0.0
    given_up: int = 0


class Cut(NamedTuple):
    """So many jobs of a cell are to be given up: those with the nearest deadlines."""

    key: Hashable
    leave: int


class Move(NamedTuple):
    """What differs from the last plan in a cell.

    `jobs` more are given up, the nearest deadlines of those in the line first; below zero so many are taken
    back, the farthest deadlines of those given up first.
    """

    key: Hashable
    jobs: int


class _Stop(NamedTuple):
    """A cell in the line: its jobs have to begin in time to fit in before `end`."""

    end: float
    cell: Cell
    may_leave: bool


def early(sla: float, upper: float) -> float:
    """How many seconds before its deadline a job that must be on time is served as if it were due."""
    return max(EARLY * sla, 2 * upper)


def begins(now: float, work: float, slots: int) -> float:
    """The moment at which the first job of a backlog begins, with so many seconds of work in front of it."""
    return now + work / slots if slots > 0 else now


def savable(cell: Cell, ahead: float) -> bool:
    """Whether a job of the cell that begins at `ahead` is likely to meet its deadline.

    One that must be on time is tried as long as it may be.
    """
    return ahead + (cell.mean if cell.must else cell.upper) <= cell.due + cell.pull + NO_WORK


def plan(cells: Iterable[Cell], slots: int, ahead: float) -> list[Cut]:
    """Choose the fewest jobs to give up, so that `slots` do all others in time, from `ahead` on.

    What stands in front of the backlog (running, queued, put in front by hand) is counted in `ahead`. No
    plan can be made without a slot: then nothing is given up.
    """
    if slots <= 0:
        return []
    cells = list(cells)
    free = [_Stop(_end(cell, slots), cell, True) for cell in cells if not cell.must]
    must = [cell for cell in cells if cell.must]
    cuts = _fit([_Stop(_latest(cell, slots), cell, True) for cell in must], slots, ahead)
    stay = [cell._replace(jobs=cell.jobs - cuts[cell.key]) for cell in must]
    cuts += _fit([*free, *_first([cell for cell in stay if cell.jobs], slots, ahead)], slots, ahead)
    return [Cut(key, leave) for key, leave in cuts.items()]


def moves(cells: Iterable[Cell], cuts: Iterable[Cut]) -> list[Move]:
    """List the differences between what is given up and what is to be; none if the plan has not changed."""
    leave: Mapping[Hashable, int] = dict(cuts)
    changes = (Move(cell.key, leave.get(cell.key, 0) - cell.given_up) for cell in cells)
    return [move for move in changes if move.jobs]


def _end(cell: Cell, slots: int) -> float:
    """The moment by which the work of the line up to this cell has to be done, were it spread over all slots.

    The last job of it runs alone on its slot, and may take longer than most.
    """
    return cell.due - (cell.upper - cell.mean / slots)


def _latest(cell: Cell, slots: int) -> float:
    """The moment by which the work up to jobs that must be on time has to be done, if it is to be tried."""
    return cell.due + cell.pull - cell.mean + cell.mean / slots


def _first(cells: Iterable[Cell], slots: int, ahead: float) -> Iterator[_Stop]:
    """Place cells whose jobs stay: as if they were due early, or by their deadline if that is too early."""
    work = 0.0
    # Of equal ones that with the nearer deadline, whichever is read first.
    for cell in sorted(cells, key=lambda cell: (_end(cell, slots), cell.pull, cell.mean, cell.jobs)):
        work += cell.mean * cell.jobs
        early, latest = _end(cell, slots), _latest(cell, slots)
        fits_early = work <= (early - ahead) * slots + NO_WORK
        yield _Stop(early if fits_early else max(ahead + work / slots, latest), cell, False)


def _fit(line: Iterable[_Stop], slots: int, ahead: float) -> Counter[Hashable]:
    """Count the jobs to give up by cell: the largest that may leave first, of equal ones the nearest due."""
    work = 0.0
    largest: list[tuple[float, int]] = []
    cuts: Counter[Hashable] = Counter()
    stops: Sequence[_Stop] = sorted(line, key=lambda stop: stop.end)
    for place, (end, cell, may_leave) in enumerate(stops):
        work += cell.mean * cell.jobs
        if may_leave:
            heappush(largest, (-cell.mean, place))
        while largest and (over := work - (end - ahead) * slots) > NO_WORK:
            top = stops[largest[0][1]].cell
            left = top.jobs - cuts[top.key]
            leave = min(left, ceil((over - NO_WORK) / top.mean))
            work -= top.mean * leave
            cuts[top.key] += leave
            if leave == left:
                heappop(largest)
    return cuts
