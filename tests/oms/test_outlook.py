"""The outlook of a backlog: who ends when, who will be late, and what a change would do; all of it pure."""

from __future__ import annotations

from math import inf

import hypothesis
import hypothesis.strategies as st

from hms_oms.order.estimates import Estimate
from hms_oms.order.foresight.line import Situation
from hms_oms.order.foresight.open_jobs import Open, OpenJobs
from hms_oms.order.foresight.outlook import outlook
from hms_oms.order.policy import Policy
from hms_oms.timetables import opening_hours
from hms_oms.timetables.business_time import OfficeHours
from hms_ops.foresight import effects, situations

#: Small works and large ones, in seconds.
SMALL, LARGE = 1, 2
ESTIMATES = {SMALL: Estimate(10.0, 15.0), LARGE: Estimate(100.0, 150.0)}


def situation(*jobs: Open, slots: int = 1, policy: Policy = Policy.MOST_ON_TIME) -> Situation:
    """Jobs at moment 0, which begin at once."""
    return Situation(policy, slots, 0.0, 0.0, OpenJobs.of(jobs), ESTIMATES)


def small(number: int, deadline: float, **more: object) -> Open:
    """A small job."""
    return Open(number, float(number), deadline, SMALL, 1000.0)._replace(**more)


def large(number: int, deadline: float, **more: object) -> Open:
    """A large job."""
    return small(number, deadline, kind=LARGE, **more)


def test_the_fewest_are_late() -> None:
    """A large job is given up for two small ones, and by deadline or by acceptance both of these are late."""
    jobs = [large(1, 150), small(2, 160), small(3, 160), small(4, 160), small(5, 160), small(6, 160)]
    late = {policy: set(outlook(situation(*jobs, policy=policy)).late) for policy in Policy}
    assert not any(late.values())
    jobs = [large(1, 100), *(small(number, 105) for number in range(2, 7))]
    late = {policy: set(outlook(situation(*jobs, policy=policy)).late) for policy in Policy}
    assert late[Policy.MOST_ON_TIME] == late[Policy.DEFER] == {1}
    assert late[Policy.DEADLINE] == late[Policy.FIFO] == {2, 3, 4, 5, 6}


def test_ends_are_those_of_the_order() -> None:
    """What runs needs the rest of its time, what is promoted comes next, what was given up last."""
    running = small(1, 500, in_flight=True, runs_since=-4.0)
    queued = small(2, 500, in_flight=True)
    ends = outlook(situation(small(4, 120), running, queued, small(3, 700, priority=1), large(5, 60))).ends
    assert [*ends.items()] == [(1, 6.0), (2, 16.0), (3, 26.0), (4, 36.0), (5, 136.0)]


def test_a_job_ends_with_the_last_of_its_parts() -> None:
    """Parts are work, and one job together: it is late with one of them, and goes with all of them."""
    parts = [small(number, 25, whole=9) for number in (1, 2)]
    before = situation(*parts, small(3, 35), small(4, 12, in_flight=True, whole=9), policy=Policy.DEADLINE)
    ahead = outlook(before)
    assert (ahead.ends, ahead.late) == ({9: 30.0, 3: 40.0}, {9, 3})
    effect = effects.of("shop", before, situations.without(before, [9]))
    assert ((effect.before.open, effect.after.open), effect.out_of_risk) == ((2, 1), ("job-3",))
    effect = effects.of("shop", before, before._replace(slots=4))
    assert effect.out_of_risk == ("job-9", "job-3")
    last = outlook(situations.with_priority(before, {9: -1}))
    assert (last.ends[3], last.ends[9]) == (10.0, 40.0)


def test_of_jobs_that_share_a_cell_the_nearest_are_given_up() -> None:
    """Whether they are parts or not, and whatever was promised for them."""
    wholes = {1: 91, 3: 93, 7: 97}
    ahead = outlook(situation(*(small(job, 40 + job % 3, whole=wholes.get(job)) for job in range(1, 9))))
    assert ahead.given_up == {93, 6, 91, 4, 97}
    assert ahead.late == ahead.given_up


def test_without_a_slot_nothing_ends() -> None:
    """All is late then; what runs still ends."""
    lone = outlook(situation(small(1, 50), small(2, 50, in_flight=True, runs_since=0.0), slots=0))
    assert (lone.ends, lone.late) == ({1: inf, 2: 10.0}, {1})


def test_effects_name_the_jobs() -> None:
    """A promotion makes one job on time and others late; jobs that go do not count as saved."""
    before = situation(small(1, 10), small(2, 28), small(3, 29), policy=Policy.DEADLINE)
    effect = effects.of("shop", before, situations.promoted(before, [3]))
    assert (effect.into_risk, effect.out_of_risk) == (("job-1", "job-2"), ("job-3",))
    assert (effect.before.late, effect.after.late, effect.into_risk_jobs) == (1, 2, 2)
    effect = effects.of("shop", before, situations.without(before, {1}))
    assert (effect.into_risk, effect.out_of_risk) == ((), ("job-3",))
    effect = effects.of("shop", before, situations.without(before, {3}))
    assert (effect.after.on_time, effect.out_of_risk) == (1.0, ())
    assert effects.of("shop", before, situations.paused(before)).after.late == 3
    assert effects.of("shop", before, situations.with_sla(before, 60)).after.late == 0
    # An office that opens tomorrow counts no minute today.
    office = OfficeHours(opening_hours.read("Fr 08:00-09:00"), "UTC")
    later = situations.with_sla(before, 60, office)
    assert [deadline for deadline, _ in later.jobs.deadlines()] == [(24 + 8) * 3600 + 60] * 3


@hypothesis.given(
    st.lists(
        st.tuples(
            st.sampled_from([SMALL, LARGE]),
            st.integers(-50, 900),
            st.booleans(),
            st.sampled_from([-1, 0, 0, 0, 2]),
        ),
        max_size=40,
    ),
    st.integers(1, 4),
)
def test_more_slots_and_the_plan_are_never_worse(drawn: list[tuple[int, int, bool, int]], slots: int) -> None:
    """No job ends later with one more slot in a fixed order; without jobs given up it goes by deadline."""
    jobs = [
        Open(number, float(number), float(deadline), kind, 600.0, must, priority)
        for number, (kind, deadline, must, priority) in enumerate(drawn, 1)
    ]
    for policy in (Policy.DEADLINE, Policy.FIFO):
        now = outlook(situation(*jobs, slots=slots, policy=policy))
        then = outlook(situation(*jobs, slots=slots + 1, policy=policy))
        assert all(then.ends[job] <= now.ends[job] for job in now.ends)
        assert then.late <= now.late
    planned = outlook(situation(*jobs, slots=slots))
    assert planned.ends.keys() == {job.id for job in jobs}
    if not planned.given_up:
        assert planned == outlook(situation(*jobs, slots=slots, policy=Policy.DEADLINE))
    assert not any(job.id in planned.given_up and job.priority for job in jobs)
