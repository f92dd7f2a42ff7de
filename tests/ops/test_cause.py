"""The cause and its remedies: what binds comes first, and what is said agrees with the numbers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hms_floor.presentation.foresight import sla_preview_words
from hms_oms.api import codec
from hms_oms.broker.broker_state import BrokerState
from hms_oms.database.refusals import SILENT
from hms_oms.documents import queues
from hms_ops.forecast import advice
from hms_ops.forecast.capacity import Capacity, most
from hms_ops.forecast.cause import Cause, Remedy, Standing, busy_hosts, decide, document, read
from hms_ops.forecast.forecast import forecast
from hms_ops.heartbeats import stop_of

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
NINE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
#: Two workers of two slots, each of which gets a job a second done; a thousand jobs wait.
STAFFED = Standing(
    at_risk=333,
    waiting=1000,
    workers=2,
    slots=4,
    slot_rate=1.0,
    slots_needed=2,
    limit_needed=110,
    deadline=NINE,
)
LIMITED = replace(STAFFED, starts_per_minute=60, starts_set_by="ann", starts_set_at=NOW)


def clock(when: datetime) -> str:
    """A moment as a sentence has it."""
    return f"{when:%H:%M}"


def test_idle_slots_and_a_limit_ask_for_a_higher_limit() -> None:
    """Not for workers: the slots that are there could do it."""
    cause = decide(replace(LIMITED, running=1))
    assert cause == Cause("limit", (Remedy("raise-limit", 110),), "ann", NOW, 60, True, NINE)
    assert advice.sentence(cause, clock) == (
        "no more than 60 jobs a minute may start (set by ann at 08:00): raise the limit to 110"
        " to meet each deadline that can be met; the tightest deadline is 09:00"
    )
    assert advice.brief(cause) == "limit 60 a minute: raise the limit to 110"


def test_slots_that_are_lost_are_named_as_missing() -> None:
    """Beside those that are at work; and if all are lost, that is why nobody works."""
    short = replace(STAFFED, slots_needed=9, slots_lost=3)
    cause = decide(short)
    assert cause is not None
    assert advice.sentence(cause, clock).startswith(
        "all slots are at work, and 3 more are lost to hung steps: add 3 workers (5 slots)"
    )
    assert read(document(cause)) == cause
    nobody = decide(replace(short, workers=0, slots=0, slots_lost=7))
    assert nobody is not None
    assert advice.why(nobody, clock) == "all its slots (7) are lost to hung steps"


def test_what_binds_next_is_said_as_well() -> None:
    """After the limit is raised the slots are too few; below the limit they are too few first."""
    cause = decide(replace(LIMITED, slots_needed=10, limit_needed=600))
    assert cause is not None
    assert cause.remedies == (Remedy("raise-limit", 600), Remedy("add-workers", 3, 6))
    assert advice.what_helps(cause) == "raise the limit to 600, and then add 3 workers (6 slots)"
    enough = decide(replace(LIMITED, starts_per_minute=500, slots_needed=10, limit_needed=600))
    assert enough is not None
    assert (enough.kind, enough.set_by) == ("slots", None)
    assert enough.remedies == (Remedy("add-workers", 3, 6), Remedy("raise-limit", 600))


def test_a_paused_queue_is_resumed_first() -> None:
    """Whatever else is in its way comes after that."""
    cause = decide(replace(LIMITED, paused_at=NOW, paused_by="bob"))
    assert cause is not None
    assert (cause.kind, cause.set_by, cause.set_at) == ("paused", "bob", NOW)
    assert advice.sentence(cause, clock) == (
        "the queue was paused by bob at 08:00: resume it, and then raise the limit to 110"
    )


def test_a_limit_is_no_cause_while_nothing_is_handed_out() -> None:
    """Redis or the dispatcher comes first, whatever is set; agents need neither."""
    refusal = BrokerState(1.0, NOW, SILENT.kind, SILENT.words)
    cause = decide(replace(LIMITED, **stop_of(refusal)))
    assert cause is not None
    assert advice.sentence(cause, clock) == (
        "nothing is handed out, Redis does not answer: bring it back, and then raise the limit to 110"
    )
    assert advice.brief(cause).startswith("Redis does not answer: bring it back")
    assert read(document(cause)) == cause
    answered = queues.Cause.of(cause, remedies=tuple(map(queues.Remedy.of, cause.remedies)), sentence="")
    assert read(codec.document(answered)) == cause
    silent = decide(replace(LIMITED, **stop_of(replace(refusal, age=40.0))))
    assert silent is not None
    assert advice.why(silent, clock) == "nothing is handed out, the dispatcher is silent"
    agents = decide(replace(LIMITED, paused_at=NOW, agents=True, **stop_of(refusal)))
    assert agents is not None
    assert agents.kind == "paused"
    assert not any(stop_of(BrokerState(1.0)).values())
    assert stop_of(None) == {}


def test_without_a_worker_workers_are_started() -> None:
    """As many slots as are needed, if that is known; agents need none."""
    empty = replace(STAFFED, workers=0, slots=0)
    cause = decide(empty)
    assert cause is not None
    assert advice.sentence(cause, clock) == "no worker is there for it: start workers with 2 slots"
    unknown = decide(replace(empty, slots_needed=None, slot_rate=None))
    assert unknown is not None
    assert advice.sentence(unknown, clock) == "no worker is there for it: start workers"
    assert decide(replace(empty, agents=True)) is None


def test_a_busy_machine_gets_no_more_workers() -> None:
    """If all machines of the queue's workers are busy, more workers belong on another one."""
    cause = decide(replace(STAFFED, slots_needed=6, busy_hosts=("barn", "shed")))
    assert cause is not None
    assert advice.why(cause, clock) == "barn and shed are busy"
    assert advice.what_helps(cause) == "add 1 worker (2 slots) on another machine"
    assert busy_hosts([("barn", 97.0), ("shed", 90.0)]) == ["barn", "shed"]
    assert busy_hosts([("barn", 97.0), ("shed", 20.0)]) == ()
    assert busy_hosts([]) == ()


