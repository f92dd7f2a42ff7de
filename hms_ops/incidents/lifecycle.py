"""Open, hold and end incidents: one look's findings against the known ones, in the caller's transaction.

All rules about the deadlines of a queue feed one incident (`hms_ops.incidents.stages`), each as a signal
within it (`hms_ops.incidents.signals`). It begins as pending and opens when one of them has held for its
`for_seconds`; a pending one that clears is forgotten. An open one is resolved when each has been clear for
its `clear_seconds`; if it comes back within `reopen_seconds` the same incident is reopened. An
acknowledgement that runs out while something holds opens it again. Each of these calls people again; a change
of stage does not: whom else a warning calls that nobody answers, and when, is for the escalation policy. A
silence makes a call wait for its end. An incident that flaps says so once: with `flap_changes` openings and
endings within `flap_seconds` it is quiet until nothing has changed for `reopen_seconds`.

A busy host that explains why jobs are late is named inside the incident of each such queue; if it had an
incident of its own, that one is merged into the first of them.

What was not looked at is not known. A rule that could not judge leaves its signals as they are, and so does
one that lacks the data about a queue, as a forecast does after a new start. When the watch was away, the time
between does not count for pending ones, except that the ledger knows since when jobs are late. A breach that
began and ended while the watch was away calls nobody: it is in the SLA report.

Any number of evaluators may run at once: each holds the rows that it changes, and the database lets one
insert. The loser finds everything done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from hms_oms.daemon.isolation import Apart
from hms_oms.messages import outbox
from hms_ops.documents.calling import Silence
from hms_ops.findings import Finding, Key
from hms_ops.incidents import decisions, references, signals, silences, stages, store
from hms_ops.incidents.decisions import Step
from hms_ops.incidents.signals import AWAY, Signals
from hms_ops.incidents.store import Incident
from hms_ops.incidents.thresholds import Thresholds

#: What had held for longer than this when the watch came back is marked as detected late.
LONG_HELD = timedelta(minutes=1)

#: The findings that belong together.
_Groups = Mapping[Key, Sequence[Finding]]


def observe(
    connection: Connection,
    now: datetime,
    findings: Sequence[Finding],
    limits: Thresholds,
    *,
    judged: Collection[str],
    unknown: Collection[Key] = (),
    looked_before: datetime | None = None,
    apart: Apart | None = None,
) -> None:
    """Move the incidents by what was found in a look at `now` by the rules that were `judged`.

    Nothing is known of the rest, and of the `unknown`. `looked_before` is when the watch last looked, None if
    that is not known. An incident that raises stays as it is and holds up no other; `apart` remembers which.
    """
    apart = apart or Apart()
    held = silences.active(connection, now)
    look = _Look(connection, now, limits, held, looked_before, judged, unknown)
    groups = _grouped(findings)
    current, ended = look.known()
    # In one order everywhere: evaluators that race wait for each other in turn, and never in a circle.
    fresh = [key for key in sorted(groups, key=str) if key not in current]
    begun = 0
    for key in fresh:
        with apart.doing(f"beginning an incident of {_named(key)}"), connection.begin_nested():
            begun += look.begin(groups[key], ended.get(key))
    if begun:
        current, ended = look.known()
    for incident in ended.values():
        with apart.doing(f"following {incident.name}"), connection.begin_nested():
            look.rest(incident, holds=incident.key in groups)
    after: dict[Key, Incident] = {}
    for key, incident in current.items():
        with apart.doing(f"judging {incident.name}"):
            after[key] = look.see(incident, groups, current)
    store.keep_up(connection, [incident for key, incident in after.items() if incident is not current[key]])
    queues_first = sorted(after, key=lambda key: (key[0] != stages.DEADLINES, after[key].id))
    moved: list[Incident] = []
    for key in queues_first:
        with apart.doing(f"moving {current[key].name}"), connection.begin_nested():
            whole = look.explained(after[key], moved)
            if whole is None:
                moved.append(look.move(after[key], current[key], ended.get(key)))
            else:
                look.merge(after[key], whole)


@dataclass(frozen=True)
class _Look:
    connection: Connection
    now: datetime
    limits: Thresholds
    silences: Sequence[Silence]
    looked_before: datetime | None
    judged: Collection[str]
    unknown: Collection[Key]

    def known(self) -> tuple[Mapping[Key, Incident], Mapping[Key, Incident]]:
        """The incident of each key that is not resolved, and the newest that is and may be reopened."""
        since = self.now - timedelta(seconds=self.limits.largest("reopen_seconds"))
        known = store.hold_recent(self.connection, since)
        return (
            {incident.key: incident for incident in known if incident.state != "resolved"},
            {incident.key: incident for incident in known if incident.state == "resolved"},
        )

    def begin(self, findings: Sequence[Finding], ended: Incident | None) -> bool:
        """Rules hold that have no incident: False where they get none, or another evaluator was first."""
        rules = {finding.rule for finding in findings}
        if ended is not None and decisions.word_stands(ended, rules, self.now, self.limits):
            return False
        current = signals.follow({}, findings, (), self.now, self.limits)
        since = min(signal.active_at for signal in current.values())
        away = self.looked_before is None or self.now - self.looked_before > AWAY
        late = away and self.now - since > LONG_HELD
        return store.begin(self.connection, current, self.now, late)

    def see(self, incident: Incident, groups: _Groups, current: Mapping[Key, Incident]) -> Incident:
        """The incident with what this look says of it; itself where nothing is known of it."""
        untold = [name for name, signal in incident.signals.items() if self._is_untold(signal.rule, incident)]
        findings = groups.get(incident.key, ())
        if not findings and len(untold) == len(incident.signals):
            return incident
        hosts = _hosts_of(incident.queue, groups) if incident.key[0] == stages.DEADLINES else []
        before = {**_since(hosts, current), **incident.signals}
        followed = signals.follow(before, [*findings, *hosts], untold, self.now, self.limits)
        return decisions.seen(incident, followed, self.now, self.limits)

    def explained(self, incident: Incident, moved: Sequence[Incident]) -> Incident | None:
        """The incident of a queue that trouble of a host is the cause of."""
        if incident.rule not in stages.CAUSES or incident.clear_since is not None:
            return None
        queues = incident.facts.get("queues", ())
        return next((host for host in moved if decisions.is_explained(queues, host)), None)

    def merge(self, part: Incident, whole: Incident) -> None:
        """Trouble of a host explains the lateness of a queue: it is no incident of its own."""
        if part.state == "pending":
            store.forget(self.connection, part)
        else:
            store.merge(self.connection, part, whole, self.now)

    def move(self, incident: Incident, before: Incident, ended: Incident | None) -> Incident:
        """Do what is due with an incident; returns the one that it belongs to from now on."""
        step = decisions.judge(incident, self.now, self.limits, self.silences)
        match step:
            case Step.FORGET:
                store.forget(self.connection, incident)
                return incident
            case Step.OPEN:
                return self._open(incident, ended)
            case Step.END:
                return store.end(self.connection, incident, self.now)
        incident = self._note_stage(incident, before)
        match step:
            case Step.EXPIRED:
                return self._call(incident, "ack expired", **_NOT_ACKNOWLEDGED)
            case Step.STEADY if incident.state == "open":
                return self._call(incident, "steady", flapping=False)
            case Step.STEADY:
                return self._change(incident, "steady", flapping=False)
            case Step.UNSILENCED:
                return self._change(incident, "silence over", silenced=False, page_from=self.now)
        return incident

    def rest(self, ended: Incident, *, holds: bool) -> None:
        """An incident is resolved and may still be reopened."""
        if ended.flapping and decisions.is_steady(ended, self.now, self.limits):
            ended = self._change(ended, "steady", flapping=False)
        untold = any(self._is_untold(signal.rule, ended) for signal in ended.signals.values() if signal.holds)
        if ended.clear_since is None and not holds and not untold:
            store.cleared(self.connection, [ended], self.now)

    def _is_untold(self, rule: str, incident: Incident) -> bool:
        return rule not in self.judged or (rule, incident.queue, incident.subject) in self.unknown

    def _open(self, pending: Incident, ended: Incident | None) -> Incident:
        if ended is not None and decisions.comes_back(ended, pending.active_at, self.limits):
            store.forget(self.connection, pending)
            return self._reopen(ended, pending)
        reference = references.fresh(self.connection, self.now)
        return self._turn(pending, "opened", opened_at=self.now, reference=reference)

    def _reopen(self, ended: Incident, pending: Incident) -> Incident:
        rested = ended.resolved_at is not None and self.now - ended.resolved_at > references.REST
        joined = signals.joined(ended.signals, pending.signals)
        back = decisions.seen(replace(ended, stage=pending.stage), joined, self.now, self.limits)
        return self._turn(
            back,
            "reopened",
            **{name: getattr(back, name) for name in ("rule", "stage", "facts", "signals", "worst")},
            active_at=pending.active_at,
            last_true_at=self.now,
            reference=references.fresh(self.connection, self.now) if rested else ended.reference,
            reopened=ended.reopened + 1,
            resolved_at=None,
            resolved_by=None,
            clear_since=None,
        )

    def _turn(self, incident: Incident, kind: str, **values: Any) -> Incident:
        """Open or reopen an incident: people are called, unless it flaps."""
        values |= {"changed_at": self.now, **_NOT_ACKNOWLEDGED}
        stage = {"stage": stages.word(incident.rule)} if incident.rule in stages.STAGES else None
        if incident.flapping:
            # What it says once waits for the end of a silence as any other call does.
            covered = silences.covering(self.silences, incident.rule, incident.queue) is not None
            return self._change(incident, kind, stage, silenced=covered, **values)
        window = timedelta(seconds=self.limits.value(incident.rule, "flap_seconds", incident.queue))
        changes = store.turns(self.connection, incident, self.now - window) + 1
        flapping = changes >= self.limits.value(incident.rule, "flap_changes", incident.queue)
        incident = self._call(incident, kind, stage, flapping=flapping, **values)
        if flapping:
            detail = {"changes": changes, "minutes": window / timedelta(minutes=1)}
            store.note(self.connection, incident.id, self.now, "flapping", detail=detail)
        return incident

    def _call(
        self,
        incident: Incident,
        kind: str,
        detail: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> Incident:
        """Change an incident so that people are called again, at the end of a silence if one covers it."""
        outbox.cancel_pages(self.connection, incident.id)
        silence = silences.covering(self.silences, incident.rule, incident.queue)
        called_before = incident.opened_at is not None
        incident = self._change(
            incident,
            kind,
            detail,
            page_seq=incident.page_seq + called_before,
            page_from=self.now,
            silenced=silence is not None,
            **values,
        )
        if silence is not None:
            why = {"silence": silence.id, "reason": silence.reason}
            store.note(self.connection, incident.id, self.now, "silenced", silence.set_by, why)
        return incident

    def _note_stage(self, incident: Incident, before: Incident) -> Incident:
        """Write down that an incident has changed its stage."""
        if incident.state != "pending" and incident.stage != before.stage and before.stage is not None:
            detail = {"from": stages.word(before.stage), "to": stages.word(incident.stage or incident.rule)}
            store.note(self.connection, incident.id, self.now, "stage changed", detail=detail)
        return incident

    def _change(
        self, incident: Incident, kind: str, detail: Mapping[str, Any] | None = None, **values: Any
    ) -> Incident:
        return store.change(self.connection, incident, self.now, kind, detail=detail, **values)


def _grouped(findings: Sequence[Finding]) -> _Groups:
    groups: dict[Key, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(stages.key_of(*finding.key), []).append(finding)
    return groups


def _named(key: Key) -> str:
    return " of ".join(str(part) for part in key if part is not None)


def _hosts_of(queue: str | None, groups: _Groups) -> list[Finding]:
    """The findings about hosts that have workers for a queue."""
    return [
        finding
        for findings in groups.values()
        for finding in findings
        if finding.rule in stages.CAUSES and queue in finding.facts.get("queues", ())
    ]


def _since(hosts: Sequence[Finding], current: Mapping[Key, Incident]) -> Signals:
    """The signals of hosts as their own incidents know them: since when they are in trouble."""
    own = [current[finding.key] for finding in hosts if finding.key in current]
    return {name: signal for incident in own for name, signal in incident.signals.items()}


_NOT_ACKNOWLEDGED: Mapping[str, Any] = {
    "state": "open",
    "acknowledged_at": None,
    "acknowledged_by": None,
    "ack_expires_at": None,
}
