"""Quotes for new jobs, and how many slots are needed: pure, and held against what really becomes of jobs."""

from __future__ import annotations

import random

import hypothesis
import hypothesis.strategies as st
import pytest

from hms_oms.order.estimates import KEPT, Estimate
from hms_oms.order.foresight import chance
from hms_oms.order.foresight.line import Situation
from hms_oms.order.foresight.open_jobs import Open, OpenJobs
from hms_oms.order.foresight.outlook import outlook
from hms_oms.order.foresight.quote import quote
from hms_oms.order.foresight.slots import needed
from hms_oms.order.policy import Policy
from tests.oms.test_outlook import ESTIMATES, SMALL, large, situation, small

NEW = 99


def test_a_deadline_holds_or_is_at_risk() -> None:
    """Alone a job holds what nine of ten need and a little; behind others it is at risk, with its chance."""
    alone = quote(situation(), small(NEW, 20))
    assert (alone.end, alone.holds, alone.others) == (10.0, True, frozenset())
    assert alone.earliest == pytest.approx(10 + chance.SURE * 5 / chance.NINE_OF_TEN)
    assert quote(situation(), small(NEW, 15)).late == pytest.approx(0.1)
    behind = quote(situation(small(1, 10), small(2, 15), policy=Policy.DEADLINE), small(NEW, 30))
    assert behind.late == pytest.approx(0.5)
    assert not behind.holds
    assert not quote(situation(slots=0), small(NEW, 1000)).holds
    assert quote(situation(slots=0), small(NEW, 1000)).earliest is None


def test_parts_in_front_are_as_unsure_as_jobs() -> None:
    """What varies in front of a job makes its end unsure, whether it is a job or a part of one."""
    jobs = [large(number, 200) for number in (1, 2)]
    parts = [job._replace(whole=7) for job in jobs]
    asked = small(NEW, 260)
    quotes = [quote(situation(*line, policy=Policy.DEADLINE), asked) for line in (jobs, parts)]
    assert quotes[0].late == quotes[1].late > 0.05


def test_nobody_else_is_late_for_a_new_job() -> None:
    """A job in front would make another one late: the quote names it, and promises a place behind it."""
    before = situation(small(1, 60), small(2, 15), policy=Policy.DEADLINE)
    offered = quote(before, small(NEW, 12))
    assert offered.others == {2}
    assert not offered.holds
    assert offered.earliest is not None
    assert 15 < offered.earliest < 60
    then = quote(before, small(NEW, offered.earliest))
    assert then.late <= 0.0501
    assert not then.others
    first = quote(situation(large(1, 5000), policy=Policy.FIFO), small(NEW, 30))
    assert first.earliest == pytest.approx(
        110 + chance.SURE * (50**2 * (1 + 1 / KEPT) + 5**2) ** 0.5 / chance.NINE_OF_TEN
    )


@hypothesis.given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(10, 2000)), max_size=30),
    st.integers(1, 4),
    st.sampled_from(Policy),
)
def test_the_earliest_deadline_holds_whatever_stands_in_line(
    drawn: list[tuple[int, int]], slots: int, policy: Policy
) -> None:
    """With the deadline that is promised a job holds, unless the plan had to give up others anyhow."""
    jobs = [Open(number, 0.0, float(due), kind) for number, (kind, due) in enumerate(drawn, 1)]
    before = Situation(policy, slots, 0.0, 0.0, OpenJobs.of(jobs), ESTIMATES)
    offered = quote(before, small(NEW, 50))
    if offered.earliest is not None and not outlook(before).given_up:
        new = small(NEW, offered.earliest)
        then = quote(before, new)
        if NEW not in outlook(before._replace(jobs=before.jobs.plus([new]))).given_up:
            assert then.late <= 0.0501


def test_slots_that_keep_deadlines() -> None:
    """The binding deadline asks for the most; more are asked for if it is to hold in 95 of 100 cases."""
    assert needed(situation()) == (0, 0, None)
    jobs = [small(number, 65) for number in range(1, 31)] + [small(99, 1000)]
    need = needed(situation(*jobs))
    # The last of thirty begins when the others are done: 29 * 10 s in 55 s.
    assert (need.on_average, need.deadline) == (6, 65)
    assert need.surely == 7
    # Nothing helps what is too near.
    assert needed(situation(small(1, 9), small(2, 100))).on_average == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_needed_slots_hold_in_most_runs(seed: int) -> None:
    """With exponential works the sure number holds in at least nine of ten runs, the average one in fewer."""
    source = random.Random(seed)
    works = {SMALL: Estimate(10.0, 23.03)}
    jobs = [small(number, source.choice([300, 600, 1200])) for number in range(1, 601)]
    need = needed(Situation(Policy.DEADLINE, 1, 0.0, 0.0, OpenJobs.of(jobs), works))
    line = sorted(jobs, key=lambda job: (job.deadline, job.id))

    def held(slots: int) -> float:
        """The share of runs in which all are on time."""
        return sum(_runs(line, slots, source) for _ in range(40)) / 40

    assert held(need.surely) >= 0.88
    assert held(need.on_average) < held(need.surely)


def _runs(line: list[Open], slots: int, source: random.Random) -> bool:
    free = [0.0] * slots
    for job in line:
        place = free.index(min(free))
        free[place] += source.expovariate(1 / 10)
        if free[place] > job.deadline:
            return False
    return True
