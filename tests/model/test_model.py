"""Every order in which things can happen to a job, with one fault and one deed of a person."""

from __future__ import annotations

import pytest

from tests.model.checker import LOST, check, first_broken
from tests.model.ledger import DUTIES, GUARDS, Model


@pytest.mark.parametrize("steps", [("worker", "worker"), ("worker", "agent")])
def test_every_promise_is_kept(steps: tuple[str, ...]) -> None:
    """No result twice, no old ticket, no former leader, no transition of its own, and every job ends."""
    verdict = check(Model(steps, faults=1, people=1))
    assert verdict.broken is None, verdict
    assert verdict.states > 1000


@pytest.mark.parametrize("guard", GUARDS)
def test_each_guard_keeps_its_promise(guard: str) -> None:
    """Without it, what it is there for happens."""
    assert first_broken(guard, faults=1, people=1).broken == GUARDS[guard]


@pytest.mark.parametrize("duty", DUTIES)
def test_each_duty_keeps_jobs_from_being_lost(duty: str) -> None:
    """If nobody did it a single fault would leave a job that never ends."""
    assert first_broken(duty, faults=1, people=0).broken == LOST
