"""How incidents open, hold and end: one look's findings against what is known, in the caller's transaction.

A finding begins as pending and opens when its rule has held for `for_seconds`; a pending one that clears is
forgotten. An open one is resolved when its rule has been clear for `clear_seconds`; if it comes back within
`reopen_seconds` the same incident is reopened. An acknowledgement that runs out while the rule holds opens it
again. Each of these calls people anew, unless a silence covers it (the call then waits for the silence's end)
or it flaps: with `flap_changes` openings and endings within `flap_seconds` it says so once, and is quiet
until nothing has changed for `reopen_seconds`.

What was not looked at is not known. A rule that could not judge leaves its incidents as they are, and so does
one that lacks the data about a queue, as a forecast does after a new start. When the
watch was away, the time between does not count for pending ones, except that the ledger knows since when jobs
are late. A breach that began and ended while the watch was away calls nobody: it is in the SLA report.

Any number of evaluators may run at once: each holds the rows that it changes, and the database lets one
insert. The loser finds everything done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from hms_oms import outbox
from hms_ops import incident_rows, references, silences
from hms_ops.findings import Finding, Key
from hms_ops.incident_rows import Incident
from hms_ops.silences import Silence
from hms_ops.thresholds import Thresholds

#: With so long between two looks the watch was away.
AWAY = timedelta(seconds=10)
#: What had held for longer than this when the watch came back is marked as detected late.
LONG_HELD = timedelta(minutes=1)


def observe(
    connection: Connection,
    now: datetime,
    findings: Sequence[Finding],
    limits: Thresholds,
    *,
    judged: Collection[str],
    unknown: Collection[Key] = (),
    looked_before: datetime | None = None,
) -> None:
    """Move the incidents of the rules that were `judged` in a look at `now`, but not the `unknown` ones.

    `looked_before` is when the watch last looked, None if that is not known.
    """
    look = _Look(connection, now, limits, silences.active(connection, now), looked_before)
    holding = {finding.key: finding for finding in findings}
    current, ended = look.known(judged, unknown)
    # In one order everywhere: evaluators that race wait for each other in turn, and never in a circle.
    fresh = [holding[key] for key in sorted(holding, key=str) if key not in current]
    begun = [look.begin(finding, ended.get(finding.key)) for finding in fresh]
    if any(begun):
        current, ended = look.known(judged, unknown)
    for incident in ended.values():
        look.rest(incident, holds=incident.key in holding)
    held = []
    for key, incident in current.items():
        if key in holding:
            held.append((look.hold(incident, holding[key], ended.get(key)), holding[key]))
        else:
            look.clear(incident)
    incident_rows.keep_up(connection, held, now)


@dataclass(frozen=True)
class _Look:
    connection: Connection
    now: datetime
    limits: Thresholds
    silences: Sequence[Silence]
    looked_before: datetime | None

    def known(
        self, judged: Collection[str], unknown: Collection[Key]
    ) -> tuple[Mapping[Key, Incident], Mapping[Key, Incident]]:
        """The incident of each key that is not resolved, and the newest that is and may be reopened."""
        since = self.now - timedelta(seconds=self.limits.largest("reopen_seconds"))
        known = [
            one
            for one in incident_rows.hold_recent(self.connection, since)
            if one.rule in judged and one.key not in unknown
        ]
        return (
            {one.key: one for one in known if one.state != "resolved"},
            {one.key: one for one in known if one.state == "resolved"},
        )

    def begin(self, finding: Finding, ended: Incident | None) -> bool:
        """A rule holds that has no incident: False where it gets none, or another evaluator was first."""
        if ended is not None and self._word_stands(ended):
            return False
        since = _since_when(finding)
        away = self.looked_before is None or self.now - self.looked_before > AWAY
        late = away and since is not None and self.now - since > LONG_HELD
        return incident_rows.begin(self.connection, finding, since or self.now, self.now, late)

    def hold(self, incident: Incident, finding: Finding, ended: Incident | None) -> Incident:
        """The rule of an incident holds; returns the incident that it belongs to from now on."""
        if incident.state == "pending":
            return self._ripen(incident, finding, ended)
        if (
            incident.state == "acknowledged"
            and incident.ack_expires_at
            and incident.ack_expires_at <= self.now
        ):
            return self._call(incident, "ack expired", **_NOT_ACKNOWLEDGED)
        if incident.flapping and self._is_steady(incident):
            if incident.state == "open":
                return self._call(incident, "steady", flapping=False)
            return self._change(incident, "steady", flapping=False)
        if incident.silenced and self._silence(incident) is None:
            return self._change(incident, "silence over", silenced=False, page_from=self.now)
        return incident

    def clear(self, incident: Incident) -> None:
        """The rule of an incident does not hold."""
        since = incident.clear_since or self.now
        if incident.state == "pending":
            incident_rows.forget(self.connection, incident)
        elif self.now - since >= self._seconds(incident, "clear_seconds"):
            incident_rows.end(self.connection, incident, self.now)
        elif incident.clear_since is None:
            incident_rows.cleared(self.connection, [incident], self.now)

    def rest(self, ended: Incident, *, holds: bool) -> None:
        """An incident is resolved and may still be reopened."""
        if ended.flapping and self._is_steady(ended):
            ended = self._change(ended, "steady", flapping=False)
        if ended.clear_since is None and not holds:
            incident_rows.cleared(self.connection, [ended], self.now)

    def _ripen(self, pending: Incident, finding: Finding, ended: Incident | None) -> Incident:
        active_at = self._active_at(pending, finding)
        if self.now - active_at < self._seconds(pending, "for_seconds"):
            if active_at != pending.active_at:
                incident_rows.shift(self.connection, pending, active_at)
            return pending
        if ended is not None and self._comes_back(ended, active_at):
            incident_rows.forget(self.connection, pending)
            return self._reopen(ended, active_at)
        return self._turn(
            pending,
            "opened",
            active_at=active_at,
            opened_at=self.now,
            reference=references.fresh(self.connection, self.now),
        )

    def _reopen(self, ended: Incident, active_at: datetime) -> Incident:
        rested = ended.resolved_at is not None and self.now - ended.resolved_at > references.REST
        return self._turn(
            ended,
            "reopened",
            active_at=active_at,
            reference=references.fresh(self.connection, self.now) if rested else ended.reference,
            reopened=ended.reopened + 1,
            resolved_at=None,
            resolved_by=None,
            clear_since=None,
        )

    def _turn(self, incident: Incident, kind: str, **values: Any) -> Incident:
        """Open or reopen an incident: people are called, unless it comes and goes all the time."""
        values |= {"changed_at": self.now, **_NOT_ACKNOWLEDGED}
        if incident.flapping:
            return self._change(incident, kind, **values)
        window = self._seconds(incident, "flap_seconds")
        changes = incident_rows.turns(self.connection, incident, self.now - window) + 1
        flapping = changes >= self.limits.value(incident.rule, "flap_changes", incident.queue)
        incident = self._call(incident, kind, flapping=flapping, **values)
        if flapping:
            detail = {"changes": changes, "minutes": window / timedelta(minutes=1)}
            incident_rows.note(self.connection, incident.id, self.now, "flapping", detail=detail)
        return incident

    def _call(self, incident: Incident, kind: str, **values: Any) -> Incident:
        """Change an incident so that people are called anew, at the end of a silence if one covers it."""
        outbox.cancel_pages(self.connection, incident.id)
        silence = self._silence(incident)
        called_before = incident.opened_at is not None
        incident = self._change(
            incident,
            kind,
            page_seq=incident.page_seq + called_before,
            page_from=self.now,
            silenced=silence is not None,
            **values,
        )
        if silence is not None:
            detail = {"silence": silence.id, "reason": silence.reason}
            incident_rows.note(self.connection, incident.id, self.now, "silenced", silence.set_by, detail)
        return incident

    def _change(self, incident: Incident, kind: str, **values: Any) -> Incident:
        return incident_rows.change(self.connection, incident, self.now, kind, **values)

    def _active_at(self, pending: Incident, finding: Finding) -> datetime:
        away = self.now - pending.last_true_at
        if away <= AWAY:
            return pending.active_at
        return _since_when(finding) or pending.active_at + away

    def _word_stands(self, ended: Incident) -> bool:
        """Whether a person has resolved it, and its rule has held ever since."""
        by_hand = ended.resolved_by is not None and ended.clear_since is None
        return by_hand and self._comes_back(ended, self.now)

    def _comes_back(self, ended: Incident, at: datetime) -> bool:
        within = self._seconds(ended, "reopen_seconds")
        return ended.resolved_at is not None and at - ended.resolved_at < within

    def _is_steady(self, incident: Incident) -> bool:
        changed_at = incident.changed_at or incident.active_at
        return self.now - changed_at >= self._seconds(incident, "reopen_seconds")

    def _silence(self, incident: Incident) -> Silence | None:
        return silences.covering(self.silences, incident.rule, incident.queue)

    def _seconds(self, incident: Incident, parameter: str) -> timedelta:
        return timedelta(seconds=self.limits.value(incident.rule, parameter, incident.queue))


_NOT_ACKNOWLEDGED: Mapping[str, Any] = {
    "state": "open",
    "acknowledged_at": None,
    "acknowledged_by": None,
    "ack_expires_at": None,
}


def _since_when(finding: Finding) -> datetime | None:
    """Since when the ledger knows that the rule holds; None where only looking tells."""
    since = finding.facts.get("late_since")
    return datetime.fromisoformat(since) if since else None
