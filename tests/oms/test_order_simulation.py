"""The simulator: it keeps the product's order, never beats the bound, and gives up nothing that fits."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hms_oms.order.backlog import Backlog, Job
from hms_oms.order.bound import bound, work_done
from hms_oms.order.estimates import Estimate
from hms_oms.order.plan import moves, plan
from hms_oms.order.policy import Policy
from hms_oms.order.simulation import Change, Known, Simulation, Works

SLOTS = 2
SIZES = (1.0, 4.0)


def _known_works() -> Works:
    works = Works(1.0)
    for size in SIZES * 10:
        works.add(size, size)
    return works


def _day(seed: int, count: int, load: float) -> list[Job]:
    """Jobs of two sizes, which are known, over a while; `load` is their work over what the slots do."""
    dice = random.Random(seed)
    sizes = [dice.choice(SIZES) for _ in range(count)]
    seconds = sum(sizes) / SLOTS / load
    comes = sorted(dice.uniform(0, seconds) for _ in sizes)
    pairs = enumerate(zip(comes, sizes, strict=True))
    return [Job(number, at, size, at + dice.choice((15.0, 60.0)), size) for number, (at, size) in pairs]


def _run(
    jobs: Sequence[Job], policy: Policy, changes: Sequence[Change] = (), slots: int = SLOTS
) -> list[Job]:
    again = [replace(job) for job in jobs]
    Simulation(again, slots, policy, _known_works(), changes).run()
    assert all(job.arrival <= job.begun < job.done < inf for job in again)
    return again


def _on_time(jobs: Sequence[Job]) -> int:
    return sum(job.on_time for job in jobs)


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_what_fits_is_served_as_by_its_deadlines(seed: int) -> None:
    """Below capacity every job begins and ends exactly when it would under the order of deadlines."""
    jobs = [replace(job, deadline=job.deadline + 60, due=job.due + 60) for job in _day(seed, 60, 0.7)]
    by_deadline, by_plan = (_run(jobs, policy) for policy in (Policy.DEADLINE, Policy.MOST_ON_TIME))
    assert [job.done for job in by_plan] == [job.done for job in by_deadline]
    assert _on_time(by_plan) == len(jobs)


@pytest.mark.parametrize("load", [1.2, 2.0])
def test_under_overload_more_are_on_time_and_never_more_than_can_be(load: float) -> None:
    """The plan is far ahead of both other policies, and close to the bound."""
    days = [_day(seed, 400, load) for seed in range(5)]
    policies = {policy: sum(_on_time(_run(day, policy)) for day in days) for policy in Policy}
    most = sum(bound(day, [(-inf, SLOTS)]) for day in days)
    assert policies[Policy.MOST_ON_TIME] > 1.2 * policies[Policy.FIFO]
    assert policies[Policy.MOST_ON_TIME] > 1.2 * policies[Policy.DEADLINE]
    assert 0.85 * most < policies[Policy.MOST_ON_TIME] <= most


def test_what_is_deferred_begins_when_nothing_else_does() -> None:
    """As many are on time as if it had its share of the work, give or take one in a hundred."""
    jobs = _run(_day(3, 400, 1.5), Policy.DEFER)
    late = [job for job in jobs if job.given_up]
    assert late
    for job in late:
        waiting = [other for other in jobs if other.arrival < job.begun < other.begun and not other.given_up]
        assert waiting == []
    assert _on_time(jobs) > 0.99 * _on_time(_run(_day(3, 400, 1.5), Policy.MOST_ON_TIME))


@settings(max_examples=40)
@given(st.integers(0, 300), st.sampled_from(Policy), st.sampled_from((0.8, 1.2, 2.0)))
def test_nothing_beats_the_bound(seed: int, policy: Policy, load: float) -> None:
    """Whatever the policy and the day, and also while half of the slots are away."""
    jobs = _day(seed, 50, load)
    assert _on_time(_run(jobs, policy)) <= bound(jobs, [(-inf, SLOTS)]) + 1e-6
    away = [Change(20.0, 1), Change(60.0, SLOTS)]
    slots = [(-inf, SLOTS), (20.0, 1), (60.0, SLOTS)]
    # A slot ends what it has begun before it leaves.
    assert _on_time(_run(jobs, policy, away)) <= bound(jobs, slots) + SLOTS


def test_the_bound_is_what_fits_before_each_deadline() -> None:
    """Jobs of one second on one slot: as many as there are seconds; then the small ones first."""
    jobs = [Job(number, 0.0, 1.0, 10.0) for number in range(30)]
    assert bound(jobs, [(-inf, 1)]) == pytest.approx(10)
    assert bound(jobs, [(-inf, 1), (5.0, 0), (8.0, 1)]) == pytest.approx(7)
    assert bound([*jobs, *(Job(30 + n, 0.0, 0.1, 10.0) for n in range(50))], [(-inf, 1)]) == pytest.approx(55)
    assert work_done([Job(0, 3.0, 9.0, 8.0)], [(-inf, 2)]) == pytest.approx(9)


def test_slots_that_leave_end_what_they_have_begun() -> None:
    """With fewer slots nothing more is begun until enough have ended."""
    jobs = [Job(number, 0.0, 10.0, 100.0) for number in range(4)]
    ends = [job.done for job in _run(jobs, Policy.FIFO, [Change(1.0, 1)])]
    assert ends == [10.0, 10.0, 20.0, 30.0]


def test_a_job_put_in_front_by_hand_is_not_given_up() -> None:
    """It is too late for its deadline, and goes first all the same."""
    jobs = [Job(number, 0.0, 4.0, 1000.0, 4.0) for number in range(10)]
    jobs.append(Job(10, 1.0, 4.0, 2.0, 4.0, priority=9))
    ends = {job.number: job.done for job in _run(jobs, Policy.MOST_ON_TIME)}
    # Behind what ran and stood in the window already.
    assert ends[10] == sorted(ends.values())[3 * SLOTS]


def test_sizes_that_are_known_are_estimated_exactly() -> None:
    """Mean and upper quantile are the size itself."""
    assert Known(1.0).estimate(3.5) == Estimate(3.5, 3.5)


JOBS = st.lists(
    st.tuples(st.integers(0, 200), st.sampled_from(SIZES), st.booleans()), min_size=1, max_size=40
)


@given(JOBS, st.integers(0, 40))
def test_a_plan_that_is_carried_out_moves_nobody_again(
    rows: list[tuple[int, float, bool]], ahead: int
) -> None:
    """The backlog counts its cells as it has moved them; line and given-up are all of it, in order."""
    backlog = Backlog(Policy.MOST_ON_TIME)
    for number, (deadline, size, must) in enumerate(rows):
        backlog.put(Job(number, 0.0, size, deadline, size, must, due=deadline * (0.9 if must else 1.0)))
    cells = backlog.cells(lambda kind: Estimate(kind, 2 * kind), 0.0)  # type: ignore[arg-type, operator]
    changes = moves(cells, plan(cells, SLOTS, ahead))
    assert backlog.carry_out(changes) == sum(move.jobs for move in changes) == backlog.given_up
    again = backlog.cells(lambda kind: Estimate(kind, 2 * kind), 0.0)  # type: ignore[arg-type, operator]
    assert moves(again, plan(again, SLOTS, ahead)) == []
    line = []
    while (job := backlog.front()) is not None:
        line.append(job)
        backlog.remove(job)
    assert line == sorted(line, key=lambda job: (job.due, job.number))
    late = []
    while (job := backlog.front_given_up()) is not None:
        late.append(job)
        backlog.remove(job)
    assert late == sorted(late, key=lambda job: (job.deadline, job.number))
    assert len(line) + len(late) == len(rows)
    assert len(backlog) == 0
