"""The next change to an incident: by its signals, by what people have said, and by the time."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hms_ops.documents.calling import Silence
from hms_ops.incidents import decisions
from hms_ops.incidents.decisions import Step
from hms_ops.incidents.signals import Signal, Signals
from hms_ops.incidents.store import Incident
from hms_ops.incidents.thresholds import Thresholds

NOW = datetime(2026, 5, 4, 8, tzinfo=UTC)
LIMITS = Thresholds({("late", "clear_seconds", None): 30, ("late", "reopen_seconds", "grants"): 100})
NOBODY = {field.name: None for field in fields(Incident)}


def at(seconds: float) -> datetime:
    """So many seconds from now."""
    return NOW + timedelta(seconds=seconds)


def signals(**cleared: float | None) -> Signals:
    """Signals that are ripe, each with when it has cleared, if it has."""
    return {rule: signal(rule, cleared=since) for rule, since in cleared.items()}


def signal(rule: str, *, cleared: float | None = None, **more: Any) -> Signal:
    """A signal that has held for a minute."""
    given: dict[str, Any] = {"active_at": at(-60), "seen_at": at(-1), "worst": 4.0, "ripe": True, **more}
    clear_since = None if cleared is None else at(cleared)
    return Signal(rule, "grants", None, facts={"of": rule}, clear_since=clear_since, **given)


def incident(state: str = "open", **more: Any) -> Incident:
    """An incident about late jobs of a queue."""
    given = {
        "rule": "late",
        "queue": "grants",
        "stage": "late",
        "active_at": at(-90),
        "signals": signals(late=None),
    }
    return Incident(
        **{**NOBODY, "id": 1, "state": state, "flapping": False, "silenced": False, **given, **more}
    )


def judged(subject: Incident, *silences: Silence) -> Step:
    """What is next for it."""
    return decisions.judge(subject, NOW, LIMITS, silences)


def test_an_incident_shows_what_its_signals_say() -> None:
    """The worst that holds, with its facts; a pending one has begun with the first of its own that holds."""
    current = {
        "late": signal("late", seen_at=at(-3), active_at=at(-20), worst=9.0),
        "slow": signal("slow", cleared=-5, active_at=at(-80), seen_at=at(-2)),
    }
    opened = decisions.seen(incident(rule="slow", stage="slow"), current, NOW, LIMITS)
    assert (opened.rule, opened.stage, opened.facts, opened.worst) == ("late", "late", {"of": "late"}, 9.0)
    assert (opened.last_true_at, opened.clear_since, opened.active_at) == (at(-2), None, at(-90))
    assert opened.signals is current
    pending = decisions.seen(incident("pending"), current, NOW, LIMITS)
    assert pending.active_at == at(-20)
    assert decisions.seen(incident("resolved"), current, NOW, LIMITS).active_at == at(-90)


def test_a_stage_stays_where_nothing_is_ripe() -> None:
    """As does the beginning of a pending one of which nothing holds."""
    unripe = {"slow": signal("slow", ripe=False)}
    assert decisions.seen(incident(), unripe, NOW, LIMITS).stage == "late"
    cleared = decisions.seen(incident("pending"), signals(slow=-5, late=-3), NOW, LIMITS)
    assert (cleared.active_at, cleared.clear_since) == (at(-90), at(-3))


def test_an_incident_without_signals_is_clear() -> None:
    """Since now, or since it was before."""
    assert decisions.seen(incident(), {}, NOW, LIMITS).clear_since == NOW
    assert decisions.seen(incident(clear_since=at(-5)), {}, NOW, LIMITS).clear_since == at(-5)
    assert decisions.seen(incident(), {}, NOW, LIMITS).signals == {}


@pytest.mark.parametrize(
    ("current", "step"),
    [
        (signals(late=None), Step.OPEN),
        ({"late": signal("late", ripe=False)}, Step.KEEP),
        (signals(late=-5), Step.KEEP),
        ({}, Step.FORGET),
        # What only explains it does not open it.
        ({"late": signal("late", ripe=False), "busy-host": signal("busy-host")}, Step.KEEP),
    ],
)
def test_a_pending_one_opens_when_it_is_ripe(current: Signals, step: Step) -> None:
    """One that has nothing left is forgotten."""
    assert judged(incident("pending", signals=current)) == step


def test_an_end_waits_until_it_is_certain() -> None:
    """It ends when the last signal has been clear for its time."""
    assert judged(incident(signals=signals(late=-29), clear_since=at(-29))) == Step.KEEP
    assert judged(incident(signals=signals(late=-30), clear_since=at(-30))) == Step.END


@pytest.mark.parametrize(
    ("state", "expires_at", "step"),
    [
        ("acknowledged", at(1), Step.KEEP),
        ("acknowledged", NOW, Step.EXPIRED),
        ("acknowledged", at(-1), Step.EXPIRED),
        ("acknowledged", None, Step.KEEP),
        ("open", at(-1), Step.KEEP),
    ],
)
def test_a_word_is_over_when_its_time_is(state: str, expires_at: datetime | None, step: Step) -> None:
    """Then people are called again."""
    assert judged(incident(state, ack_expires_at=expires_at)) == step


def test_what_flaps_is_steady_after_its_time() -> None:
    """It has neither opened nor ended for so long; what does not flap is only kept."""
    assert judged(incident(flapping=True, changed_at=at(-100))) == Step.STEADY
    assert judged(incident(flapping=True, changed_at=at(-101))) == Step.STEADY
    assert judged(incident(flapping=True, changed_at=at(-99))) == Step.KEEP
    assert judged(incident(flapping=True, active_at=at(-100))) == Step.STEADY
    assert judged(incident(flapping=True, active_at=at(-100), changed_at=at(-9))) == Step.KEEP
    assert judged(incident(changed_at=at(-100))) == Step.KEEP


def test_the_call_of_a_silence_is_made_at_its_end() -> None:
    """As long as a silence covers the incident it waits."""
    covering = Silence(1, "late", "grants", at(-9), at(9), "fair", "ann", at(-9), None, None)
    other = Silence(2, "slow", None, at(-9), at(9), "fair", "ann", at(-9), None, None)
    assert judged(incident(silenced=True), covering) == Step.KEEP
    assert judged(incident(silenced=True), other) == Step.UNSILENCED
    assert judged(incident(), other) == Step.KEEP


def test_what_holds_again_soon_is_the_same() -> None:
    """Within the time of its rule in its queue."""
    ended = incident("resolved", resolved_at=at(-100))
    assert decisions.comes_back(ended, at(-1), LIMITS)
    assert not decisions.comes_back(ended, NOW, LIMITS)
    assert not decisions.comes_back(ended, at(1), LIMITS)
    assert not decisions.comes_back(incident(), NOW, LIMITS)


@pytest.mark.parametrize(
    ("more", "rules", "stands"),
    [
        ({}, ["late"], True),
        ({"resolved_by": None}, ["late"], False),
        ({"clear_since": at(-5)}, ["late"], False),
        ({"resolved_at": at(-100)}, ["late"], False),
        ({"stage": "slow"}, ["slow"], True),
        ({"stage": "slow"}, ["slow", "late"], False),
        ({"stage": "forecast"}, ["forecast", "late"], False),
    ],
)
def test_the_word_of_a_person_stands_for_what_was_known(
    more: dict[str, Any], rules: list[str], stands: bool
) -> None:
    """Who has resolved it is not called about the same again; late jobs that were not late are news."""
    ended = incident("resolved", **{"resolved_by": "ann", "resolved_at": at(-50), **more})
    assert decisions.word_stands(ended, rules, NOW, LIMITS) is stands


@pytest.mark.parametrize(
    ("subject", "explained"),
    [
        (incident(), True),
        (incident("acknowledged", stage="slow"), True),
        (incident("pending"), False),
        (incident("resolved"), False),
        (incident(silenced=True), False),
        (incident(stage="stalled"), False),
        (incident(queue="other"), False),
        (incident(stage=None), False),
    ],
)
def test_a_cause_is_named_where_people_are_called(subject: Incident, explained: bool) -> None:
    """In an incident of lateness that is open and not silenced."""
    assert decisions.is_explained(["grants", "visits"], subject) is explained
