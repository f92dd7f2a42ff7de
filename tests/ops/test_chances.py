"""When to call: the chance that a deadline is missed, by how much works vary; pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hms_ops.forecast import chances
from hms_ops.forecast.capacity import Capacity
from hms_ops.forecast.forecast import forecast
from hms_ops.forecast.snapshot import QueueSnapshot, Snapshot
from hms_ops.rules import forecast as rule

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
#: Two slots of a job each ten seconds, of which all are as long on average as they vary.
CAPACITY = Capacity(2, 0.1, trusted=True, counted=400, variation=1.0)

lines = st.lists(st.tuples(st.integers(1, 7200), st.integers(1, 60)), min_size=1, max_size=12).map(sorted)
capacities = st.builds(
    Capacity,
    st.integers(1, 8),
    st.sampled_from((0.01, 0.05, 0.2)),
    counted=st.sampled_from((10, 400)),
    variation=st.sampled_from((0.0, 0.3, 1.0, 4.0)),
)


def due(*jobs: tuple[float, int]) -> list[tuple[datetime, int]]:
    """A histogram from (seconds from now, jobs)."""
    return [(NOW + timedelta(seconds=seconds), count) for seconds, count in jobs]


def risk(line: list[tuple[float, int]], capacity: Capacity = CAPACITY) -> float:
    """The highest chance of a line."""
    highest = chances.riskiest(due(*line), capacity, NOW, NOW)
    assert highest is not None
    return highest.chance


def judged(late_chance: float | None, late: int = 3) -> str:
    """What the rule makes of a queue with so many late jobs: `holds`, `unknown` or `clear`."""
    ahead = forecast(due((600, 1)), CAPACITY, NOW)
    ahead = replace(ahead, late=late, first_late=NOW, late_chance=late_chance, riskiest=NOW)
    snapshot = Snapshot(NOW, [QueueSnapshot("shop", 10.0, waiting=5, forecast=ahead)])
    if rule.judge(snapshot, lambda name, _: rule.DEFAULTS[name]):
        return "holds"
    return "unknown" if rule.unknown(snapshot) else "clear"


def test_a_line_that_just_fits_is_as_likely_late_as_not() -> None:
    """At its mean a normal sum has half of its chance behind it, and far from it none or all."""
    assert risk([(300.0, 60)]) == pytest.approx(0.5)
    assert risk([(600.0, 60)]) < 0.01
    assert risk([(150.0, 60)]) > 0.99


def test_the_binding_deadline_is_the_one_most_likely_missed() -> None:
    """Forty jobs that are due in five minutes fit, eighty more in six do not."""
    highest = chances.riskiest(due((300, 40), (360, 80), (3600, 1)), CAPACITY, NOW, NOW)
    assert highest is not None
    assert highest.deadline == NOW + timedelta(seconds=360)


def test_what_cannot_be_taken_back_any_more_is_late() -> None:
    """Of those that were given up, one due within three works is lost; one due later may still be saved."""
    line = due((20, 1), (3600, 10))
    soon = chances.riskiest(line, CAPACITY, NOW, NOW, given_up=due((20, 1)))
    later = chances.riskiest(line, CAPACITY, NOW, NOW, given_up=due((3600, 10)))
    assert soon == chances.Risk(1.0, NOW + timedelta(seconds=20))
    assert later is not None
    assert later.chance < 0.5


def test_nothing_is_told_of_works_that_were_not_measured() -> None:
    """Without a variation nobody knows, nor without a deadline ahead; without a slot all are late."""
    assert chances.riskiest(due((60, 100)), replace(CAPACITY, variation=None), NOW, NOW) is None
    assert chances.riskiest(due((-60, 100)), CAPACITY, NOW, NOW) is None
    assert risk([(3600.0, 1)], CAPACITY.with_slots(-2)) == 1.0


@given(lines, capacities, st.integers(0, 11), st.integers(1, 60))
def test_more_work_ahead_is_more_likely_late(
    line: list[tuple[float, int]], capacity: Capacity, place: int, more: int
) -> None:
    """The chance never falls when jobs join the line."""
    place = min(place, len(line) - 1)
    longer = [(due, jobs + more if number == place else jobs) for number, (due, jobs) in enumerate(line)]
    assert risk(longer, capacity) >= risk(line, capacity) - 1e-12


@given(lines, capacities, st.integers(1, 3600))
def test_later_deadlines_are_less_likely_missed(
    line: list[tuple[float, int]], capacity: Capacity, seconds: int
) -> None:
    """The chance never grows when all deadlines are later."""
    postponed = [(due + seconds, jobs) for due, jobs in line]
    assert risk(postponed, capacity) <= risk(line, capacity) + 1e-12


@given(lines, capacities)
def test_who_is_called_has_late_jobs(line: list[tuple[float, int]], capacity: Capacity) -> None:
    """A chance above a half is that of a line whose forecast has a late job."""
    if risk(line, capacity) > 0.5 + 1e-6:
        assert forecast(due(*line), capacity, NOW).late


def test_the_rule_holds_from_its_chance_on_and_is_clear_below_a_half() -> None:
    """Between the two it neither holds nor is clear, so that an incident does not flap."""
    assert [judged(chance) for chance in (0.95, 0.7, 0.69, 0.5, 0.49)] == [
        *("holds", "holds", "unknown", "unknown", "clear")
    ]


def test_without_a_chance_the_throughput_alone_decides() -> None:
    """What was called for before is called for still, while works were not measured."""
    assert (judged(None), judged(None, late=0)) == ("holds", "clear")
