"""The plan of a backlog: nothing is given up that fits, and never more jobs than must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hms_oms.order.plan import NO_WORK, Cell, Cut, Move, begins, moves, plan, savable

SIZES = (1.0, 2.0, 4.0, 9.0)


def _job(key: int, due: float, mean: float, must: bool = False, pull: float = 0.0, jobs: int = 1) -> Cell:
    return Cell(due, mean, 2 * mean, must, jobs, key, pull)


@st.composite
def backlogs(draw: st.DrawFn, must: bool = False) -> list[Cell]:
    """Few jobs, one a cell, of few sizes; some must be on time."""
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 40),
                st.sampled_from(SIZES),
                st.booleans() if must else st.just(False),
                st.sampled_from((0.0, 3.0)),
            ),
            max_size=8,
        )
    )
    return [
        _job(key, due, mean, must, pull if must else 0.0) for key, (due, mean, must, pull) in enumerate(rows)
    ]


def _end(cell: Cell, slots: int) -> float:
    return cell.due - cell.upper + cell.mean / slots


def _fits(cells: Iterable[Cell], slots: int, pulled: bool = True) -> bool:
    """Whether the work due by each deadline fits before it: the sum, without the algorithm."""
    work = 0.0
    ends = sorted((_end(cell, slots) + (0 if pulled else cell.pull), cell.mean * cell.jobs) for cell in cells)
    for end, more in ends:
        work += more
        if work > end * slots + NO_WORK:
            return False
    return True


def _fewest(cells: Sequence[Cell], slots: int, stay: Sequence[Cell] = ()) -> int:
    """The fewest of these jobs that have to go, by trying all sets of them."""
    return next(
        gone
        for gone in range(len(cells) + 1)
        if any(_fits([*kept, *stay], slots) for kept in combinations(cells, len(cells) - gone))
    )


def _leaving(cuts: Iterable[Cut]) -> int:
    return sum(cut.leave for cut in cuts)


@given(backlogs(), st.integers(1, 3))
def test_nothing_is_given_up_while_everything_fits(cells: list[Cell], slots: int) -> None:
    """Jobs whose work fits before each deadline all stay in the line, and only then."""
    assert (plan(cells, slots, 0.0) == []) == _fits(cells, slots)


@given(backlogs(), st.integers(1, 3))
def test_the_fewest_jobs_are_given_up(cells: list[Cell], slots: int) -> None:
    """No set of jobs that is larger than the one that is kept could be done in time."""
    cuts = plan(cells, slots, 0.0)
    leave = dict(cuts)
    assert _fits([cell for cell in cells if cell.key not in leave], slots)
    assert _leaving(cuts) == _fewest(cells, slots)


@given(backlogs(must=True), st.integers(1, 3))
def test_must_jobs_are_given_up_for_nobody(cells: list[Cell], slots: int) -> None:
    """Those that must be on time leave as they would if there were no others."""
    must = [cell for cell in cells if cell.must]
    keys = {cell.key for cell in must}
    assert [cut for cut in plan(cells, slots, 0.0) if cut.key in keys] == plan(must, slots, 0.0)


@given(backlogs(must=True), st.integers(1, 3))
def test_the_fewest_others_are_given_up_for_must_jobs(cells: list[Cell], slots: int) -> None:
    """If all that must be on time can be served early, no more of the others leave than have to."""
    must = [cell for cell in cells if cell.must]
    others = [cell for cell in cells if not cell.must]
    cuts = plan(cells, slots, 0.0)
    if _fits(must, slots):
        assert _leaving(cuts) == _fewest(others, slots, must)


@given(backlogs(must=True), st.integers(1, 3))
def test_the_plan_is_stable(cells: list[Cell], slots: int) -> None:
    """The same backlog, in whichever order it is read, gives the same plan; carried out, it moves nobody."""
    cuts = plan(cells, slots, 0.0)
    leave = dict(cuts)
    carried_out = [cell._replace(given_up=leave.get(cell.key, 0)) for cell in cells]
    assert moves(carried_out, plan(carried_out, slots, 0.0)) == []
    assert {(cell.mean, cell.must) for cell in cells if cell.key in leave} == {
        (cells[int(str(key))].mean, cells[int(str(key))].must) for key, _ in plan(cells[::-1], slots, 0.0)
    }


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(1, 3))
def test_a_cell_is_planned_as_its_jobs_would_be_singly(dues: list[int], slots: int) -> None:
    """Twelve jobs of one kind and deadline, in one cell or in twelve: as many leave."""
    cells = [_job(key, due, 3.0, jobs=12) for key, due in enumerate(dues)]
    singly = [_job(100 * key + n, due, 3.0) for key, due in enumerate(dues) for n in range(12)]
    assert _leaving(plan(cells, slots, 0.0)) == _leaving(plan(singly, slots, 0.0))


@given(st.integers(0, 40), st.sampled_from(SIZES), st.integers(1, 3))
def test_a_job_alone_is_given_up_if_it_cannot_be_saved(due: int, mean: float, slots: int) -> None:
    """The line and the look at a single job agree."""
    cell = _job(0, due, mean)
    assert (plan([cell], slots, 10.0) == []) == savable(cell, 10.0)


def test_the_largest_leaves_and_of_equal_ones_the_nearest() -> None:
    """One large job makes room for many; of two as large, the one whose deadline is farther has more."""
    small = [_job(key, 10 + key, 1.0) for key in range(6)]
    large = [_job(10, 18.0, 4.0), _job(11, 19.0, 4.0)]
    assert plan([*small, *large], 1, 2.0) == [Cut(10, 1)]


def test_without_a_slot_there_is_no_plan() -> None:
    """Nobody knows when slots are back: everything stays in the order of deadlines."""
    assert plan([_job(0, 1.0, 1.0)], 0, 100.0) == []


def test_a_must_job_that_is_late_for_its_early_place_drives_nobody_out() -> None:
    """Its deadline itself can still be met, and so can that of a small job in front of it."""
    must = Cell(due=13.0, mean=4.0, upper=4.0, must=True, jobs=1, key="must", pull=10.0)
    small = Cell(due=12.0, mean=1.0, upper=1.0, must=False, jobs=1, key="small")
    assert plan([must, small], 1, 10.0) == []
    assert plan([must._replace(pull=1.0), small], 1, 10.0) == [Cut("small", 1)]


def test_a_must_job_that_just_fits_early_keeps_its_early_place() -> None:
    """A third of a slot's second, rounded, is not too late for it."""
    assert plan([_job(0, 2.0, 1.0), _job(1, 2.0, 1.0, must=True)], 3, 0.0) == [Cut(0, 1)]


