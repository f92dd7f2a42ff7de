"""Decide the next change to an incident: pure, from what its rules say and what people have said.

`judge` reads an incident whose signals are those of this look. It decides one thing at a time: what is due
beside that is due at the next look, half a second later.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto

from hms_ops.documents.calling import Silence
from hms_ops.incidents import signals, stages
from hms_ops.incidents.signals import Signals
from hms_ops.incidents.silences import covering
from hms_ops.incidents.store import Incident
from hms_ops.incidents.thresholds import Thresholds


class Step(Enum):
    """The next change to an incident."""

    KEEP = auto()
    FORGET = auto()
    #: It opens, or the one that ended lately is reopened in its place.
    OPEN = auto()
    #: Nothing of it holds any more, for long enough.
    END = auto()
    #: People are called again.
    EXPIRED = auto()
    STEADY = auto()
    #: The call that has waited for the end of a silence is made.
    UNSILENCED = auto()


def seen(incident: Incident, current: Signals, now: datetime, limits: Thresholds) -> Incident:
    """The incident with the signals of a look: what it shows, its stage, and since when it is clear."""
    if not current:
        return replace(incident, signals=current, clear_since=incident.clear_since or now)
    first, clear_since = signals.shown(current), signals.clear_since(current)
    # What is clear and not over yet takes no other turn, however long each of its rules counts on.
    turn = None if clear_since else signals.steady(current, now, limits)
    return replace(
        incident,
        signals=current,
        rule=first.rule,
        stage=turn or incident.stage,
        facts=first.facts,
        worst=first.worst,
        last_true_at=max(signal.seen_at for signal in current.values()),
        clear_since=clear_since,
        active_at=_active_at(incident, current),
    )


def judge(incident: Incident, now: datetime, limits: Thresholds, silences: Sequence[Silence]) -> Step:
    """Decide the next change to an unresolved incident."""
    if incident.state == "pending":
        own = signals.own_of(incident.signals)
        ripe = any(signal.ripe and signal.holds for signal in own)
        return Step.OPEN if ripe else Step.KEEP if own else Step.FORGET
    if incident.clear_since is not None:
        over = signals.steady(incident.signals, now, limits) is None
        return Step.END if over else Step.KEEP
    if _ack_is_over(incident, now):
        return Step.EXPIRED
    if incident.flapping and is_steady(incident, now, limits):
        return Step.STEADY
    covered = covering(silences, incident.rule, incident.queue) is not None
    return Step.UNSILENCED if incident.silenced and not covered else Step.KEEP


def is_steady(incident: Incident, now: datetime, limits: Thresholds) -> bool:
    """Whether an incident has neither opened nor ended for so long that it does not flap any more."""
    changed_at = incident.changed_at or incident.active_at
    return now - changed_at >= _seconds(incident, "reopen_seconds", limits)


def comes_back(ended: Incident, at: datetime, limits: Thresholds) -> bool:
    """Whether what holds since `at` is the same incident, reopened."""
    within = _seconds(ended, "reopen_seconds", limits)
    return ended.resolved_at is not None and at - ended.resolved_at < within


def word_stands(ended: Incident, rules: Collection[str], now: datetime, limits: Thresholds) -> bool:
    """Whether a person has resolved it and its rules have held ever since: then nobody is called.

    The word is about what was known: if jobs are late that were not, it does not stand.
    """
    by_hand = ended.resolved_by is not None and ended.clear_since is None
    broken = stages.BROKEN in rules and ended.stage != stages.BROKEN
    return by_hand and not broken and comes_back(ended, now, limits)


def is_explained(queues: Collection[str], incident: Incident) -> bool:
    """Whether an incident of lateness has trouble with workers for these queues as a cause.

    A cause is named inside an incident that people are called about: else nobody would hear of it.
    """
    live = incident.state in ("open", "acknowledged") and not incident.silenced
    return live and incident.stage in stages.LATENESS and incident.queue in queues


def _ack_is_over(incident: Incident, now: datetime) -> bool:
    expires_at = incident.ack_expires_at
    return incident.state == "acknowledged" and expires_at is not None and expires_at <= now


def _active_at(incident: Incident, current: Signals) -> datetime:
    """Since when it holds: of a pending one that may change."""
    own = [signal.active_at for signal in signals.own_of(current) if signal.holds]
    return min(own, default=incident.active_at) if incident.state == "pending" else incident.active_at


def _seconds(incident: Incident, parameter: str, limits: Thresholds) -> timedelta:
    return timedelta(seconds=limits.value(incident.rule, parameter, incident.queue))