def test_a_small_window_is_raised_only_while_slots_idle() -> None:
    """A window of none starts nothing; one that is small does no harm while all slots are at work."""
    none = decide(replace(STAFFED, window_size=0, window_set_by="ann", window_set_at=NOW))
    assert none is not None
    assert advice.sentence(none, clock).startswith(
        "no more than 0 jobs may stand in front of the workers (set by ann at 08:00): raise the window to 8"
    )
    small = decide(replace(STAFFED, window_size=1, running=1, slots_needed=9))
    assert small is not None
    assert small.remedies == (Remedy("raise-window", 8),)
    busy = decide(replace(STAFFED, window_size=1, running=4, slots_needed=9))
    assert busy is not None
    assert busy.kind == "slots"


def test_a_limit_that_only_delays_what_is_late_says_so() -> None:
    """No deadline is left to hold, but with a higher limit all slots were at work."""
    cause = decide(replace(LIMITED, late=80, at_risk=0, limit_needed=0, slots_needed=0, deadline=None))
    assert cause is not None
    assert advice.sentence(cause, clock) == (
        "no more than 60 jobs a minute may start (set by ann at 08:00): lift the limit and"
        " leave the pace to the workers to have them done sooner"
    )


def test_the_limit_that_is_asked_for_is_a_round_number_that_workers_can_start() -> None:
    """Two digits, rounded up, whatever the last steps took; beyond what slots can start it is lifted."""
    asked = [decide(replace(LIMITED, limit_needed=needed)) for needed in (61, 110, 111, 119, 231, 240, 241)]
    assert [cause and cause.first for cause in asked] == [
        Remedy("raise-limit", 61),
        Remedy("raise-limit", 110),
        *[Remedy("raise-limit", 120)] * 2,
        *[Remedy("raise-limit", 240)] * 2,
        Remedy("lift-limit"),
    ]
    for rate in (1.0, 3.3, 54.0):
        late = replace(LIMITED, late=80, at_risk=0, limit_needed=0, slots_needed=0, slot_rate=rate)
        cause = decide(late)
        assert cause is not None
        assert cause.remedies == (Remedy("lift-limit"),)
    short = decide(replace(LIMITED, limit_needed=51_884, slots_needed=10))
    assert short is not None
    assert short.remedies == (Remedy("lift-limit"), Remedy("add-workers", 3, 6))
    assert advice.brief(short) == "limit 60 a minute: lift the limit, and then add 3 workers (6 slots)"
    nobody = decide(replace(LIMITED, workers=0, slots=0, limit_needed=111))
    assert nobody is not None
    assert nobody.remedies == (Remedy("start-workers", slots=2), Remedy("raise-limit", 120))


