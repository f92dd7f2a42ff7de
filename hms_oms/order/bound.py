"""The most jobs that any order could do in time, were all sizes and arrivals known: nobody can beat it.

The slots are one fast worker that may interrupt, and share itself out, as it likes. Then the smallest jobs
come first: a job of `p` seconds counts `1/p` for every second of it that is done in time, and what can be
done of the smaller half does not depend on the larger one. How much of a set of jobs can be done in time is
how much is done if the earliest deadline always comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from math import inf

from hms_oms.order.backlog import Job

#: Sizes this close count as equal, the smaller of both.
CLOSE = 1.02
#: Work that is too little to count, in seconds.
NO_WORK = 1e-6

#: Slots from a moment on, by time.
Slots = Sequence[tuple[float, int]]


def bound(jobs: Sequence[Job], slots: Slots) -> float:
    """How many of the jobs could be on time at most."""
    by_size = sorted(jobs, key=lambda job: job.service)
    sums = [0.0]
    for job in by_size:
        sums.append(sums[-1] + job.service)

    def most(low: int, high: int, below: float, upto: float) -> float:
        """Count those from `low` to `high`, if so much is done of those below, and of those up to `high`."""
        gain = upto - below
        if gain <= NO_WORK:
            return 0.0
        if gain >= sums[high] - sums[low] - NO_WORK:
            return float(high - low)
        smallest = max(by_size[low].service, NO_WORK)
        if high - low == 1 or by_size[high - 1].service <= CLOSE * smallest:
            return min(float(high - low), gain / smallest)
        middle = (low + high) // 2
        half = work_done(by_size[:middle], slots)
        return most(low, middle, below, half) + most(middle, high, half, upto)

    return most(0, len(by_size), 0.0, work_done(by_size, slots))


def work_done(jobs: Sequence[Job], slots: Slots) -> float:
    """How many seconds of the jobs' work can be done before their deadlines."""
    waiting: list[tuple[float, float]] = []
    arrivals = sorted((job.arrival, job.deadline, job.service) for job in jobs)
    changes = [*slots, (inf, 0)]
    done, now, place, at = 0.0, -inf, 0, 0
    count = 0
    while place < len(arrivals) or waiting:
        if not waiting:
            now = max(now, arrivals[place][0])
        while place < len(arrivals) and arrivals[place][0] <= now:
            heappush(waiting, arrivals[place][1:])
            place += 1
        while changes[at][0] <= now:
            count = changes[at][1]
            at += 1
        deadline, work = heappop(waiting)
        if deadline <= now:
            continue
        until = min(arrivals[place][0] if place < len(arrivals) else inf, changes[at][0], deadline)
        needed = work / count if count else inf
        if now + needed <= until:
            done, now = done + work, now + needed
            continue
        part = (until - now) * count
        done, now = done + part, until
        heappush(waiting, (deadline, work - part))
    return done
