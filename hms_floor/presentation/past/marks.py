"""Marks: what people did to a queue, by the audit trail, and the incidents that it had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo

from sqlalchemy import Connection

from hms_floor.presentation.audit import acts
from hms_oms.access import audit
from hms_oms.documents.access import Entry
from hms_oms.runtime import format
from hms_ops.documents.past import Mark
from hms_ops.incidents import actions as incidents
from hms_ops.incidents import wording
from hms_ops.incidents.actions import Incident

#: The most of either kind: the newest.
MOST = 200
#: What somebody may do to a queue that its charts show.
KINDS: Mapping[str, str] = {
    "POST /queues/{queue}/limit": "limit",
    "POST /queues/{queue}/pause": "pause",
    "POST /queues/{queue}/resume": "resume",
    "POST /queues/{queue}/policy": "policy",
    "PUT /queues/{queue}/sla": "sla",
    "PUT /queues/{queue}/calendar": "calendar",
    "POST /changes/{id}/undo": "undo",
}


def read(
    connection: Connection, queue: str, since: datetime, until: datetime, zone: tzinfo
) -> tuple[Mark, ...]:
    """What was done to a queue and happened to it from `since` until before `until`, oldest first."""
    matching = audit.Filter(actions=tuple(KINDS), subject=queue, since=since, until=until, done=True)
    marks = [_act(entry, zone) for entry in audit.find(connection, matching, limit=MOST)]
    for incident in incidents.during(connection, queue, since, until, limit=MOST):
        marks += [mark for mark in _incident(incident, zone) if since <= mark.at < until]
    return tuple(sorted(marks, key=lambda mark: mark.at))


def _act(entry: Entry, zone: tzinfo) -> Mark:
    said = acts.said(
        entry.action, entry.subject, entry.detail, lambda when: format.short(when, zone), done=True
    )
    return Mark(entry.at, KINDS[entry.action], entry.actor, said.words, entry.reason)


def _incident(incident: Incident, zone: tzinfo) -> Iterator[Mark]:
    assert incident.opened_at is not None
    title = f"{incident.name}: {wording.title(incident.rule)}"
    yield Mark(
        incident.opened_at, "incident", None, title, wording.sentence(incident, zone), incident.reference
    )
    if incident.resolved_at is not None:
        over = f"{incident.name} is over"
        yield Mark(incident.resolved_at, "over", incident.resolved_by, over, None, incident.reference)
