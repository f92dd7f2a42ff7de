"""Foresight, on seasons from their seeds: who is late, done by when with 95 %, and how many workers it takes.

Each day goes through the product's own code: the throughput, the ends of the line, the profile of the days
before, and the limits that are learnt from forecasts that were settled. What the first days teach is not
judged.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from statistics import median, quantiles

from benchmarks import forecast, seasons, staffing
from benchmarks.mornings import LOOK_SECONDS, Job, Look, Replay
from benchmarks.results import Result
from benchmarks.rounds import say
from hms_oms.order.foresight import calibration, chance, conformal, profile
from hms_oms.order.foresight.calibration import Calibration, Settled
from hms_oms.order.foresight.profile import DAY_SECONDS, STEP_SECONDS, Arrivals
from hms_ops.forecast.capacity import Capacity
from hms_ops.forecast.ends import end
from hms_ops.forecast.throughput import Throughput
from hms_ops.foresight.places import EVERY_SECONDS, chosen

#: Seasons, the days of each that teach, and those that are judged.
SEASONS, TAUGHT, JUDGED = 24, 10, 12
#: A day counts among the days if so many limits were said on it.
FEW = 30


@dataclass(slots=True)
class Said:
    """A forecast that was made of a job, at some second of its day."""

    job: Job
    at: float
    mean: float
    deviation: float
    limit: float
    chance: float
    missed: bool = False

    def settled(self) -> Settled:
        """The forecast and what came of it."""
        passed = self.job.done - self.at
        return Settled(self.mean, self.limit, self.job.deadline - self.at, self.chance, passed)


@dataclass
class Forecaster:
    """What the watch knows of a queue, from day to day."""

    throughput: Throughput = field(default_factory=Throughput)
    profile: list[Arrivals] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    level: float = conformal.MISSED

    def day(self, number: int, replay: Replay) -> list[Said]:
        """Make forecasts on a day, and learn from those that are settled."""
        said: list[Said] = []
        open_ones: list[Said] = []
        # The night was no time with work.
        self.throughput.look(forecast.moment(number * DAY_SECONDS - LOOK_SECONDS), 0, 0)
        for look in replay.looks():
            capacity = self._capacity(number, look)
            if look.now % EVERY_SECONDS:
                continue
            open_ones = self._settle(open_ones, look.now)
            if capacity is not None and capacity.trusted:
                overdue = [
                    (look.now - past.at - past.mean) / past.deviation for past in open_ones if past.missed
                ]
                scores = sorted([*self.scores[-conformal.KEPT :], *overdue])
                more = self._forecasts(replay, look.now, capacity, scores)
                said += more
                open_ones += more
        self.throughput.look(forecast.moment(number * DAY_SECONDS + look.now + LOOK_SECONDS), 0, 0)
        return said

    def _capacity(self, number: int, look: Look) -> Capacity | None:
        now = forecast.moment(number * DAY_SECONDS + look.now)
        jobs = sum(count for _, _, count in look.deadlines)
        self.throughput.look(now, look.finished, min(look.slots, jobs))
        capacity = self.throughput.capacity(look.slots)
        works = look.works
        return capacity and capacity.varying(None if works is None else chance.variation(works))

    def _settle(self, open_ones: Sequence[Said], now: float) -> list[Said]:
        left = []
        for past in sorted(open_ones, key=lambda said: said.job.done):
            ended, until = past.job.done <= now, past.at + past.limit
            if not past.missed and (ended or now > until):
                past.missed = past.job.done > until
                self.level = conformal.level_after(self.level, missed=past.missed)
            if ended:
                self.scores.append((past.job.done - past.at - past.mean) / past.deviation)
            else:
                left.append(past)
        return left

    def _forecasts(
        self, replay: Replay, now: float, capacity: Capacity, scores: Sequence[float]
    ) -> list[Said]:
        line, front = replay.backlog(), replay.in_flight
        quantile = conformal.quantile(scores, self.level)
        said = []
        for place in chosen(len(line)):
            job = line[place - 1]
            overtaking = partial(profile.overtaking, self.profile, now, job.deadline - now)
            ahead = end(capacity, front + place, overtaking)
            if ahead is None:
                continue
            over = (job.deadline - now - ahead.mean) / ahead.deviation
            limit = ahead.mean + quantile * ahead.deviation
            said.append(
                Said(job, now, ahead.mean, ahead.deviation, max(0.0, limit), conformal.late(scores, over))
            )
        return said


def days_of(seed: int) -> list[list[Settled]]:
    """The forecasts of each judged day of a season."""
    season, watch = seasons.season(seed), Forecaster()
    counts: list[Counter[tuple[float, float]]] = []
    judged = []
    for number in range(TAUGHT + JUDGED):
        morning = season.day(number)
        latest = counts[-profile.DAYS :]
        by_day = ((*step, jobs) for day in latest for step, jobs in day.items())
        watch.profile = profile.learnt(by_day, max(1, len(latest)))
        said = watch.day(number, Replay(morning))
        counts.append(Counter(_step(job) for job in morning.jobs))
        if number >= TAUGHT:
            judged.append([past.settled() for past in said])
    return judged


def _step(job: Job) -> tuple[float, float]:
    return job.comes // STEP_SECONDS * STEP_SECONDS, round(job.deadline - job.comes)


def measure(count: int = SEASONS, mornings: int = 300, runs: int = 60) -> list[Result]:
    """Live through so many seasons, mornings and runs of files, on all cores."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        days = [day for season in pool.map(days_of, range(count)) for day in season]
        say(f"foresight: {len(days)} days of {count} seasons")
        return [*_calibrated(days), *_alarms(pool, mornings), *staffing.measure(pool, runs)]


