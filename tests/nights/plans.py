"""Backlogs made up by their seeds: what a plan gives up, against all that could be given up."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from itertools import combinations
from math import inf

from hms_oms.order.backlog import Job
from hms_oms.order.bound import bound
from hms_oms.order.plan import NO_WORK, Cell, plan
from hms_oms.order.policy import Policy
from hms_oms.order.simulation import Known, Simulation

#: So many backlogs are planned for a seed, of so many jobs at most: each choice among them is tried.
BACKLOGS, JOBS = 30, 8
#: An order by deadline with so much to spare, in seconds, is not to be changed.
SPARE_SECONDS = 120.0


def wrong(seed: int) -> list[str]:
    """Plan the backlogs of a seed, and let a day of jobs go through the order."""
    dice = random.Random(f"plans {seed}")
    return [
        *(sentence for _ in range(BACKLOGS) for sentence in _planned(dice)),
        *_day(dice),
    ]


def _planned(dice: random.Random) -> Iterator[str]:
    slots, ahead = dice.randint(1, 4), dice.uniform(0, 30)
    cells = [_cell(dice, number, slots) for number in range(dice.randint(1, JOBS))]
    given_up = _given_up(cells, slots, ahead)
    about = f"{cells} on {slots} slots from {ahead:.3f} gives up {sorted(given_up)}"
    stay = [cell for cell in cells if cell.key not in given_up]
    free, must = ([cell for cell in cells if cell.must is is_must] for is_must in (False, True))
    if _keeps(cells, slots, ahead) and given_up:
        yield f"{about}, and by deadline all would be kept"
    if any(cell.key in given_up for cell in must) and _keeps(must, slots, ahead, at_the_latest=True):
        yield f"{about}, of which one must be on time and could be"
    if must:
        return
    if not _keeps(stay, slots, ahead):
        yield f"{about}, and what stays is late"
    if len(given_up) > len(free) - _on_time(free, slots, ahead):
        yield f"{about}, and by deadline fewer would be late"
    fewest = next(
        count
        for count in range(len(free) + 1)
        if any(_keeps(kept, slots, ahead) for kept in combinations(free, len(free) - count))
    )
    if len(given_up) != fewest:
        yield f"{about}, and {fewest} would do"
    if len(_given_up(cells, slots, ahead + 1)) < len(given_up):
        yield f"{about}, and fewer if it begins later"


def _given_up(cells: Sequence[Cell], slots: int, ahead: float) -> set[int]:
    return {int(str(cut.key)) for cut in plan(cells, slots, ahead) if cut.leave}


def _end(cell: Cell, slots: int, *, at_the_latest: bool) -> float:
    """By when the work up to this job has to be shared out: its last part is done by one slot alone."""
    end = cell.due + cell.mean / slots
    return end + cell.pull - cell.mean if at_the_latest else end - cell.upper


def _keeps(cells: Collection[Cell], slots: int, ahead: float, *, at_the_latest: bool = False) -> bool:
    return _on_time(cells, slots, ahead, at_the_latest=at_the_latest) == len(cells)


def _on_time(cells: Collection[Cell], slots: int, ahead: float, *, at_the_latest: bool = False) -> int:
    """How many are on time by deadline, if none is given up."""
    work, count = 0.0, 0
    ends = sorted((_end(cell, slots, at_the_latest=at_the_latest), cell.mean) for cell in cells)
    for end, mean in ends:
        work += mean
        count += ahead + work / slots <= end + NO_WORK
    return count


def _cell(dice: random.Random, number: int, slots: int) -> Cell:
    mean = dice.choice((dice.uniform(1, 5), dice.uniform(1, 60)))
    due = dice.uniform(10, 10 + 20 * JOBS / slots)
    must = dice.random() < 0.1
    return Cell(due, mean, mean * dice.uniform(1, 1.5), must, 1, number, 10.0 if must else 0.0)


def _day(dice: random.Random) -> Iterator[str]:
    """Jobs that come one after the other: all end, never more at once than there are slots."""
    slots, load = dice.randint(1, 6), dice.choice((0.5, 0.9, 1.3))
    drawn, at = [], 0.0
    for number in range(dice.randint(20, 120)):
        service = dice.choice((2.0, 5.0, 20.0, dice.uniform(1, 60)))
        at += dice.expovariate(load * slots / 20)
        drawn.append((number, at, service, at + dice.uniform(service, 900)))
    ends: dict[Policy, list[Job]] = {}
    for policy in Policy:
        jobs = ends[policy] = [
            Job(number, arrival, service, deadline, service) for number, arrival, service, deadline in drawn
        ]
        Simulation(jobs, slots, policy, Known(20.0)).run()
        about = f"{policy} on {slots} slots at {load}"
        yield from (f"{about}: {job} never ended" for job in jobs if job.done == inf)
        yield from (f"{about}: {job} began before it came" for job in jobs if job.begun < job.arrival)
        busy = max(sum(job.begun <= other.begun < job.done for job in jobs) for other in jobs)
        if busy > slots:
            yield f"{about}: {busy} jobs ran at once"
        on_time, most = sum(job.on_time for job in jobs), bound(jobs, [(0.0, slots)])
        if on_time > most + 0.5:
            yield f"{about}: {on_time} were on time, and {most:.1f} can be"
    if all(job.done <= job.deadline - SPARE_SECONDS for job in ends[Policy.DEADLINE]):
        late = [job for job in ends[Policy.MOST_ON_TIME] if not job.on_time]
        yield from (f"{job} was late, and by deadline none would be" for job in late)
