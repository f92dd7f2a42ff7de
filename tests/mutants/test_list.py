"""The list of mutants is in step with the code."""

from __future__ import annotations

from tests.mutants.__main__ import ROOT, read


def test_each_mutant_has_its_place_and_its_tests() -> None:
    """A guard that was moved or written otherwise is still taken out, and its tests are still there."""
    mutants = read()
    assert [fault for mutant in mutants if (fault := mutant.fault(ROOT))] == []
    assert [name for mutant in mutants for name in mutant.tests if not (ROOT / name).exists()] == []
