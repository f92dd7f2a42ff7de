"""How many slots a queue should have: with a value at any time, enough in time, and none that would idle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from hms_ops.forecast import scaling
from hms_ops.forecast.forecast import Histogram
from hms_ops.forecast.scaling import READY_SECONDS, Load, slots

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)
Minutes = Sequence[tuple[float, int]]


def due(*line: tuple[float, int]) -> Histogram:
    """Open jobs by minutes until their deadline."""
    return [(NOW + timedelta(minutes=minutes), jobs) for minutes, jobs in line]


def test_there_is_a_value_without_workers_and_when_idle() -> None:
    """Nothing open: none. Nothing known of the throughput: one to learn it, and what is there stays."""
    assert slots(Load([], 0, 0, None), NOW) == 0
    assert slots(Load([], 0, 8, 0.1), NOW) == 0
    assert slots(Load(due((30, 500)), 0, 0, None), NOW) == 1
    assert slots(Load(due((30, 500)), 8, 8, None), NOW) == 8
    assert slots(Load(due((30, 3)), 3, 8, None), NOW) == 3
    assert slots(Load(due((30, 500)), 0, 0, 0.1), NOW) > 1


def test_as_many_as_the_deadlines_ask_for() -> None:
    """1,200 jobs of ten seconds in twenty minutes, of which 70 % are aimed at: 15 slots at least."""
    assert slots(Load(due((20, 1200)), 0, 15, 0.1), NOW) == 15
    # Those that come up first lose a minute of fourteen.
    assert slots(Load(due((20, 1200)), 0, 0, 0.1), NOW) == 16
    assert slots(Load(due((20, 1200)), 0, 40, 0.1), NOW) == 15
    assert slots(Load(due((20, 10), (60, 10)), 0, 0, 0.1), NOW) == 1


def test_late_jobs_are_worked_off_too() -> None:
    """No deadline of theirs can be held, and an autoscaler that asked for none would leave them for good."""
    late = Load(due((-5, 600)), 0, 0, 0.1)
    assert slots(late, NOW) == 17
    assert slots(replace(late, sla_minutes=5), NOW) > slots(late, NOW)


def test_none_would_idle() -> None:
    """No more than there are jobs, than a limit keeps busy, or than have begun if none may start."""
    load = Load(due((20, 400)), 4, 4, 0.01)
    assert slots(load, NOW) > 40
    assert slots(replace(load, histogram=due((3, 5))), NOW) <= 5
    assert slots(replace(load, most=0.05), NOW) == 5
    assert slots(replace(load, held=True), NOW) <= 4
    assert slots(replace(load, held=True, begun=0), NOW) == 0


lines = some.lists(some.tuples(some.floats(-60, 300), some.integers(1, 500)), max_size=6)
loads = some.builds(
    Load,
    lines.map(lambda line: due(*line)),
    some.just(0),
    some.integers(0, 50),
    some.none() | some.floats(1e-3, 10),
    some.none() | some.floats(0.1, 600),
    some.none() | some.floats(0.001, 10),
    some.booleans(),
)


@given(loads)
def test_the_number_is_always_usable(load: Load) -> None:
    """A whole number, never more than jobs, never none while a job may start."""
    jobs = sum(count for _, count in load.histogram)
    number = slots(load, NOW)
    assert 0 <= number <= jobs
    assert number >= 1 or jobs == 0 or load.held


@given(lines.filter(bool), some.floats(0.01, 1), some.integers(0, 20))
@example([(5e-324, 1), (62 / 42, 24)], 1.0, 0)
def test_so_many_slots_hold_what_can_be_held(line: Minutes, per_slot: float, present: int) -> None:
    """Deadlines that new workers can meet are met in the time that is aimed at."""
    number = slots(Load(due(*line), 0, present, per_slot), NOW)
    jobs = sum(count for _, count in line)
    before = 0
    for minutes, count in sorted(line):
        before += count
        aimed = scaling.AIM * 60 * minutes
        if minutes <= 0 or aimed < READY_SECONDS + 2 / per_slot:
            continue
        # A deadline that is less than a microsecond away is now.
        due_by_then = sum(
            item for at, item in line if timedelta(0) < timedelta(minutes=at) <= timedelta(minutes=minutes)
        )
        early = min(present, number) * per_slot * READY_SECONDS
        done = early + number * per_slot * (aimed - READY_SECONDS) if number < jobs else inf
        assert done + 1e-3 >= due_by_then


@pytest.mark.parametrize("seconds", [0.0, 30.0, 59.0])
def test_of_a_deadline_that_is_too_near_nothing_more_is_asked(seconds: float) -> None:
    """Workers that come up after it do not help with it."""
    near = [(NOW + timedelta(seconds=seconds + 1), 400)]
    assert slots(Load(near, 4, 4, 0.1), NOW) == 4