def test_must_jobs_that_are_due_together_are_placed_in_one_order() -> None:
    """The one with the nearer deadline comes first, in whichever order they are read."""
    must = [_job(0, 6.0, 9.0, True, 3.0), _job(2, 27.0, 9.0, True), _job(3, 27.0, 9.0, True, 3.0)]
    cells = [*must, _job(1, 20.0, 1.0)]
    assert Counter(plan(cells, 1, 0.0)) == Counter(plan(cells[::-1], 1, 0.0))


def test_a_must_job_is_tried_as_long_as_it_may_be_on_time() -> None:
    """It is given up when not even a job as long as the average would be; another one sooner."""
    tight = Cell(due=12.0, mean=2.0, upper=5.0, must=False, jobs=1, key=0)
    for must, ahead, leaves in ((False, 9.0, True), (True, 9.0, False), (True, 11.0, True)):
        cell = tight._replace(must=must)
        assert savable(cell, ahead) is not leaves
        assert plan([cell], 1, ahead) == ([Cut(0, 1)] if leaves else [])


def test_only_differences_are_moves() -> None:
    """A cell of which as many are given up as before is not touched; one that fits again comes back."""
    cells = [_job(0, 9.0, 1.0)._replace(jobs=5, given_up=given_up) for given_up in (0, 2, 3)]
    cells = [cell._replace(key=key) for key, cell in enumerate(cells)]
    assert moves(cells, [Cut(0, 1), Cut(1, 2)]) == [Move(0, 1), Move(2, -3)]


@pytest.mark.parametrize(("work", "slots", "moment"), [(0.0, 4, 100.0), (8.0, 4, 102.0), (8.0, 0, 100.0)])
def test_the_backlog_begins_after_what_is_in_front(work: float, slots: int, moment: float) -> None:
    """Work in front is shared by the slots."""
    assert begins(100.0, work, slots) == moment
