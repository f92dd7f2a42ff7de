"""The policies of a queue, and the credit of those that were given up."""

from __future__ import annotations

import pytest

from hms_oms.order.policy import RESERVED, Credit, Policy


@pytest.mark.parametrize(
    ("policy", "gives_up", "reserved"),
    [
        (Policy.MOST_ON_TIME, True, RESERVED),
        (Policy.DEADLINE, False, RESERVED),
        (Policy.FIFO, False, RESERVED),
        (Policy.DEFER, True, 0.0),
    ],
)
def test_what_a_policy_gives_up_and_reserves(policy: Policy, gives_up: bool, reserved: float) -> None:
    """Two give jobs up, and all but one keep a twentieth of the work for such jobs."""
    assert (policy.gives_up, policy.reserved) == (gives_up, reserved)
    assert RESERVED == 0.05


def test_credit_is_a_share_of_what_was_started() -> None:
    """Of sixty seconds of work three are for a job that was given up, and are spent once."""
    credit = Credit()
    assert not credit.spend(3)
    credit.earn(40)
    credit.earn(20)
    assert credit.seconds == 3
    assert credit.spend(2)
    assert not credit.spend(2)
    assert credit.spend(1)
    assert credit.seconds == 0
    credit.earn(60)
    credit.clear()
    assert credit.seconds == 0