@pytest.mark.parametrize("per_slot", [6.0, 54.0])
def test_the_limit_that_is_asked_for_does_not_follow_the_last_steps(per_slot: float) -> None:
    """A slot is seen to be nine times as fast once most of them idle: the limit stays the same."""
    capacity = Capacity(16, per_slot).limited(most(240, None))
    outlook = forecast([(NOW + timedelta(minutes=5), 1400)], capacity, NOW)
    cause = decide(
        replace(
            LIMITED,
            slots=16,
            starts_per_minute=240,
            slot_rate=outlook.slot_rate,
            slots_needed=outlook.slots_needed,
            limit_needed=outlook.limit_needed,
        )
    )
    assert cause is not None
    assert cause.remedies == (Remedy("raise-limit", 300),)


def test_a_limit_binds_before_the_throughput_is_known() -> None:
    """Slots idle and jobs wait: that is the limit, though nobody can say how high it must be."""
    unknown = replace(
        LIMITED, late=1, at_risk=0, slot_rate=None, slots_needed=None, limit_needed=None, deadline=None
    )
    cause = decide(unknown)
    assert cause is not None
    assert advice.what_helps(cause) == "raise the limit"
    assert decide(replace(unknown, running=4)) is None


def test_nothing_late_has_no_cause_and_what_cannot_be_helped_has_none() -> None:
    """A limit that does no harm is no cause; late jobs that enough slots are at have no remedy."""
    assert decide(replace(LIMITED, at_risk=0)) is None
    assert decide(replace(STAFFED, late=5, at_risk=0, slots_needed=4)) is None


moments = st.one_of(st.none(), st.just(NOW))
numbers = st.one_of(st.none(), st.integers(0, 2000))
standings = st.builds(
    Standing,
    late=st.integers(0, 50),
    at_risk=st.integers(0, 50),
    waiting=st.integers(0, 50),
    queued=st.integers(0, 50),
    running=st.integers(0, 8),
    workers=st.integers(0, 3),
    slots=st.integers(0, 24),
    agents=st.booleans(),
    paused_at=moments,
    paused_by=st.one_of(st.none(), st.just("ann")),
    starts_per_minute=st.one_of(st.none(), st.integers(1, 2000)),
    starts_set_by=st.one_of(st.none(), st.just("bob")),
    starts_set_at=moments,
    window_size=st.one_of(st.none(), st.integers(0, 60)),
    slot_rate=st.one_of(st.none(), st.sampled_from((0.01, 0.5, 3.0))),
    slots_needed=numbers,
    limit_needed=numbers,
    deadline=moments,
    busy_hosts=st.sampled_from(((), ("barn",), ("barn", "shed"))),
).map(lambda queue: queue if queue.workers and queue.slots else replace(queue, workers=0, slots=0))


@given(standings)
def test_what_is_said_agrees_with_the_numbers(observed: Standing) -> None:
    """No remedy is less than what is there, no number is negative, and every sentence has its numbers."""
    cause = decide(observed)
    if cause is None:
        return
    assert observed.late or observed.at_risk
    for remedy in cause.remedies:
        assert remedy.number is None or remedy.number > 0
        assert remedy.slots is None or remedy.slots > 0
        match remedy.verb:
            case "raise-limit":
                assert observed.starts_per_minute is not None
                assert remedy.number is None or remedy.number > observed.starts_per_minute
            case "lift-limit":
                assert observed.starts_per_minute is not None
                assert remedy.number is None
            case "raise-window":
                assert remedy.number is not None
                assert observed.window_size is not None
                assert remedy.number > observed.window_size
            case "add-workers" | "add-workers-elsewhere":
                assert observed.slots + (remedy.slots or 0) == observed.slots_needed
    assert len({remedy.verb for remedy in cause.remedies}) == len(cause.remedies)
    for words in (advice.sentence(cause, clock), advice.brief(cause)):
        assert "None" not in words
        assert not re.search(r"-\d", words.replace("08:00", ""))
        output = {int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?!:)\b", words)}
        assert {remedy.number for remedy in cause.remedies if remedy.number} <= output


