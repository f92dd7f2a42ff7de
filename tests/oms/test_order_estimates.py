"""Estimates of works: measured if that is enough, calibrated, and never below what has been seen."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hms_oms.order.estimates import (
    ENOUGH,
    KEPT,
    Calibration,
    Estimate,
    bucket,
    estimate,
    measured,
    unmeasured,
)
from hms_oms.order.policy import RESERVED, Credit, Policy

WORKS = st.lists(st.floats(0.01, 1e4), min_size=ENOUGH, max_size=3 * KEPT)


@given(WORKS)
def test_nine_of_ten_stay_below_the_upper_quantile(works: list[float]) -> None:
    """Of the latest works at least nine in ten are at most `upper`; one step lower it would be fewer."""
    latest = works[-KEPT:]
    value = measured(works)
    assert value is not None
    assert value.mean == pytest.approx(sum(latest) / len(latest))
    assert sum(work <= value.upper for work in latest) >= 0.9 * len(latest)
    assert sum(work < value.upper for work in latest) < 0.9 * len(latest)


def test_old_works_are_forgotten() -> None:
    """Works from before the latest count no more."""
    assert measured([1000.0] * 50 + [2.0] * KEPT) == Estimate(2.0, 2.0)


def test_what_is_not_measured_is_estimated_as_the_queue_and_then_as_the_recipe_says() -> None:
    """Seven works are too few, of a cell as of a queue."""
    few, many = [1.0] * (ENOUGH - 1), [5.0] * ENOUGH
    assert estimate(many, few, 9.0) == Estimate(5.0, 5.0)
    assert estimate(few, many, 9.0) == Estimate(5.0, 5.0)
    assert estimate(few, few, 9.0) == unmeasured(9.0)


def test_the_factor_corrects_estimates_that_are_wrong_in_one_direction() -> None:
    """After 300 jobs that took twice as long as estimated it is close to two; a few jobs do little."""
    calibration = Calibration()
    assert calibration.factor == 1.0
    dice = random.Random(1)
    for jobs in range(1, 301):
        size = dice.choice((1.0, 4.0))
        calibration = calibration.after(2 * size * dice.uniform(0.5, 1.5), size)
        if jobs == 2:
            assert calibration.factor < 1.4
    assert calibration.factor == pytest.approx(2.0, rel=0.15)


@given(st.integers(1, 400), st.integers(0, 1000))
def test_right_estimates_are_not_corrected(jobs: int, seed: int) -> None:
    """While works vary about their estimate, the factor stays at one exactly: no plan changes by it."""
    dice, calibration = random.Random(seed), Calibration()
    for _ in range(jobs):
        calibration = calibration.after(dice.uniform(0.7, 1.3), 1.0)
    assert calibration.factor == 1.0


@given(st.floats(1e-6, 1e12))
def test_a_bucket_is_a_quarter_of_an_octave(size: float) -> None:
    """Twice the size is four buckets on, and all buckets fit into a small integer."""
    assert bucket(2 * size) == bucket(size) + 4
    assert bucket(0.0) == bucket(-1.0) < bucket(1e-300)


def test_given_up_jobs_get_a_twentieth_of_the_work() -> None:
    """Large jobs that were given up are taken as seldom as they are large."""
    credit, taken = Credit(), 0.0
    for _ in range(10_000):
        credit.earn(1.0)
        if credit.spend(7.0):
            taken += 7.0
    assert taken == pytest.approx(10_000 * RESERVED, abs=7.0)
    credit.clear()
    assert not credit.spend(0.1)


def test_policies_are_named_as_people_type_them() -> None:
    """`most-on-time` is the default of a queue."""
    assert [str(policy) for policy in Policy] == ["most-on-time", "deadline", "fifo", "defer"]
