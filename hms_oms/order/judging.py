"""Judging a backlog: what is given up of it, whether it cannot be on time at all or others are preferred."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from hms_oms.order.plan import Cell, Cut, plan, savable


class Judgement(NamedTuple):
    """The cuts of a plan; of the jobs given up `hopeless` would not be on time if they were next."""

    cuts: Sequence[Cut]
    hopeless: int

    @property
    def given_up(self) -> int:
        """How many jobs are given up."""
        return sum(cut.leave for cut in self.cuts)


def judge(cells: Iterable[Cell], slots: int, ahead: float) -> Judgement:
    """Choose what is given up.

    What cannot be on time any more is given up only if it is in the way of others: while they all fit behind
    it, the order is that of the deadlines.
    """
    hope, hopeless = _apart(cells, ahead)
    if slots <= 0:
        return Judgement([], 0)
    delay = sum(cell.mean * cell.jobs for cell in hopeless) / slots
    if not plan(hope, slots, ahead + delay):
        return Judgement([], 0)
    late = [Cut(cell.key, cell.jobs) for cell in hopeless]
    return Judgement([*late, *plan(hope, slots, ahead)], sum(cut.leave for cut in late))


def work_of(cells: Iterable[Cell], cuts: Iterable[Cut] | None = None) -> float:
    """The work of all jobs of the cells, or of those that the cuts give up, in seconds of a slot."""
    leave: Mapping[Hashable, int] | None = None if cuts is None else dict(cuts)
    return sum(cell.mean * (cell.jobs if leave is None else leave.get(cell.key, 0)) for cell in cells)


def _apart(cells: Iterable[Cell], ahead: float) -> tuple[list[Cell], list[Cell]]:
    """The cells whose jobs would be on time if they were next, and the others."""
    hope: list[Cell] = []
    hopeless: list[Cell] = []
    for cell in cells:
        (hope if savable(cell, ahead) else hopeless).append(cell)
    return hope, hopeless