@given(standings)
def test_workers_are_never_asked_for_first_while_slots_idle(observed: Standing) -> None:
    """A pause, or a limit below what the slots can do, is mended before anybody is added."""
    cause = decide(observed)
    slot_rate = observed.slot_rate or 0.0
    limit_binds = (
        observed.starts_per_minute is not None
        and observed.starts_per_minute < 60 * observed.slots * slot_rate - 1
    )
    if cause and observed.workers and (observed.paused_at or (limit_binds and observed.waiting)):
        assert not cause.first.verb.startswith("add-workers") or (observed.limit_needed or 0) <= (
            observed.starts_per_minute or 0
        )
        if observed.paused_at:
            assert cause.kind == "paused"
        elif limit_binds:
            assert cause.kind in ("limit", "window")


@given(standings)
def test_a_cause_survives_being_written_down(observed: Standing) -> None:
    """Facts of an incident and answers of the API are JSON, and are read as they were."""
    cause = decide(observed)
    assert read(json.loads(json.dumps(document(cause)))) == cause


jobs_due = st.lists(st.tuples(st.integers(-20, 120), st.integers(1, 60)), min_size=1, max_size=10).map(sorted)


@given(jobs_due, st.integers(1, 8), st.sampled_from((0.05, 0.2, 1.0)), st.integers(1, 300))
def test_following_the_advice_holds_what_can_be_held(
    line: list[tuple[int, int]], slots: int, per_slot: float, limit: int
) -> None:
    """Doing all that is said leaves only what no number of workers could hold, and then nothing is said."""
    due = [(NOW + timedelta(minutes=minutes), jobs) for minutes, jobs in line]
    waiting = sum(jobs for _, jobs in line)
    starts: int | None = limit
    for _ in range(2):
        outlook = forecast(due, Capacity(slots, per_slot).limited(most(starts, None)), NOW)
        cause = decide(
            Standing(
                at_risk=outlook.late,
                waiting=waiting,
                workers=slots,
                slots=slots,
                starts_per_minute=starts,
                slot_rate=outlook.slot_rate,
                slots_needed=outlook.slots_needed,
                limit_needed=outlook.limit_needed,
                deadline=outlook.deadline,
            )
        )
        for remedy in cause.remedies if cause else ():
            if remedy.verb == "raise-limit":
                starts = remedy.number or starts
            elif remedy.verb == "lift-limit":
                starts = None
            else:
                slots += remedy.slots or 0
    assert all(when < NOW + timedelta(seconds=1 / per_slot) for when in [outlook.first_late] if when)
    assert cause is None or not cause.holds


counts = st.integers(0, 1000)


@given(counts, counts, counts, counts)
def test_a_preview_never_contradicts_its_numbers(open_jobs: int, late: int, at_once: int, will: int) -> None:
    """As many as are late under either SLA are told, no more than are open, and none is `none`."""
    late, at_once, will = (min(number, open_jobs) for number in (late, at_once, will))
    late = min(late, open_jobs - at_once)
    words = sla_preview_words.told(
        {
            "open": open_jobs,
            "before": {"lateAlready": 0, "late": will},
            "after": {"lateAlready": at_once, "late": late},
        }
    )
    assert "-" not in words
    lines = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", words)]
    assert all(number <= open_jobs for number in lines)
    if open_jobs:
        assert (
            f"{late + at_once:,} would be late" in words if late + at_once else "none would be late" in words
        )
        assert words.endswith(f"as it is, {will:,} will be." if will else "as it is, none will be.")


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ((0, 8), "8 would be late"),
        ((2, 6), "8 would be late (2 of them at once)"),
        ((8, 0), "8 would be late at once"),
        ((0, 0), "none would be late"),
    ],
)
def test_a_preview_is_one_sentence(after: tuple[int, int], words: str) -> None:
    """How many of the open jobs would be late, how many at once, and how many will be as it is."""
    before = {"lateAlready": 1, "late": 2}
    output = {"open": 10, "before": before, "after": {"lateAlready": after[0], "late": after[1]}}
    as_it_is = "as it is, 1 is, and 2 more will be."
    assert sla_preview_words.told(output) == f"Were the 10 open jobs held to it, {words}; {as_it_is}"
    late = {**output, "before": {"lateAlready": 10, "late": 0}}
    assert sla_preview_words.told(late).endswith("; as it is, 10 are.")
    assert (
        sla_preview_words.told({**output, "open": 0})
        == "No job is open whose clock runs, so none would be late."
    )
    assert sla_preview_words.told(None).startswith("No forecast")
