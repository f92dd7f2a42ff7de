"""The forecast, on mornings replayed from their seeds: what was announced in time, and what never came.

Each look of a replay goes through the product's own code: the throughput, the demand sum, the rule. Its
incident opens when the rule has held for `for_seconds`, and ends when it has been clear for `clear_seconds`;
found again soon after it is the same one. Nobody does anything about it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import floor, inf, log1p

from benchmarks import mornings
from benchmarks.mornings import Look, Morning, Replay
from benchmarks.results import Result
from benchmarks.rounds import say
from hms_oms.order.foresight import chance
from hms_ops.forecast.forecast import forecast
from hms_ops.forecast.snapshot import QueueSnapshot, Snapshot
from hms_ops.forecast.throughput import Throughput
from hms_ops.rules import forecast as rule

#: What a call in time is, in seconds.
AHEAD_SECONDS = 300.0
#: Late jobs no further apart than this belong to the same breach, in seconds.
APART_SECONDS = 900.0
#: An alarm was true if a job became late while it stood, or up to so many seconds after the moment it named.
GRACE_SECONDS = 900.0
#: An incident that is found again within this time is reopened, as in the product by default, in seconds.
REOPEN_SECONDS = 900.0
#: The seeds below this were used to choose the rule's thresholds; results are from those above.
FIRST_SEED = 1000

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Alarm:
    """An incident of the forecast rule: `first_late` is what it named when it opened."""

    opened: float
    first_late: float
    resolved: float = inf

    def stands(self, at: float) -> bool:
        """Whether it was open at that moment."""
        return self.opened <= at < self.resolved


@dataclass(frozen=True)
class Breach:
    """Jobs of one morning that really became late, the first at `first`.

    `announced` five minutes ahead or not. It was `knowable` if the jobs that were there five minutes ahead,
    done by the workers of then and each taking the time of an average one, would have become late.
    """

    seed: int
    first: float
    jobs: int
    announced: bool
    knowable: bool


@dataclass(frozen=True)
class Record:
    """What became of one morning."""

    breaches: Sequence[Breach]
    alarms: int
    false_alarms: int


def measure(count: int) -> list[Result]:
    """Replay so many mornings, on all cores."""
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return results(list(pool.map(replay, seeds, chunksize=4)))


def results(records: Sequence[Record]) -> list[Result]:
    """The two figures that have bars, with what they are made of."""
    breaches = [breach for record in records for breach in record.breaches]
    knowable = [breach for breach in breaches if breach.knowable]
    announced = sum(breach.announced for breach in breaches)
    foretold = sum(breach.announced for breach in knowable)
    alarms = sum(record.alarms for record in records)
    false_alarms = sum(record.false_alarms for record in records)
    quiet = [record for record in records if not record.breaches]
    say(f"forecast: {len(records)} mornings, {len(breaches)} breaches, {alarms} alarms")
    return [
        Result(
            "forecast ahead",
            "knowable breaches announced at least five minutes ahead",
            _percent(foretold, len(knowable)),
            "%",
            bar=90.0,
            note=f"{foretold} of {len(knowable)}; of all breaches {announced} of {len(breaches)}",
            detail={
                "mornings": len(records),
                "breaches": len(breaches),
                "announced": announced,
                "knowable": len(knowable),
                "knowable_announced": foretold,
            },
        ),
        Result(
            "forecast false",
            "announcements that nothing came of",
            _percent(false_alarms, alarms),
            "%",
            bar=10.0,
            at_most=True,
            note=f"{false_alarms} of {alarms}",
            detail={
                "alarms": alarms,
                "false_alarms": false_alarms,
                "mornings_without_breach": len(quiet),
                "of_these_with_an_alarm": sum(record.alarms > 0 for record in quiet),
            },
        ),
    ]


def replay(seed: int) -> Record:
    """Live through the morning of a seed, and compare what was announced with what came."""
    morning = mornings.morning(seed)
    alarms = watch(Replay(morning).looks())
    late = sorted(job.deadline for job in morning.jobs if job.late)
    false = sum(not _came_true(alarm, late) for alarm in alarms)
    return Record([_breach(morning, moments, alarms) for moments in _episodes(late)], len(alarms), false)


def watch(looks: Iterator[Look]) -> list[Alarm]:
    """The incidents of the forecast rule over a morning."""
    throughput = Throughput()
    alarms: list[Alarm] = []
    held_since = clear_since = inf
    for look in looks:
        judged = _judged(look, throughput)
        standing = bool(alarms) and alarms[-1].resolved == inf
        if judged is None:
            continue
        if judged == inf:
            held_since, clear_since = inf, min(clear_since, look.now)
            if standing and look.now - clear_since >= rule.DEFAULTS["clear_seconds"]:
                alarms[-1].resolved = look.now
            continue
        held_since, clear_since = min(held_since, look.now), inf
        if standing or look.now - held_since < rule.DEFAULTS["for_seconds"]:
            continue
        if alarms and look.now - alarms[-1].resolved <= REOPEN_SECONDS:
            alarms[-1].resolved = inf
        else:
            alarms.append(Alarm(look.now, judged))
    return alarms


def _judged(look: Look, throughput: Throughput) -> float | None:
    """What the product makes of one look: from when jobs will be late, infinite if none; None if unknown."""
    now = moment(look.now)
    jobs = sum(count for _, _, count in look.deadlines)
    throughput.look(now, look.finished, min(look.slots, jobs))
    capacity = throughput.capacity(look.slots)
    outlook = None
    if capacity is not None:
        capacity = capacity.varying(None if look.works is None else chance.variation(look.works))
        outlook = forecast(list(_counted(look)), capacity, now)
    queue = QueueSnapshot("farm-grant", None, waiting=jobs, slots=look.slots, forecast=outlook)
    snapshot = Snapshot(now, [queue])
    if rule.judge(snapshot, lambda name, _: rule.DEFAULTS[name]):
        assert outlook is not None
        assert outlook.first_late is not None
        return (outlook.first_late - MIDNIGHT).total_seconds()
    return None if rule.unknown(snapshot) else inf


def _counted(look: Look) -> Iterator[tuple[datetime, int]]:
    """The deadlines as the product counts them: the nearer, the finer, and each cell as its earliest one."""
    cells: dict[tuple[bool, int], tuple[float, int]] = {}
    for later, deadline, jobs in look.deadlines:
        cell = later, floor(64 * log1p(deadline - look.now)) if deadline >= look.now else -1
        earliest, before = cells.get(cell, (deadline, 0))
        cells[cell] = earliest, before + jobs
    for deadline, jobs in cells.values():
        yield moment(deadline), jobs


def _came_true(alarm: Alarm, late: Sequence[float]) -> bool:
    resolved = 0.0 if alarm.resolved == inf else alarm.resolved
    until = max(resolved, alarm.first_late + GRACE_SECONDS)
    return any(alarm.opened <= moment <= until for moment in late)


def _episodes(late: Sequence[float]) -> list[list[float]]:
    """Breaches: the moments at which jobs became late, cut where nothing happened for long."""
    episodes: list[list[float]] = []
    for moment in late:
        if episodes and moment - episodes[-1][-1] <= APART_SECONDS:
            episodes[-1].append(moment)
        else:
            episodes.append([moment])
    return episodes


def _breach(morning: Morning, moments: Sequence[float], alarms: Sequence[Alarm]) -> Breach:
    ahead = moments[0] - AHEAD_SECONDS
    return Breach(
        morning.seed,
        moments[0],
        len(moments),
        announced=any(alarm.stands(ahead) for alarm in alarms),
        knowable=_was_overloaded(morning, ahead),
    )


def _was_overloaded(morning: Morning, at: float) -> bool:
    known = morning.as_known(at)
    Replay(known).until(inf)
    return any(job.late and job.deadline >= at for job in known.jobs)


def moment(seconds: float) -> datetime:
    """So many seconds after midnight."""
    return MIDNIGHT + timedelta(seconds=seconds)


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
