"""A storm is planned by its seed: as many faults as asked, half of them in the way of texts."""

from __future__ import annotations

import itertools

import pytest

from tests.chaos import faults, plan
from tests.chaos.faults import provider


def test_half_of_the_faults_strike_the_way_of_a_text() -> None:
    """The shares are a whole, and each kind can be had."""
    assert sum(plan.SHARES.values()) == pytest.approx(1.0)
    assert {*plan.PAGING} == {*provider.STRIKES, "watchKilled", "watchStopped"}
    assert sum(plan.SHARES[kind] for kind in plan.PAGING) == pytest.approx(0.5)
    assert set(plan.SHARES) == set(faults.STRIKES)


@pytest.mark.parametrize("count", [1, 12, 24, 200])
def test_a_plan_has_as_many_faults_as_were_asked(count: int) -> None:
    """The same for a seed, none of the kinds that cannot be tried, and outages apart from one another."""
    planned = plan.faults(count, 60.0, 7)
    assert planned == plan.faults(count, 60.0, 7)
    assert len(planned) == count
    without = [fault.kind for fault in plan.faults(count, 60.0, 7, without=("diskFull",))]
    assert len(without) == count
    assert "diskFull" not in without
    outages = [place for place, fault in enumerate(planned) if fault.kind in plan.OUTAGES]
    assert all(after - before > 1 for before, after in itertools.pairwise(outages))


@pytest.mark.parametrize("count", [24, 36, 200])
def test_a_storm_of_as_many_faults_as_kinds_leaves_none_out(count: int) -> None:
    """Each kind strikes, and about half of the faults in the way of texts, whatever the seed."""
    for seed in range(20):
        kinds = [fault.kind for fault in plan.faults(count, 60.0, seed)]
        assert len(kinds) == count
        assert set(kinds) == set(plan.SHARES)
        assert count / 3 <= sum(kind in plan.PAGING for kind in kinds) <= 2 * count / 3


def test_seeds_together_have_every_kind() -> None:
    """What is rare in one storm comes in another."""
    kinds = {fault.kind for seed in range(40) for fault in plan.faults(12, 60.0, seed)}
    assert kinds == set(plan.SHARES)
