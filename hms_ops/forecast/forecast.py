"""Forecast late jobs: the open work, set against what the workers get done.

Two classic sums over the deadlines of the open jobs, taken in the order in which they are served:

- the *fluid drain*: workers that get `rate` jobs a second done are through with the k-th in line at
  `now + k / rate`. The job is late if that passes its deadline. With a limit of starts the rate is the lesser
  of two (see `hms_ops.forecast.capacity`);
- the *processor demand* of earliest-deadline-first scheduling (Liu and Layland 1973; Baruah, Rosier and
  Howell 1990): every deadline can be met exactly if, for each deadline d, the work due by d fits into the
  time until d. Solved for the slots: `slots = max over d of (work due by d) / ((d - now) * rate per slot)`;
  solved for the limit: `starts = max over d of (jobs due by d, not started) / (d - now - time of one job)`.

Both cost the number of different deadlines, not of jobs. Jobs that may not start yet stand in line too, and
nothing is known of jobs still to come: what is forecast is the least that will happen. All is pure functions;
moments are aware, rates are jobs per second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hms_oms.timetables import business_time
from hms_oms.timetables.business_time import OfficeHours
from hms_ops.forecast import chances
from hms_ops.forecast.capacity import Capacity
from hms_ops.forecast.snapshot import Forecast

#: How many open jobs have which deadline, in the order in which they are served, if none is given up: by
#: priority, and then the earliest deadline first (or the oldest job). A deadline may occur more than once.
Histogram = Sequence[tuple[datetime, int]]
#: How many of each place in line are jobs, and no parts of steps; None: all.
Wholes = Sequence[int] | None

#: A paused queue is taken to go on this many seconds from now, so that a pause is announced this long before
#: it breaks a deadline, and not while it is harmless.
PAUSE_SECONDS = 600.0

#: Nobody reads what would help, decides and does it in fewer seconds than this: no remedy is for a deadline
#: that is nearer. Without it the last moments before a deadline would ask for more and more.
ACT_SECONDS = 5.0

#: The resolution of a clock: a moment may be cut by so much, in seconds.
_CLOCK_SECONDS = 1e-6
#: Below the resolution of a clock: a job that is done at its deadline is on time, whatever floats make of it.
_ROUNDING = 1e-6
#: What is lost between two starts, and until somebody has raised the limit: so much more is asked for.
_SPARE = 1.05


@dataclass(frozen=True, slots=True)
class Change:
    """Effect of another SLA on the open jobs.

    `before` is the forecast as it is, `after` as it would be had they been accepted under the other SLA.
    `late_now` of them are past their deadline, `late_at_once` would be under the other SLA.
    """

    before: Forecast
    after: Forecast
    late_now: int
    late_at_once: int


def forecast(
    histogram: Histogram,
    capacity: Capacity,
    now: datetime,
    *,
    paused: bool = False,
    served: Histogram | None = None,
    wholes: Wholes = None,
    given_up: Histogram = (),
) -> Forecast:
    """Forecast the open jobs if nothing changes; `served` is their order if some were `given_up`.

    Parts of steps are work, and no jobs: so many of each place in line are jobs as `wholes` says.

    `late` counts jobs whose deadline is still ahead (or this very moment) and will be missed; those that are
    past it hold the others up, but are not counted again. `first_late` is the earliest deadline that will be
    missed, thus the moment from which there are late jobs, not the one at which the late job is done.
    `deadline` is the binding one: where the work due is the most for the time left. Nothing done without live
    slots: every job is late at its deadline.

    `slots_needed` and `limit_needed` hold every deadline that can be held from now on, each if the other is
    not in the way. They leave aside the deadlines that are nearer than one slot takes for one job, or than
    `ACT_SECONDS`, since nothing can hold those, and are None if a slot gets nothing done. A paused queue
    starts `PAUSE_SECONDS` from now.
    """
    start = start_of(now, paused=paused)
    late, first_late = _late(served or histogram, capacity, start, now, wholes)
    slots, deadline = _slots(histogram, capacity.per_slot, now)
    starts, by_limit = _starts(histogram, capacity, now)
    risk = chances.riskiest(histogram, capacity, start, now, given_up)
    jobs = sum(count for _, count in histogram)
    return Forecast(
        late=late,
        first_late=first_late,
        deadline=(by_limit if capacity.held_back else deadline) or first_late,
        done_at=finish(jobs, capacity, start) if jobs else None,
        rate=capacity.rate,
        slots_needed=slots,
        trusted=capacity.trusted,
        slot_rate=capacity.per_slot,
        limit_needed=starts,
        late_chance=risk and risk.chance,
        riskiest=risk and risk.deadline,
        capacity=capacity,
    )


def start_of(now: datetime, *, paused: bool) -> datetime:
    """When work begins: a paused queue is taken to go on `PAUSE_SECONDS` from now."""
    return now + timedelta(seconds=PAUSE_SECONDS) if paused else now


def later(
    earlier: Forecast,
    histogram: Histogram,
    capacity: Capacity,
    start: datetime,
    now: datetime,
    *,
    served: Histogram | None = None,
    wholes: Wholes = None,
    given_up: Histogram = (),
) -> Forecast:
    """Bring a recent forecast, whose work began at `start`, up to `now`.

    Jobs whose deadline has passed since are late, and no longer of those that will be, nor does a remedy
    hold them.
    """
    late, first_late = _late(served or histogram, capacity, start, now, wholes)
    risk = chances.riskiest(histogram, capacity, start, now, given_up)
    by_now = forecast(histogram, capacity, now)
    return replace(
        by_now,
        late=late,
        first_late=first_late,
        done_at=earlier.done_at,
        late_chance=risk and risk.chance,
        riskiest=risk and risk.deadline,
    )


def finish(position: int, capacity: Capacity, now: datetime) -> datetime | None:
    """When the job at `position` (the first is 1) is done. None is never."""
    try:
        return now + timedelta(seconds=capacity.seconds_until(position))
    except OverflowError:
        return None


def change(
    histogram: Histogram,
    capacity: Capacity,
    now: datetime,
    *,
    minutes: float,
    instead: float,
    office: OfficeHours | None = None,
    paused: bool = False,
) -> Change:
    """What an SLA of `instead` minutes, in place of `minutes`, would put at risk of the jobs open now.

    A real change leaves accepted jobs their deadline: this is how the load of now would fare under it. Jobs
    are taken to have their deadline from the SLA, which counts in the hours of the office if there is one.
    Raises NeverOver.
    """
    shift = timedelta(minutes=instead - minutes)
    shifted = [
        (deadline + shift if office is None else business_time.moved(office, deadline, shift), jobs)
        for deadline, jobs in histogram
    ]
    return Change(
        before=forecast(histogram, capacity, now, paused=paused),
        after=forecast(shifted, capacity, now, paused=paused),
        late_now=_overdue(histogram, now),
        late_at_once=_overdue(shifted, now),
    )


@dataclass(frozen=True, slots=True)
class Arrival:
    """Forecast of jobs that would be accepted now with one deadline.

    The last of them is done at `done_at` (None: never), `late` of them after their deadline; `others_late`
    open jobs would be late because of them.
    """

    done_at: datetime | None
    late: int
    others_late: int


def arrival(
    histogram: Histogram,
    capacity: Capacity,
    now: datetime,
    *,
    jobs: int,
    deadline: datetime,
    paused: bool = False,
    last: bool = False,
) -> Arrival:
    """Forecast `jobs` more with `deadline` and no priority, by acceptance `last`, with the open ones."""
    start = start_of(now, paused=paused)
    place = len(histogram)
    while not last and place and histogram[place - 1][0] > deadline:
        place -= 1
    ahead, behind = list(histogram[:place]), list(histogram[place:])
    before = sum(count for _, count in ahead)
    late = jobs - _on_time(before, jobs, capacity, (deadline - start).total_seconds())
    together, _ = _late([*ahead, (deadline, jobs), *behind], capacity, start, now)
    alone, _ = _late(histogram, capacity, start, now)
    return Arrival(finish(before + jobs, capacity, start), late, max(0, together - late - alone))


def _overdue(histogram: Histogram, now: datetime) -> int:
    return sum(jobs for deadline, jobs in histogram if deadline < now)


def _late(
    histogram: Histogram, capacity: Capacity, start: datetime, now: datetime, wholes: Wholes = None
) -> tuple[int, datetime | None]:
    """How many jobs will miss a deadline that is not past, and the earliest such deadline."""
    late, first, before = 0, None, 0
    for place, (deadline, jobs) in enumerate(histogram):
        missed = jobs - _on_time(before, jobs, capacity, (deadline - start).total_seconds())
        if missed and deadline >= now:
            late += missed if wholes is None else min(missed, wholes[place])
            first = deadline if first is None else min(first, deadline)
        before += jobs
    return late, first


def _on_time(before: int, jobs: int, capacity: Capacity, seconds: float) -> int:
    """How many of `jobs` in line behind `before` others are done within `seconds`."""
    done = capacity.done_within(seconds + _CLOCK_SECONDS)
    return min(jobs, max(0, math.floor(min(done, 1e15) + _ROUNDING) - before))


def _slots(histogram: Histogram, per_slot: float, start: datetime) -> tuple[int | None, datetime | None]:
    """How many slots hold every deadline that can still be held, and which of them asks for the most."""
    if per_slot <= 0:
        return None, None
    needed, binding, due = 0.0, None, 0
    for deadline, jobs in histogram:
        due += jobs
        seconds = (deadline - start).total_seconds()
        if _can_be_held(seconds, per_slot) and due / (seconds * per_slot) > needed:
            needed, binding = due / (seconds * per_slot), deadline
    return math.ceil(needed - _ROUNDING), binding


def _starts(histogram: Histogram, capacity: Capacity, start: datetime) -> tuple[int | None, datetime | None]:
    """How many starts a minute hold every deadline that can still be held, and which asks for the most.

    A job has to start by the time that it takes before its deadline. Of a deadline so near that this leaves
    less than half of the time, as much is asked as if jobs had been started all along.
    """
    if capacity.per_slot <= 0:
        return None, None
    needed, binding, due = 0.0, None, 0
    takes = 1 / capacity.per_slot
    for deadline, jobs in histogram:
        due += jobs
        seconds = (deadline - start).total_seconds()
        if due <= capacity.started or not _can_be_held(seconds, capacity.per_slot):
            continue
        asked = (due - capacity.started) / (seconds - takes) if seconds > 2 * takes else due / seconds
        if asked > needed:
            needed, binding = asked, deadline
    return math.ceil(60 * needed * _SPARE - _ROUNDING), binding


def _can_be_held(seconds: float, per_slot: float) -> bool:
    """Whether anything that somebody does now could hold a deadline that is so many seconds ahead."""
    return seconds >= ACT_SECONDS and seconds * per_slot + _ROUNDING >= 1
