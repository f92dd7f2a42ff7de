"""The rate of now: it follows a change within a minute, in whatever order events are heard."""

from __future__ import annotations

import random
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hms_ops.stats.current_rate import DECAY_SECONDS, RecentRate
from hms_ops.stats.sliding_window import Window


def rate(events: list[float], now: float) -> float:
    """The rate of now after these events."""
    recent = RecentRate()
    for event in events:
        recent.add(event)
    return recent.per_second(now)


def test_a_change_of_throughput_shows_within_a_minute() -> None:
    """After a minute at 240 a minute it says 228 or more, and after a minute of 40 no more than 60."""
    slow = [1.5 * number for number in range(400)]
    fast = [600 + 0.25 * number for number in range(240)]
    assert 60 * rate(slow, 600) == pytest.approx(40, rel=0.05)
    assert 60 * rate(slow + fast, 660) > 228
    again = [660 + 1.5 * number for number in range(40)]
    assert 60 * rate(slow + fast + again, 720) < 60
    assert rate([], 5.0) == 0.0


@given(st.lists(st.floats(0, 300), max_size=40), st.randoms(use_true_random=False))
def test_it_is_the_formula_in_any_order(events: list[float], dice: random.Random) -> None:
    """The sum of the weights of all events, divided by the time constant."""
    expected = sum(exp((event - 300) / DECAY_SECONDS) for event in events) / DECAY_SECONDS
    dice.shuffle(events)
    assert rate(events, 300) == pytest.approx(expected)


def test_the_last_whole_minute_is_counted() -> None:
    """Every value of it once, those of the five seconds that go on not yet; minutes follow one another."""
    window = Window()
    for number in range(1300):
        window.add(1000 + 0.1 * number, 1.0)
    assert [window.last_minute(now) for now in (1060.0, 1064.9, 1120.0)] == [600, 600, 600]
    assert window.last_minute(1128.0) == 600
    assert window.last_minute(5000.0) == 0
