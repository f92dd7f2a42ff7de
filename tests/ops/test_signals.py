"""Signals of an incident: since when each rule holds, what is shown of them, and how they are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hms_ops.findings import Finding
from hms_ops.incidents import signals, stages
from hms_ops.incidents.signals import Signal
from hms_ops.incidents.thresholds import Thresholds

NOW = datetime(2026, 5, 4, 8, tzinfo=UTC)
#: `late` is ripe after 20 seconds and over after 30.
LIMITS = Thresholds({("late", "for_seconds", None): 20, ("late", "clear_seconds", None): 30})


def at(seconds: float) -> datetime:
    """So many seconds from now."""
    return NOW + timedelta(seconds=seconds)


def late(value: float = 3.0, **facts: Any) -> Finding:
    """Jobs of a queue are late."""
    return Finding("late", "grants", value, late_jobs=2, facts=facts)


def looks(*findings: tuple[float, Finding | None]) -> Signal | None:
    """The signal of `late` after looks at these seconds, each with a finding or without."""
    current: Mapping[str, Signal] = {}
    for second, finding in findings:
        current = signals.follow(current, [finding] if finding else [], [], at(second), LIMITS)
    return current.get("late")


def signal(rule: str, *, ripe: bool = True, cleared: float | None = None, **more: Any) -> Signal:
    """A signal of a queue that has held for a minute."""
    given: dict[str, Any] = {"subject": None, "facts": {}, "worst": 1.0, "active_at": at(-60), **more}
    clear_since = None if cleared is None else at(cleared)
    return Signal(rule, "grants", seen_at=NOW, ripe=ripe, clear_since=clear_since, **given)


def named(*several: Signal) -> dict[str, Signal]:
    """Signals by their names."""
    return {single.name: single for single in several}


def test_a_signal_is_ripe_when_it_has_held_for_long_enough() -> None:
    """It begins with the first look that finds it, keeps its worst, and says what it said last."""
    first = looks((0, late(5)))
    assert first == Signal("late", "grants", None, NOW, NOW, {"value": 5, "late_jobs": 2}, 5)
    before = [(0, late(5)), (10, late())]
    unripe, ripe = looks(*before, (19, late())), looks(*before, (20, late()))
    assert unripe is not None
    assert ripe is not None
    assert (unripe.ripe, ripe.ripe) == (False, True)
    assert (ripe.active_at, ripe.seen_at, ripe.worst, ripe.facts["value"]) == (NOW, at(20), 5, 3)


def test_what_the_ledger_knows_counts_from_then() -> None:
    """Jobs that have been late for longer than was looked are ripe at once."""
    known = looks((0, late(late_since=at(-20).isoformat())))
    assert known is not None
    assert (known.active_at, known.ripe) == (at(-20), True)
    elsewhere = signals.begun(late(), NOW, LIMITS, at(-30))
    assert (elsewhere.active_at, elsewhere.ripe) == (at(-30), True)


def test_what_clears_before_it_is_ripe_was_nothing() -> None:
    """It is gone at once, and a ripe one is remembered since it has cleared."""
    assert looks((0, late()), (10, late()), (19, None)) is None
    cleared = looks((0, late()), (10, late()), (20, late()), (25, None), (30, None))
    assert cleared is not None
    assert (cleared.clear_since, cleared.holds, cleared.ripe) == (at(25), False, True)


def test_one_that_comes_back_soon_goes_on() -> None:
    """Within its time it is the same signal, and later it begins again, as bad as it ever was."""
    before = [(0, late(9)), (10, late()), (20, late()), (25, None)]
    soon, later = looks(*before, (54, late())), looks(*before, (55, late()))
    assert soon is not None
    assert later is not None
    assert (soon.active_at, soon.ripe, soon.clear_since, soon.worst) == (NOW, True, None, 9)
    assert (later.active_at, later.ripe, later.clear_since, later.worst) == (at(55), False, None, 9)


def test_a_time_nobody_looked_in_makes_nothing_ripe() -> None:
    """With more than ten seconds between two looks only what the ledger knows counts."""
    away = looks((0, late()), (4, late()), (25, late()))
    near, far = looks((0, late()), (10, late())), looks((0, late()), (11, late()))
    known = looks((0, late()), (25, late(late_since=at(1).isoformat())))
    ripe = looks((0, late()), (10, late()), (20, late()), (90, late()))
    several = (away, near, far, known, ripe)
    assert [single and single.active_at for single in several] == [at(21), NOW, at(11), at(1), NOW]
    assert [single and single.ripe for single in several] == [False, False, False, True, True]


def test_what_could_not_be_judged_stays_as_it_was() -> None:
    """Neither cleared nor seen; a finding about it counts all the same."""
    before = named(signal("late"), signal("slow"), signal("stalled"))
    after = signals.follow(before, [late(0)], ["late", "slow"], at(5), LIMITS)
    assert after["slow"] is before["slow"]
    assert after["stalled"].clear_since == at(5)
    assert after["late"].seen_at == at(5)


def test_a_signal_is_named_by_its_rule_and_its_subject() -> None:
    """Two hosts are two signals, named as their findings are."""
    finding = Finding("busy-host", None, 0.9, subject="host-a")
    assert signals.name_of(finding) == "busy-host:host-a" == signal("busy-host", subject="host-a").name
    assert signals.name_of(late()) == "late" == signal("late").name
    [name] = signals.follow({}, [finding], [], NOW, LIMITS)
    assert name == "busy-host:host-a"


@pytest.mark.parametrize(
    ("several", "shown", "worst"),
    [
        ([signal("slow"), signal("late")], "late", "late"),
        ([signal("slow"), signal("late", ripe=False)], "slow", "slow"),
        ([signal("slow"), signal("late", cleared=-5)], "slow", "late"),
        ([signal("slow", cleared=-5), signal("late", cleared=-5)], "late", "late"),
        ([signal("busy-host"), signal("stalled", ripe=False)], "stalled", "stalled"),
        ([signal("busy-host")], "busy-host", "busy-host"),
    ],
)
def test_an_incident_shows_the_worst_that_holds(several: list[Signal], shown: str, worst: str) -> None:
    """What is ripe goes first, and trouble with a deadline before what only explains it."""
    assert signals.shown(named(*several)).rule == shown
    assert signals.worst_of(named(*several)).rule == worst


@pytest.mark.parametrize(
    ("several", "stage"),
    [
        ([signal("slow"), signal("late", cleared=-29)], "late"),
        ([signal("slow"), signal("late", cleared=-30)], "slow"),
        ([signal("slow"), signal("late", cleared=-31)], "slow"),
        ([signal("slow"), signal("late", ripe=False)], "slow"),
        ([signal("late", ripe=False)], None),
        ([signal("late", cleared=-30)], None),
    ],
)
def test_the_stage_is_the_worst_that_is_not_over(several: list[Signal], stage: str | None) -> None:
    """What has just cleared counts on, and what is not ripe does not count yet."""
    assert signals.steady(named(*several), NOW, LIMITS) == stage


def test_clear_is_what_has_nothing_left_that_holds() -> None:
    """Since the last of its own signals has cleared, whatever explains it."""
    cleared = [signal("late", cleared=-9), signal("slow", cleared=-5), signal("busy-host")]
    assert signals.clear_since(named(*cleared)) == at(-5)
    assert signals.clear_since(named(*cleared, signal("stalled"))) is None
    assert signals.clear_since({}) is None


def test_a_cause_is_told_of_lateness_alone() -> None:
    """Trouble of workers and hosts that holds explains why jobs are late, and explains nothing else."""
    causes = [signal("no-worker"), signal("busy-host", cleared=-5), signal("stalled", ripe=False)]
    assert [cause.rule for cause in signals.causes(named(signal("late"), *causes))] == ["no-worker"]
    assert signals.causes(named(*causes)) == []
    assert signals.causes({}) == []


def test_an_incident_that_is_reopened_is_as_bad_as_it_ever_was() -> None:
    """Its signals are those of now, with the worst of both, and those that it alone had."""
    before = named(signal("late", worst=9.0), signal("slow", worst=2.0))
    after = named(signal("late", worst=3.0, active_at=NOW), signal("stalled"))
    joined = signals.joined(before, after)
    assert {name: (single.worst, single.active_at) for name, single in joined.items()} == {
        "late": (9.0, NOW),
        "slow": (2.0, at(-60)),
        "stalled": (1.0, at(-60)),
    }


def test_rules_about_the_deadlines_of_a_queue_are_one_incident() -> None:
    """The worst is late; a rule that is no stage of it is an incident of its own, and bad enough."""
    assert stages.key_of("slow", "grants", None) == ("deadlines", "grants", None)
    assert stages.key_of("failing", "grants", None) == ("failing", "grants", None)
    assert [stages.rank(rule) for rule in ("late", "stalled", "failing")] == [0, 4, 5]
    assert [stages.word(rule) for rule in ("slow", "failing")] == ["waits too long", "failing"]


def test_signals_are_kept_as_they_are() -> None:
    """As JSON and back they are the same; a host that explains belongs to no queue."""
    kept = named(signal("late", facts={"value": 1}), signal("busy-host", subject="host-a", cleared=-5))
    document = json.loads(json.dumps(signals.packed(kept)))
    assert "queue" not in document["late"]
    unpacked = signals.unpacked(document, "grants")
    assert unpacked["late"] == kept["late"]
    assert unpacked["busy-host:host-a"].queue is None
    assert unpacked["busy-host:host-a"].clear_since == at(-5)
    lost = signals.unpacked(signals.packed(named(signal("late", subject="x"), signal("lost-text"))), "grants")
    assert {single.queue for single in lost.values()} == {"grants"}
