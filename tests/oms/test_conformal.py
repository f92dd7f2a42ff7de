"""Limits that hold in 95 of 100 cases, the daily profile under them, and how both are judged; all pure."""

from __future__ import annotations

import random
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hms_oms.order.foresight import calibration, chance, conformal, profile
from hms_oms.order.foresight.calibration import Settled

scores = st.lists(st.floats(-5, 5), min_size=conformal.ENOUGH, max_size=300).map(sorted)
levels = st.floats(conformal.LEAST, conformal.MOST)
steps = st.lists(
    st.tuples(st.integers(0, 95).map(lambda step: 900.0 * step), st.sampled_from((600.0, 3600.0))).flatmap(
        lambda place: st.tuples(st.just(place[0]), st.just(place[1]), st.integers(1, 50))
    ),
    max_size=20,
)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.floats(-2, 3),
    st.floats(0.5, 3),
    st.sampled_from(("gauss", "expovariate")),
)
def test_coverage_converges_when_what_comes_is_another_distribution(
    seed: int, shift: float, scale: float, kind: str
) -> None:
    """After a third of the way the scores move elsewhere; in the long run 95 of 100 limits hold."""
    dice, level = random.Random(seed), conformal.MISSED
    latest: list[float] = []
    ordered: list[float] = []
    held: list[bool] = []
    for number in range(9000):
        score = dice.gauss(0, 1) if kind == "gauss" else dice.expovariate(1)
        score = shift + scale * score if number >= 3000 else score
        if number % 50 == 0:
            ordered = sorted(latest[-conformal.KEPT :])
        held.append(score <= conformal.quantile(ordered, level))
        level = conformal.level_after(level, missed=not held[-1])
        latest.append(score)
    assert sum(held) / len(held) == pytest.approx(0.95, abs=0.015)
    # The level swings for a while before it settles.
    assert sum(held[-3000:]) / 3000 == pytest.approx(0.95, abs=0.025)


@given(scores, levels, levels)
def test_a_higher_level_is_a_nearer_limit(ordered: list[float], level: float, other: float) -> None:
    """Who may miss more often says an earlier limit."""
    low, high = sorted((level, other))
    assert conformal.quantile(ordered, high) <= conformal.quantile(ordered, low)


@given(scores, st.floats(-6, 6), st.floats(0, 6))
def test_more_room_is_a_lower_chance(ordered: list[float], over: float, more: float) -> None:
    """The chance is one, never falls below none, and shrinks as the deadline moves away."""
    assert 0 < conformal.late(ordered, over + more) <= conformal.late(ordered, over) < 1


def test_before_enough_is_settled_works_are_normal() -> None:
    """Ninety-nine scores say nothing yet, whatever they are."""
    few = [9.0] * (conformal.ENOUGH - 1)
    assert conformal.quantile(few, 0.05) == chance.SURE
    assert conformal.late(few, chance.SURE) == pytest.approx(0.05)
    assert conformal.late(few, -inf) == 1.0
    assert conformal.quantile([*few, 9.0], 0.05) == 9.0


@given(steps, st.floats(0, 86399), st.floats(0, 20000), st.floats(0, 20000), st.floats(0, 9000))
def test_the_longer_a_job_waits_the_more_overtake_it(
    counts: list[tuple[float, float, int]], now: float, deadline: float, seconds: float, more: float
) -> None:
    """So do more with a later deadline; and never more than come in all."""
    learnt = profile.learnt(counts, 1)
    before = profile.overtaking(learnt, now, deadline, seconds)
    assert profile.overtaking(learnt, now, deadline, seconds + more).jobs >= before.jobs - 1e-9
    assert profile.overtaking(learnt, now, deadline + more, seconds).jobs >= before.jobs - 1e-9
    assert before.jobs <= sum(jobs for _, _, jobs in counts) + 1e-9
    assert before.variance >= before.jobs - 1e-9 if before.jobs else True


def test_a_profile_is_of_an_average_day() -> None:
    """Ten and thirty jobs in one step on two days are twenty, and a third of it in five minutes."""
    learnt = profile.learnt([(28800.0, 600.0, 10), (28800.0, 600.0, 30)], 2)
    assert learnt == [profile.Arrivals(28800.0, 600.0, 20.0, 100.0)]
    assert profile.overtaking(learnt, 28800.0, 3600.0, 300.0).jobs == pytest.approx(20 / 3)
    # None of those is due before it, that come too late for that.
    assert profile.overtaking(learnt, 28800.0, 600.0, 300.0).jobs == 0.0
    # What comes at eight comes on the next day, too.
    assert profile.overtaking(learnt, 86100.0, 10**6, 300.0 + 28800.0 + 900.0).jobs == pytest.approx(20)


def test_calibration_counts_what_was_said_against_what_came() -> None:
    """Of two close calls one was late; three of four limits held, at twice the time in the median."""
    settled = [
        Settled(100, 200, 100, 0.8, 110),
        Settled(100, 200, 120, 0.3, 100),
        Settled(10, 20, 1000, 0.0, 10),
        Settled(10, 20, 1000, 0.1, 40),
        Settled(10, None, -5, 1.0, 40),
    ]
    result = calibration.of(settled)
    assert (result.forecasts, result.close, result.limits, result.held) == (5, 2, 4, 0.75)
    assert result.brier == pytest.approx((0.2**2 + 0.3**2) / 2)
    assert result.width == pytest.approx((200 / 110 + 2) / 2)
    assert calibration.of([]) == calibration.Calibration(0, 0, None, 0, None, None)
