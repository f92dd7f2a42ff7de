"""Forecasts of queues made up by their seeds, as time goes by: what is worse is never said to be better."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hms_oms.order.foresight import chance, conformal
from hms_oms.order.foresight.profile import NOTHING, Arrivals, Count, overtaking
from hms_ops.forecast import ends, forecast
from hms_ops.forecast.capacity import Capacity

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
#: So many queues are foreseen for a seed.
QUEUES = 30
#: Sums of floats are as exact as this.
CLOSE = 1e-9

Line = Sequence[tuple[datetime, int]]


def wrong(seed: int) -> list[str]:
    """Foresee the queues of a seed."""
    dice = random.Random(f"forecasts {seed}")
    return [sentence for _ in range(QUEUES) for sentence in _queue(dice)]


def _queue(dice: random.Random) -> Iterator[str]:
    capacity = Capacity(
        dice.randint(1, 12),
        dice.choice((0.01, 0.1, 1.0)),
        most=dice.choice((None, None, dice.uniform(0.01, 2.0))),
        started=dice.randint(0, 20),
        counted=dice.choice((0, 20, 400)),
        variation=dice.choice((0.0, 0.3, 4.0)),
    )
    line = [
        (NOW + timedelta(seconds=dice.randint(1, 7200)), dice.randint(1, 60))
        for _ in range(dice.randint(1, 12))
    ]
    line.sort()
    about = f"{capacity}, {line}"
    yield from (f"{about}: {sentence}" for sentence in _waiting(dice, capacity, line))
    yield from (f"{about}: {sentence}" for sentence in _ends(dice, capacity))
    scores = sorted(dice.gauss(0, 1.5) for _ in range(dice.choice((3, 100, 400))))
    yield from _chances(
        f"{len(scores)} scores", [conformal.late(scores, -over / 4) for over in range(-20, 21)]
    )


def _waiting(dice: random.Random, capacity: Capacity, line: Line) -> Iterator[str]:
    """Of a line that nobody works at: the longer, the more will be late, and the more likely."""
    first, jobs = line[0][0], sum(count for _, count in line)
    seconds = sorted(dice.uniform(0, (first - NOW).total_seconds()) for _ in range(6))
    looks = [forecast.forecast(line, capacity, NOW + timedelta(seconds=at)) for at in [0.0, *seconds]]
    yield from _chances("later", [look.late_chance or 0.0 for look in looks])
    yield from (f"{look.late} of {jobs} are late" for look in looks if not 0 <= look.late <= jobs)
    if any(after.late < before.late for before, after in pairwise(looks)):
        yield f"fewer are late as time goes by: {[look.late for look in looks]}"
    more = [forecast.forecast(line, capacity.with_slots(slots), NOW) for slots in range(4)]
    if any(after.late > before.late for before, after in pairwise(more)):
        yield f"more are late with more slots: {[look.late for look in more]}"
    for look in looks:
        if look.late and look.first_late is None:
            yield f"{look.late} are late, and nobody knows from when"
        if look.riskiest is not None and look.riskiest not in {deadline for deadline, _ in line}:
            yield f"nothing is due at {look.riskiest}"


def _ends(dice: random.Random, capacity: Capacity) -> Iterator[str]:
    """Of the jobs of a line: who stands farther back ends later, and has ended by a time the more likely."""
    profile = [
        Arrivals(900.0 * step, dice.uniform(0, 3600), dice.uniform(0, 40), dice.uniform(0, 100))
        for step in range(30, 40)
    ]
    due, is_overtaken = dice.uniform(0, 7200), dice.random() < 0.5

    def overtake(seconds: float) -> Count:
        return overtaking(profile, 900.0 * 32, due, seconds) if is_overtaken else NOTHING

    foreseen = [ends.end(capacity, place, overtake) for place in (1, 2, 5, 20, 100)]
    known = [end for end in foreseen if end is not None]
    if any(after.mean < before.mean - CLOSE for before, after in pairwise(known)):
        yield f"who stands farther back ends earlier: {known}"
    for end in known:
        if end.deviation < 0:
            yield f"{end} varies by less than nothing"
        times = [end.mean * share / 10 for share in range(31)]
        late = [chance.of_lateness(end.mean, end.deviation, time) for time in times]
        yield from _chances(f"by a later time, of {end}", late[::-1])
    done = [capacity.done_within(float(seconds)) for seconds in range(0, 600, 20)]
    if any(after < before for before, after in pairwise(done)):
        yield f"less is done in more time: {done}"
    for place in (1, 7, 60):
        if capacity.done_within(capacity.seconds_until(place)) < place - 1e-6:
            yield f"the job at {place} is done when fewer are"


def _chances(about: str, rising: Sequence[float]) -> Iterator[str]:
    """What is to be chances that never fall."""
    yield from (f"{about}: {share} is no chance" for share in rising if not 0.0 <= share <= 1.0)
    if any(after < before - CLOSE for before, after in pairwise(rising)):
        yield f"{about}: a chance falls: {[round(share, 6) for share in rising]}"
