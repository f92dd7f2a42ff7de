"""The number of slots a queue should have, for an autoscaler; there is a value when idle and when cold.

The forecast's sum (`hms_ops.forecast`) says how many slots meet every deadline that can still be met. An
autoscaler needs more than that: a number without any worker and before any job is done, slots for jobs that
are late already, none that could not be used, and time for new workers to come up. All functions are pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from hms_ops.forecast.forecast import Histogram

#: How long a new worker takes until it works, in seconds.
READY_SECONDS = 60.0
#: Work is to be done within this share of the time that is left, since nobody knows what is still to come.
AIM = 0.7
#: Late jobs are to be done this soon, in seconds, or within the SLA if that is shorter.
CATCH_UP_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Load:
    """Load of a queue that is to be scaled.

    `histogram` is its open jobs by deadline, `begun` how many of them run or are in front of the workers;
    `slots` are live now, and each gets `per_slot` jobs a second done (None: nobody knows yet). No more than
    `most` may start a second; with `held` none may start at all.
    """

    histogram: Histogram
    begun: int
    slots: int
    per_slot: float | None
    sla_minutes: float | None = None
    most: float | None = None
    held: bool = False


def slots(load: Load, now: datetime) -> int:
    """How many slots the queue should have now."""
    jobs = sum(count for _, count in load.histogram)
    # More slots than jobs would idle; while none may start, so would more than have begun.
    useful = load.begun if load.held else jobs
    if useful == 0:
        return 0
    if not load.per_slot:
        # What is there stays until its throughput is known, and one slot is needed to learn it.
        return min(useful, max(1, load.slots))
    needed = math.ceil(_demand(load, load.per_slot, now) - 1e-6)
    if load.most is not None and not load.held:
        # What the limit lets through keeps so many busy.
        useful = min(useful, max(load.begun, math.ceil(load.most / load.per_slot - 1e-6)))
    return max(1, min(needed, useful))


def _demand(load: Load, per_slot: float, now: datetime) -> float:
    """The most that any deadline asks for: the work due by it, over the time that is aimed at."""
    service = 1 / per_slot
    catch_up = min(CATCH_UP_SECONDS, 60 * load.sla_minutes if load.sla_minutes else CATCH_UP_SECONDS)
    needed, due = 0.0, 0
    for left, jobs in sorted(
        ((deadline - now).total_seconds() if deadline > now else catch_up, jobs)
        for deadline, jobs in load.histogram
    ):
        due += jobs
        seconds = max(AIM * left, service)
        steady = due / (per_slot * seconds)
        # What the present slots do not get done is left to more of them, once those have come up. Too near a
        # deadline they would come too late.
        more = max(0.0, steady - load.slots) * seconds / max(seconds - READY_SECONDS, service)
        if seconds < READY_SECONDS + service and load.slots:
            more = 0.0
        needed = max(needed, min(steady, load.slots) + more)
    return needed
