"""The forecast: exact vectors, properties against a job-by-job simulation, and the throughput under it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import forecast as replayed
from hms_ops.forecast.capacity import Capacity, most
from hms_ops.forecast.forecast import PAUSE_SECONDS, change, finish, forecast, later, start_of
from hms_ops.forecast.throughput import (
    ENOUGH,
    LONGEST_SECONDS,
    PIECE_SECONDS,
    WINDOW_SECONDS,
    Throughput,
    work,
)

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
#: Two slots of a job each ten seconds: twelve jobs a minute.
CAPACITY = Capacity(2, 0.1, trusted=True)

Minutes = list[tuple[float, int]]


def due(*jobs: tuple[float, int]) -> list[tuple[datetime, int]]:
    """A histogram from (minutes from now, jobs)."""
    return [(NOW + timedelta(minutes=minutes), count) for minutes, count in jobs]


def at(minutes: float) -> datetime:
    """A moment so many minutes from now."""
    return NOW + timedelta(minutes=minutes)


minutes = st.integers(-20, 120)
lines = st.lists(st.tuples(minutes, st.integers(1, 30)), max_size=12)
sorted_lines = lines.map(sorted)
capacities = st.builds(Capacity, st.integers(0, 8), st.sampled_from((0.01, 0.025, 0.05, 0.1, 0.5)))


def simulated(line: Minutes, capacity: Capacity) -> list[tuple[float, float]]:
    """Serve every job on its own, one after the other: (deadline, done) in seconds from now."""
    done, served = 0.0, []
    for deadline in chain.from_iterable(repeat(60.0 * minute, jobs) for minute, jobs in line):
        done = done + 1 / capacity.rate if capacity.rate else math.inf
        served.append((deadline, done))
    return served


def missed(line: Minutes, capacity: Capacity) -> list[float]:
    """The deadlines still ahead that the simulation misses."""
    return [due for due, done in simulated(line, capacity) if due >= 0 and done > due + 1e-5]


def test_workers_that_are_fast_enough_are_late_with_nothing() -> None:
    """Sixty jobs in five minutes are exactly what two slots of ten seconds get done."""
    outlook = forecast(due((5, 60)), CAPACITY, NOW)
    assert (outlook.late, outlook.first_late, outlook.deadline) == (0, None, at(5))
    assert (outlook.done_at, outlook.slots_needed, outlook.rate, outlook.trusted) == (at(5), 2, 0.2, True)


def test_one_job_more_is_late() -> None:
    """The sixty-first job misses the deadline, and takes a third slot."""
    outlook = forecast(due((5, 61)), CAPACITY, NOW)
    assert (outlook.late, outlook.first_late, outlook.slots_needed) == (1, at(5), 3)


def test_a_job_is_late_once_however_many_parts_it_has() -> None:
    """Its parts are work that holds others up, and no jobs that are late."""
    outlook = forecast(due((1, 30), (2, 8)), CAPACITY, NOW, wholes=[1, 8])
    assert (outlook.late, outlook.first_late) == (1 + 8, at(1))
    assert later(outlook, due((1, 30), (2, 8)), CAPACITY, NOW, at(1.5), wholes=[1, 8]).late == 8


def test_the_binding_deadline_is_the_one_that_asks_for_most_slots() -> None:
    """A few jobs are late soon, but the many due later decide how many slots it takes."""
    outlook = forecast(due((1, 13), (10, 400), (60, 5)), CAPACITY, NOW)
    # By the first deadline 12 jobs are done, by the second 120; by the last all 418.
    assert outlook.late == 1 + (413 - 120)
    assert outlook.first_late == at(1)
    assert outlook.deadline == at(10)
    assert outlook.slots_needed == math.ceil(413 / 60)
    assert outlook.done_at == NOW + timedelta(seconds=418 / 0.2)


def test_late_jobs_hold_the_others_up_but_are_not_counted_again() -> None:
    """Thirty jobs past their deadline are served first, so that ten of the next ones are late."""
    outlook = forecast(due((-3, 30), (5, 40)), CAPACITY, NOW)
    assert (outlook.late, outlook.first_late, outlook.slots_needed) == (10, at(5), 3)


def test_a_job_whose_deadline_has_passed_since_is_late_and_not_going_to_be() -> None:
    """What was forecast a moment ago is told as of now: no job is counted twice."""
    line, capacity = due((-3, 30), (5, 40), (8, 60)), CAPACITY
    outlook = forecast(line, capacity, NOW)
    assert (outlook.late, outlook.first_late) == (10 + 34, at(5))
    by_now = later(outlook, line, capacity, start_of(NOW, paused=False), at(6))
    assert (by_now.late, by_now.first_late) == (34, at(8))
    assert (by_now.deadline, by_now.slots_needed, by_now.done_at) == (at(8), 11, outlook.done_at)


def test_a_deadline_of_this_very_moment_is_still_to_be_missed() -> None:
    """A job due now is not late yet, and will be; no worker can help it."""
    outlook = forecast(due((0, 1)), CAPACITY, NOW)
    assert (outlook.late, outlook.first_late, outlook.deadline, outlook.slots_needed) == (1, NOW, NOW, 0)


def test_no_remedy_is_for_a_deadline_that_is_over_before_anybody_acts() -> None:
    """Half a second before their deadline forty jobs ask for nothing more; those due in a minute still do."""
    fast = limited(Capacity(2, 10.0, trusted=True), 6)
    outlook = forecast(due((0.5 / 60, 40), (1, 20)), fast, NOW)
    assert (outlook.slots_needed, outlook.limit_needed, outlook.deadline) == (1, 64, at(1))
    alone = forecast(due((0.5 / 60, 40)), fast, NOW)
    assert (alone.late, alone.slots_needed, alone.limit_needed) == (40, 0, 0)


def test_deadlines_nearer_than_one_job_takes_ask_for_no_slots() -> None:
    """What is due in six seconds cannot be held by jobs of ten, what is due in twelve can."""
    assert forecast(due((0.1, 50)), CAPACITY, NOW).slots_needed == 0
    assert forecast(due((0.1, 5), (0.2, 1)), CAPACITY, NOW).slots_needed == 5


def test_priority_goes_before_the_deadline() -> None:
    """A job served first although it is due last makes the others wait."""
    outlook = forecast([(at(60), 60), (at(5), 1)], CAPACITY, NOW)
    assert (outlook.late, outlook.first_late, outlook.deadline) == (1, at(5), at(5))


def test_nothing_open_is_nothing_late() -> None:
    """An empty queue has no deadline and no end."""
    outlook = forecast([], CAPACITY, NOW)
    assert (outlook.late, outlook.first_late, outlook.deadline, outlook.done_at) == (0, None, None, None)
    assert outlook.slots_needed == 0


def test_without_slots_every_job_is_late_at_its_deadline() -> None:
    """Without workers nothing is ever done, but how many slots it would take is known."""
    outlook = forecast(due((-1, 7), (5, 30), (10, 30)), CAPACITY.with_slots(-2), NOW)
    assert (outlook.late, outlook.first_late, outlook.done_at, outlook.slots_needed) == (60, at(5), None, 2)


def test_slots_that_do_nothing_cannot_be_counted() -> None:
    """Without any throughput there is no telling how many slots it would take."""
    outlook = forecast(due((5, 3)), Capacity(4, 0.0), NOW)
    assert (outlook.late, outlook.slots_needed, outlook.deadline, outlook.done_at) == (3, None, at(5), None)


def test_a_pause_is_announced_before_it_breaks_a_deadline() -> None:
    """A paused queue is taken to go on in ten minutes: harmless at eleven, not at nine."""
    line = due((11, 12))
    assert forecast(line, CAPACITY, NOW, paused=True).late == 0
    outlook = forecast(line, CAPACITY, NOW + timedelta(minutes=2), paused=True)
    assert (outlook.late, outlook.first_late) == (12, at(11))
    assert forecast(line, CAPACITY, NOW, paused=True).done_at == NOW + timedelta(seconds=PAUSE_SECONDS + 60)


def test_finish() -> None:
    """The k-th job is done at k / rate; with no rate, or beyond the calendar, never."""
    assert finish(12, CAPACITY, NOW) == at(1)
    assert finish(12, CAPACITY.with_slots(-2), NOW) is None
    assert finish(12, CAPACITY.limited(0.0), NOW) is None
    assert finish(12, Capacity(1, 1e-300), NOW) is None


def test_more_or_fewer_slots() -> None:
    """Slots come and go, but there are never fewer than none."""
    assert CAPACITY.with_slots(3).rate == pytest.approx(0.5)
    assert CAPACITY.with_slots(-9).slots == 0


def test_a_shorter_sla_puts_open_jobs_at_risk() -> None:
    """Under five minutes in place of ten, what was accepted six minutes ago would be late at once."""
    outlook = change(due((-1, 2), (4, 10), (10, 100)), CAPACITY, NOW, minutes=10, instead=5)
    assert (outlook.before.late, outlook.late_now, outlook.late_at_once) == (0, 2, 12)
    # Twelve are served first; of sixty places in five minutes that leaves forty-eight.
    assert (outlook.after.late, outlook.after.first_late) == (52, at(5))


def test_a_longer_sla_relieves() -> None:
    """Under twenty minutes in place of ten nothing is late any more."""
    outlook = change(due((-1, 2), (10, 200)), CAPACITY, NOW, minutes=10, instead=20)
    assert (outlook.before.late, outlook.late_now, outlook.after.late, outlook.late_at_once) == (82, 2, 0, 0)


@given(sorted_lines, capacities)
def test_late_is_what_a_simulation_misses(line: Minutes, capacity: Capacity) -> None:
    """Job by job, the same ones are late."""
    outlook = forecast(due(*line), capacity, NOW)
    late = missed(line, capacity)
    assert outlook.late == len(late)
    assert outlook.first_late == (NOW + timedelta(seconds=min(late)) if late else None)


@given(lines, capacities)
def test_any_order_of_service_is_simulated(line: Minutes, capacity: Capacity) -> None:
    """The same holds where priority comes before the deadline."""
    assert forecast(due(*line), capacity, NOW).late == len(missed(line, capacity))


@given(sorted_lines, capacities)
def test_the_slots_needed_hold_what_can_be_held_and_one_fewer_does_not(
    line: Minutes, capacity: Capacity
) -> None:
    """With so many slots only deadlines nearer than one job takes are missed; with one fewer another is."""
    needed = forecast(due(*line), capacity, NOW).slots_needed
    assert needed is not None
    tight = 1 / capacity.per_slot - 1e-3
    assert all(deadline < tight for deadline in missed(line, Capacity(needed, capacity.per_slot)))
    if needed:
        assert any(deadline >= tight for deadline in missed(line, Capacity(needed - 1, capacity.per_slot)))


@given(sorted_lines, capacities, st.integers(1, 5))
def test_more_slots_never_make_more_late(line: Minutes, capacity: Capacity, more: int) -> None:
    """Two more workers help or do nothing; they do not change how many are needed."""
    outlook, helped = (
        forecast(due(*line), capacity, NOW),
        forecast(due(*line), capacity.with_slots(more), NOW),
    )
    assert helped.late <= outlook.late
    assert helped.slots_needed == outlook.slots_needed


@given(sorted_lines, capacities, minutes)
def test_more_jobs_never_make_fewer_late(line: Minutes, capacity: Capacity, deadline: int) -> None:
    """One more job, wherever it stands, relieves nobody."""
    outlook, more = (forecast(due(*jobs), capacity, NOW) for jobs in (line, sorted([*line, (deadline, 1)])))
    assert more.late >= outlook.late
    assert (more.slots_needed or 0) >= (outlook.slots_needed or 0)


@given(sorted_lines, capacities, st.integers(-30, 30))
def test_a_longer_sla_never_puts_more_at_risk(line: Minutes, capacity: Capacity, shift: int) -> None:
    """Late at once or later: of the jobs open now no more are at risk the longer the SLA."""
    risks = []
    for instead in (60 + shift, 61 + shift):
        outlook = change(due(*line), capacity, NOW, minutes=60, instead=instead)
        risks.append(outlook.late_at_once + outlook.after.late)
    assert risks[1] <= risks[0]


limits = st.one_of(st.none(), st.integers(1, 600))
started = st.integers(0, 40)


def limited(capacity: Capacity, starts: int | None, begun: int = 0) -> Capacity:
    """The capacity under a limit of starts a minute."""
    return capacity.limited(None if starts is None else starts / 60, begun)


def late_in_all(line: Minutes, capacity: Capacity, *, paused: bool = False) -> tuple[int, float]:
    """How many are late in the end, and after how many seconds all are done."""
    outlook = forecast(due(*line), capacity, NOW, paused=paused)
    done = math.inf if outlook.done_at is None else (outlook.done_at - NOW).total_seconds()
    return outlook.late, done if line else 0.0


def test_a_limit_makes_the_rate_the_lesser_of_two() -> None:
    """Two slots could do twelve a minute; six may start, so the sixty take ten minutes and half are late."""
    outlook = forecast(due((5, 60)), limited(CAPACITY, 6), NOW)
    assert (outlook.rate, outlook.done_at, outlook.late) == (0.1, at(10), 30)
    # Sixty in the 290 seconds by which they have to start, and two slots that can do it.
    assert (outlook.limit_needed, outlook.slots_needed) == (math.ceil(1.05 * 60 * 60 / 290), 2)
    assert forecast(due((5, 60)), limited(CAPACITY, 12), NOW).late == 0


def test_jobs_that_have_started_need_no_leave() -> None:
    """Forty beyond those that the limit keeps at work: all are done at the throughput of the slots."""
    outlook = forecast(due((5, 46)), limited(CAPACITY, 6, begun=41), NOW)
    assert (outlook.late, outlook.done_at) == (0, NOW + timedelta(seconds=46 / 0.2))
    assert forecast(due((5, 46)), limited(CAPACITY, 6), NOW).late == 16


def test_without_a_window_nothing_starts() -> None:
    """A window of none is as good as a pause without an end."""
    outlook = forecast(due((5, 12)), CAPACITY.limited(most(None, 0)), NOW)
    assert (outlook.late, outlook.done_at, outlook.rate) == (12, None, 0.0)
    assert (most(None, 3), most(60, 3), most(60, 0)) == (None, 1.0, 0.0)


@given(lines, capacities, limits, limits, started, st.integers(0, 4), st.booleans())
def test_more_capacity_never_makes_it_later(
    line: Minutes,
    capacity: Capacity,
    starts: int | None,
    more_starts: int | None,
    begun: int,
    more: int,
    paused: bool,
) -> None:
    """More slots, a higher limit or none, or no pause: no more late jobs, and no later end."""
    low, high = sorted((starts, more_starts), key=lambda limit: math.inf if limit is None else limit)
    late, done = late_in_all(line, limited(capacity, low, begun), paused=paused)
    for better, still_paused in (
        (limited(capacity, high, begun), paused),
        (limited(capacity.with_slots(more), low, begun), paused),
        (limited(capacity.with_slots(more), high, begun), False),
    ):
        fewer, sooner = late_in_all(line, better, paused=still_paused)
        assert fewer <= late
        assert sooner <= done


@given(lines, capacities, limits, started)
def test_what_is_recommended_holds_what_can_be_held(
    line: Minutes, capacity: Capacity, starts: int | None, begun: int
) -> None:
    """With the slots and the limit that are needed only deadlines nearer than one job takes are missed."""
    begun = min(begun, sum(jobs for _, jobs in line))
    outlook = forecast(due(*line), limited(capacity, starts, begun), NOW)
    assert outlook.slots_needed is not None
    assert outlook.limit_needed is not None
    slots = Capacity(outlook.slots_needed, capacity.per_slot)
    mended = forecast(due(*line), limited(slots, max(1, outlook.limit_needed), begun), NOW)
    held = [
        (deadline, jobs)
        for deadline, jobs in due(*line)
        if (deadline - NOW).total_seconds() >= 1 / capacity.per_slot
    ]
    lost = sum(jobs for deadline, jobs in due(*line) if deadline >= NOW) - sum(jobs for _, jobs in held)
    assert mended.late <= lost
    assert mended.first_late is None or mended.first_late < NOW + timedelta(seconds=1 / capacity.per_slot)


@given(lines, capacities, limits, st.booleans())
def test_late_and_on_time_are_all_that_is_open(
    line: Minutes, capacity: Capacity, starts: int | None, paused: bool
) -> None:
    """No count is negative, and late ones, late to be and those on time add up."""
    outlook = change(due(*line), limited(capacity, starts), NOW, minutes=60, instead=30, paused=paused)
    jobs = sum(count for _, count in line)
    for late_already, ahead in ((outlook.late_now, outlook.before), (outlook.late_at_once, outlook.after)):
        assert late_already >= 0
        assert ahead.late >= 0
        assert late_already + ahead.late <= jobs


def test_a_limit_or_a_pause_is_no_slowness() -> None:
    """Four slots that are given one job a second and do each in a second are four times as fast together."""
    throughput = Throughput()
    for second in range(120):
        running = second % 2  # half of the time one of them is at work
        throughput.look(NOW + timedelta(seconds=second), 1, min(4, work(running, 0, 300, held=True)))
    capacity = throughput.capacity(4)
    assert capacity is not None
    assert capacity.per_slot == pytest.approx(2.0, rel=0.02)
    assert work(1, 2, 300, held=False) == 303


def feed(throughput: Throughput, seconds: int, *, start: int = 0, finished: int = 0, busy: int = 2) -> None:
    """Look every second from `start` on, for so many seconds, at so many busy slots."""
    for second in range(start, start + seconds + 1):
        done = finished if second > start else 0
        throughput.look(NOW + timedelta(seconds=second), done, busy)


def test_throughput_is_jobs_over_the_time_in_which_slots_had_work() -> None:
    """Two jobs a second on four slots are half a job per slot, for any number of slots."""
    throughput = Throughput()
    feed(throughput, 60, finished=2, busy=4)
    assert throughput.capacity(10) == Capacity(10, 0.5, trusted=True, counted=120)


def test_idle_time_does_not_lower_the_throughput() -> None:
    """A night without work leaves the throughput as it was in the evening."""
    throughput = Throughput()
    feed(throughput, 60, finished=1)
    feed(throughput, 40_000, start=61, busy=0)
    capacity = throughput.capacity(2)
    assert capacity is not None
    assert capacity.rate == pytest.approx(1.0, rel=0.05)
    assert capacity.trusted


def test_jobs_that_come_and_go_between_two_looks_show_the_throughput() -> None:
    """Thirty jobs of 20 ms each that no look has seen at work: a slot does fifty a second."""
    throughput = Throughput()
    throughput.look(NOW, 0, 0)
    throughput.look(NOW + timedelta(seconds=2), 30, 0, 0.6)
    assert throughput.capacity(4) == Capacity(4, pytest.approx(50.0), trusted=True, counted=30)


def test_nothing_finished_is_no_throughput() -> None:
    """Before the first job is done nothing can be told, and soon after it not much."""
    throughput = Throughput()
    feed(throughput, 30)
    assert throughput.capacity(2) is None
    feed(throughput, 1, start=31, finished=ENOUGH - 1)
    few = throughput.capacity(2)
    feed(throughput, 1, start=33, finished=1)
    enough = throughput.capacity(2)
    assert few is not None
    assert enough is not None
    assert (few.trusted, enough.trusted) == (False, True)


def test_a_known_time_of_service_serves_until_today_is_known() -> None:
    """At the very start the past is trusted; five minutes of work later it is forgotten."""
    throughput = Throughput(service=20)
    assert throughput.capacity(3) == Capacity(3, 0.05, trusted=True, counted=10)
    feed(throughput, WINDOW_SECONDS + 2 * PIECE_SECONDS, finished=1)
    assert throughput.capacity(2) == Capacity(2, 0.5, trusted=True, counted=301)


def test_throughput_follows_workers_that_slow_down() -> None:
    """Five minutes after the step became four times as slow, the old throughput is forgotten."""
    throughput = Throughput()
    feed(throughput, 1000, finished=4)
    for second in range(1001, 1001 + WINDOW_SECONDS + 2 * PIECE_SECONDS):
        throughput.look(NOW + timedelta(seconds=second), 1, 2)
    capacity = throughput.capacity(2)
    assert capacity is not None
    assert capacity.rate == pytest.approx(1.0, rel=0.02)


def test_a_fast_queue_follows_within_two_minutes() -> None:
    """At ten a second enough are finished soon: a step that takes twice as long shows after 90 seconds."""
    throughput = Throughput()
    feed(throughput, 600, finished=20)
    feed(throughput, 90, start=601, finished=10)
    capacity = throughput.capacity(2)
    assert capacity is not None
    assert capacity.rate == pytest.approx(10.0, rel=0.05)


def test_a_standstill_wears_the_throughput_down() -> None:
    """While nothing gets finished the last jobs still count, over ever more time, but not forever."""
    throughput = Throughput()
    feed(throughput, 400, finished=1)
    rates = []
    for start in range(401, 401 + 3600, 600):
        feed(throughput, 599, start=start)
        capacity = throughput.capacity(2)
        assert capacity is not None
        assert capacity.trusted
        rates.append(capacity.rate)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.02
    feed(throughput, LONGEST_SECONDS, start=5000)
    assert throughput.capacity(2) is None


def test_a_clock_that_goes_back_costs_a_look_and_no_more() -> None:
    """Time that did not pass is not counted."""
    throughput = Throughput()
    feed(throughput, 60, finished=1)
    before = throughput.capacity(2)
    throughput.look(NOW - timedelta(hours=1), 0, 2)
    assert throughput.capacity(2) == before


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=2, max_size=40))
def test_throughput_is_the_plain_quotient_while_it_fits_the_window(looks: list[tuple[int, int]]) -> None:
    """Within five minutes nothing is forgotten: finished over the slots' seconds with work."""
    throughput = Throughput()
    for second, (finished, busy) in enumerate(looks):
        throughput.look(NOW + timedelta(seconds=second), finished, busy)
    finished = sum(done for done, _ in looks[1:])
    seconds = sum((first[1] + then[1]) / 2 for first, then in pairwise(looks))
    capacity = throughput.capacity(5)
    if finished == 0 or seconds == 0:
        assert capacity is None
    else:
        assert capacity is not None
        assert capacity.per_slot == pytest.approx(finished / seconds)
        assert capacity.trusted == (finished >= ENOUGH)


def test_breaches_are_announced_in_time_and_not_falsely() -> None:
    """On a few mornings one may be missed and one be false; `python -m benchmarks` asks hundreds."""
    records = [replayed.replay(seed) for seed in (501, 503, 505, 506)]
    breaches = [breach for record in records for breach in record.breaches if breach.knowable]
    assert len(breaches) >= 4
    assert sum(not breach.announced for breach in breaches) <= 1
    assert sum(record.false_alarms for record in records) <= 1
    assert replayed.replay(503) == records[1]