def _calibrated(days: Sequence[Sequence[Settled]]) -> list[Result]:
    whole = calibration.of(forecast for day in days for forecast in day)
    by_day = [calibration.of(day) for day in days if len(day) >= FEW]
    held = sorted(100 * day.held for day in by_day if day.held is not None)
    tenth = quantiles(held, n=10)[0] if len(held) > 1 else 0.0
    near = [sum(abs(share - 95) <= points for share in held) / len(held) for points in (1, 3)]
    note = f"{len(by_day)} days; within 1 / 3 points of 95: {near[0]:.0%} / {near[1]:.0%}"
    return [
        _result("close calls", "Brier score", whole.brier or 0.0, "", 0.08, note=_counted(whole)),
        _result("95 %", "limits that held", 100 * (whole.held or 0.0), "%", 93.0, at_most=False),
        _result("95 %", "the same", 100 * (whole.held or 0.0), "%", 97.0),
        _result("95 %", "limits that held on the median day", median(held), "%", None, note=note),
        _result("95 %", "limits that held on nine of ten days", tenth, "%", 90.0, at_most=False),
        _result("95 %", "limit over the actual end, median", whole.width or 0.0, "", 1.4),
    ]


def _counted(whole: Calibration) -> str:
    return f"{whole.close:,} close calls of {whole.forecasts:,} forecasts"


def _alarms(pool: Executor, mornings: int) -> list[Result]:
    seeds = range(forecast.FIRST_SEED, forecast.FIRST_SEED + mornings)
    records = list(pool.map(forecast.replay, seeds, chunksize=4))
    say(f"foresight: {len(records)} mornings")
    breaches = [breach for record in records for breach in record.breaches]
    knowable = [breach for breach in breaches if breach.knowable]
    alarms = sum(record.alarms for record in records)
    false = sum(record.false_alarms for record in records)
    return [
        _alarm("knowable breaches", sum(breach.announced for breach in knowable), len(knowable)),
        _alarm("all breaches", sum(breach.announced for breach in breaches), len(breaches)),
        _result("alarms", "came to nothing", _share(false, alarms), "%", 10.0, note=f"{false} of {alarms}"),
    ]


def _alarm(what: str, announced: int, breaches: int) -> Result:
    note = f"{announced} of {breaches}"
    share = _share(announced, breaches)
    return _result("alarms", f"{what}, five minutes ahead", share, "%", 90.0, at_most=False, note=note)


def _result(
    name: str, what: str, value: float, unit: str, bar: float | None, *, at_most: bool = True, note: str = ""
) -> Result:
    return Result(f"foresight {name}", what, value, unit, bar, None, at_most, note)


def _share(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
