"""When jobs of a line end, on average and how sure that is; pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hms_oms.order.foresight.profile import NOTHING, Count
from hms_ops.forecast.capacity import Capacity
from hms_ops.forecast.ends import End, end
from hms_ops.foresight.places import JOBS, chosen

CAPACITY = Capacity(2, 0.1, counted=400, variation=1.0)


def after(place: int, jobs_a_second: float = 0.0, capacity: Capacity = CAPACITY) -> End:
    """When the job at a place ends if so many overtake it a second."""
    ends = end(capacity, place, lambda seconds: Count(jobs_a_second * seconds, jobs_a_second * seconds))
    assert ends is not None
    return ends


def test_a_job_ends_when_those_before_it_have_and_then_takes_its_time() -> None:
    """Two slots of ten seconds: the first two end after ten, the twelfth begins when ten others are done."""
    assert [after(place).mean for place in (1, 2, 12)] == pytest.approx([10, 10, 60])
    assert after(12).deviation > after(1).deviation >= 10


def test_those_that_overtake_it_hold_it_up() -> None:
    """At half of what two slots do, a wait is twice as long in the end."""
    assert after(12, 0.1).mean == pytest.approx(10 + 50 * 2, rel=0.02)
    assert after(12, 0.1).deviation > after(12).deviation


def test_nobody_knows_when_nothing_is_done() -> None:
    """Without a slot, a throughput or a variation there is no end."""
    for capacity in (CAPACITY.with_slots(-2), CAPACITY.varying(None), CAPACITY.limited(0.0)):
        assert end(capacity, 3, lambda _: NOTHING) is None


def test_under_a_limit_of_starts_no_end_is_certain() -> None:
    """Works of a millisecond say nothing of how the limit goes on: a twentieth of the time is left open."""
    quick = Capacity(8, 1000.0, counted=400, variation=0.1).limited(10.0)
    ahead = after(1000, capacity=quick)
    assert ahead.mean == pytest.approx(99.2, rel=0.01)
    assert ahead.deviation == pytest.approx(ahead.mean / 20)


@given(st.integers(1, 500), st.integers(1, 100), st.floats(0, 0.15))
def test_a_later_place_ends_later_and_less_surely(place: int, more: int, jobs_a_second: float) -> None:
    """However many overtake."""
    near, far = after(place, jobs_a_second), after(place + more, jobs_a_second)
    assert far.mean >= near.mean
    assert far.deviation >= near.deviation


@given(st.integers(0, 3000))
def test_forecasts_are_made_of_the_last_job_and_some_before_it(jobs: int) -> None:
    """Of as many as there are at most, each once."""
    places = chosen(jobs)
    assert places == sorted(set(places))
    assert len(places) == min(jobs, JOBS)
    assert not jobs or (places[0] >= 1 and places[-1] == jobs)
