"""Signals: since when each rule of an incident holds, or has cleared; pure, with the time as argument.

A signal is ripe when its rule has held for `for_seconds`; one that clears before was nothing. A ripe one that
clears is remembered, and goes on if it comes back within `clear_seconds`. What was not looked at is not
known: it stays as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hms_ops.findings import Finding
from hms_ops.incidents.stages import CAUSES, LATENESS, STAGES, rank
from hms_ops.incidents.thresholds import Thresholds

#: With so long between two looks the watch was away.
AWAY = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Signal:
    """One rule within an incident; `facts` are what it said last, `worst` is the highest value.

    It has held since `active_at` and was seen to at `seen_at`; `clear_since` is since when it does not.
    """

    rule: str
    queue: str | None
    subject: str | None
    active_at: datetime
    seen_at: datetime
    facts: Mapping[str, Any]
    worst: float
    ripe: bool = False
    clear_since: datetime | None = None

    @property
    def name(self) -> str:
        """Name of the signal, unique within its incident."""
        return f"{self.rule}:{self.subject}" if self.subject else self.rule

    @property
    def holds(self) -> bool:
        """Whether its rule held when it was last judged."""
        return self.clear_since is None


#: The signals of one incident, by their names.
Signals = Mapping[str, Signal]


def follow(
    signals: Signals, findings: Iterable[Finding], untold: Collection[str], now: datetime, limits: Thresholds
) -> Signals:
    """The signals after a look at `now` that has these findings; `untold` names what it could not judge."""
    by_name = {name_of(finding): finding for finding in findings}
    kept = {
        name: _gone(signal, now)
        for name, signal in signals.items()
        if name not in by_name and name not in untold
    }
    held = {name: _held(signals.get(name), finding, now, limits) for name, finding in by_name.items()}
    unknown = {name: signal for name, signal in signals.items() if name in untold and name not in by_name}
    return {**{name: signal for name, signal in kept.items() if signal is not None}, **unknown, **held}


def name_of(finding: Finding) -> str:
    """The name of the signal that a finding belongs to."""
    return f"{finding.rule}:{finding.subject}" if finding.subject else finding.rule


def begun(finding: Finding, now: datetime, limits: Thresholds, since: datetime | None = None) -> Signal:
    """The signal of a finding that is new; `since` is since when it was seen to hold elsewhere."""
    signal = Signal(
        finding.rule,
        finding.queue,
        finding.subject,
        active_at=since or since_when(finding) or now,
        seen_at=now,
        facts=said(finding),
        worst=finding.value,
    )
    return _ripened(signal, now, limits)


def said(finding: Finding) -> dict[str, Any]:
    """A finding in the form in which it is stored."""
    return {**finding.facts, "value": finding.value, "late_jobs": finding.late_jobs}


def since_when(finding: Finding) -> datetime | None:
    """Since when the ledger knows that the rule holds; None where only looking tells."""
    since = finding.facts.get("late_since")
    return datetime.fromisoformat(since) if since else None


def shown(signals: Signals) -> Signal:
    """The signal that an incident shows: the worst that holds, or the worst there was if none does."""
    own = own_of(signals)
    holding = [signal for signal in own if signal.holds]
    return min(holding or own, key=lambda signal: (not signal.ripe, rank(signal.rule)))


def worst_of(signals: Signals) -> Signal:
    """The worst there was in an incident."""
    return min(own_of(signals), key=lambda signal: (not signal.ripe, rank(signal.rule)))


def steady(signals: Signals, now: datetime, limits: Thresholds) -> str | None:
    """The rule that is the stage of an incident at `now`; None if nothing has held for long enough.

    A signal that has just cleared counts on for its `clear_seconds`, so that the history tells of turns
    and not of every job.
    """
    rules = [signal.rule for signal in own_of(signals) if signal.ripe and not _is_over(signal, now, limits)]
    return min(rules, key=rank, default=None)


def clear_since(signals: Signals) -> datetime | None:
    """Since when nothing holds any more; None while something does."""
    own = own_of(signals)
    if any(signal.holds for signal in own):
        return None
    return max((signal.clear_since for signal in own if signal.clear_since), default=None)


def causes(signals: Signals) -> list[Signal]:
    """Signals that explain the lateness: trouble of workers and hosts that holds at the same time."""
    if not signals or shown(signals).rule not in LATENESS:
        return []
    return [signal for signal in signals.values() if signal.ripe and signal.holds and signal.rule in CAUSES]


def own_of(signals: Signals) -> list[Signal]:
    """The signals that decide whether an incident is over: not those that only explain it."""
    return [signal for signal in signals.values() if signal.rule in STAGES] or list(signals.values())


def joined(before: Signals, after: Signals) -> Signals:
    """The signals of an incident that is reopened: as they are now, as bad as they ever were."""
    worst = {
        name: replace(signal, worst=max(signal.worst, before[name].worst)) if name in before else signal
        for name, signal in after.items()
    }
    return {**before, **worst}


def packed(signals: Signals) -> dict[str, Any]:
    """The signals as JSON."""
    return {name: _packed(signal) for name, signal in signals.items()}


def unpacked(document: Mapping[str, Any], queue: str | None) -> Signals:
    """The signals out of JSON."""
    return {name: _unpacked(values, queue) for name, values in document.items()}


def _gone(signal: Signal, now: datetime) -> Signal | None:
    if not signal.ripe:
        return None
    return signal if signal.clear_since else replace(signal, clear_since=now)


def _held(before: Signal | None, finding: Finding, now: datetime, limits: Thresholds) -> Signal:
    if before is None:
        return begun(finding, now, limits)
    worst = max(before.worst, finding.value)
    if before.clear_since and _is_over(before, now, limits):
        return replace(begun(finding, now, limits), worst=worst)
    active_at = before.active_at
    if not before.ripe and now - before.seen_at > AWAY:
        active_at = since_when(finding) or active_at + (now - before.seen_at)
    held = replace(
        before, active_at=active_at, seen_at=now, facts=said(finding), worst=worst, clear_since=None
    )
    return _ripened(held, now, limits)


def _ripened(signal: Signal, now: datetime, limits: Thresholds) -> Signal:
    seconds = limits.value(signal.rule, "for_seconds", signal.queue)
    return replace(signal, ripe=signal.ripe or now - signal.active_at >= timedelta(seconds=seconds))


def _is_over(signal: Signal, now: datetime, limits: Thresholds) -> bool:
    if signal.clear_since is None:
        return False
    return now - signal.clear_since >= timedelta(
        seconds=limits.value(signal.rule, "clear_seconds", signal.queue)
    )


_MOMENTS = ("active_at", "seen_at", "clear_since")


def _packed(signal: Signal) -> dict[str, Any]:
    values = asdict(signal)
    del values["queue"]
    return {**values, **{name: values[name] and values[name].isoformat() for name in _MOMENTS}}


def _unpacked(values: Mapping[str, Any], queue: str | None) -> Signal:
    moments = {name: values[name] and datetime.fromisoformat(values[name]) for name in _MOMENTS}
    place = queue if values["rule"] in STAGES or values["subject"] is None else None
    return Signal(**{**values, **moments, "queue": place})
