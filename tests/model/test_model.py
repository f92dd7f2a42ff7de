"""Every order in which things can happen to a job, with one fault and one intervention of a person."""

from __future__ import annotations

import pytest

from tests.model.checker import LOST, check, first_broken
from tests.model.ledger import GUARDS, REPAIRS, Model


@pytest.mark.parametrize("steps", [("worker", "worker"), ("worker", "agent")])
def test_nothing_is_broken(steps: tuple[str, ...]) -> None:
    """No result twice, no old ticket, no former leader, no transition of its own, and every job ends."""
    verdict = check(Model(steps, faults=1, people=1))
    assert verdict.broken is None, verdict
    assert verdict.states > 1000


@pytest.mark.parametrize("guard", GUARDS)
def test_each_guard_is_needed(guard: str) -> None:
    """Without it, what it is there for happens."""
    assert first_broken(guard, faults=1, people=1).broken == GUARDS[guard]


@pytest.mark.parametrize("repair", REPAIRS)
def test_each_repair_keeps_jobs_from_being_lost(repair: str) -> None:
    """If nobody did it a single fault would leave a job that never ends."""
    assert first_broken(repair, faults=1, people=0).broken == LOST
