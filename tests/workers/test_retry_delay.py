"""Whether a step that has failed is tried again, and after how long."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hms_oms.jobs.outcomes import Retry
from hms_oms.recipes.steps.step import RetryPolicy
from workers.failing import delay

POLICY = RetryPolicy(attempts=5, base_seconds=3.0, factor=2.0, max_seconds=20.0, jitter=0.5)


@pytest.mark.parametrize(
    ("failures", "chance", "seconds"),
    [
        (0, 0.0, 3.0),
        (1, 0.0, 6.0),
        (2, 0.0, 12.0),
        (3, 0.0, 20.0),
        (0, 1.0, 4.5),
        (3, 0.5, 25.0),
        (4, 0.0, None),
    ],
)
def test_waits_grow_up_to_a_bound_and_attempts_come_to_an_end(
    failures: int, chance: float, seconds: float | None
) -> None:
    """Some chance is added, so that what failed at once does not come back at once."""
    assert delay(POLICY, OSError(), failures, chance) == seconds
    assert delay(POLICY, OSError(), 5, chance) is None


def test_a_step_may_say_when_it_is_tried_again() -> None:
    """Whatever the errors of its policy; without a time it waits as others do."""
    strict = RetryPolicy(attempts=2, base_seconds=3.0, errors=("OSError",))
    assert delay(strict, Retry("not yet", after=timedelta(seconds=90)), 0, 1.0) == 90
    assert delay(strict, Retry("not yet", after=timedelta(seconds=-1)), 0, 1.0) == 0
    assert delay(strict, Retry("not yet"), 0, 0.0) == 3
    assert delay(strict, Retry("not yet", after=timedelta(seconds=90)), 1, 1.0) is None


@pytest.mark.parametrize(
    ("errors", "error", "again"),
    [
        ((), OSError(), True),
        ((), TypeError(), False),
        (("TypeError",), TypeError(), True),
        (("OSError",), ConnectionError(), True),
        (("OSError",), ValueError(), False),
    ],
)
def test_a_mistake_of_a_program_is_made_again(errors: tuple[str, ...], error: Exception, again: bool) -> None:
    """It is tried again only where the recipe names it; what is named includes what is derived from it."""
    policy = RetryPolicy(errors=errors)
    assert (delay(policy, error, 0, 0.0) is not None) is again
