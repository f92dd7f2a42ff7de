"""Incidents as people meet them: what is wrong, what happened to it, and what they can say about it.

    pending -> open <-> acknowledged -> resolved (-> open again, within a while)

A queue has at most one incident about its deadlines that is not resolved, and every other rule one for each
queue (and subject): the database says so.
`hms_ops.incidents.lifecycle` moves them with what the rules find. An incident is named by its reference
(`K7`, `#K7`) or its number.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, text

from hms_oms.messages import outbox
from hms_oms.runtime.errors import HmsError
from hms_ops.documents.incidents import Happening
from hms_ops.incidents import store
from hms_ops.incidents.store import ROWS, Incident
from hms_ops.incidents.thresholds import Thresholds

__all__ = ["LIVE", "STATES", "Incident", "UnknownIncident"]

STATES = ("pending", "open", "acknowledged", "resolved")
#: Those that people should know of and that are not over.
LIVE = ("open", "acknowledged")


class UnknownIncident(HmsError):
    """No incident has this reference or number."""

    def __init__(self, reference: str) -> None:
        self.reference = reference
        super().__init__(f"there is no incident {reference}")


def get(connection: Connection, reference: int | str) -> Incident:
    """One incident, by reference or number. Raises UnknownIncident.

    References come round again after a long while: the one that is not resolved is meant, or else the newest.
    """
    return _incident(connection, reference, hold=False)


def find(
    connection: Connection,
    states: Collection[str] = LIVE,
    queue: str | None = None,
    limit: int | None = 100,
    after: int | None = None,
) -> list[Incident]:
    """The incidents in one of `states`, of one queue or all, newest first; `after` goes on behind that id."""
    query = select(*ROWS.c).where(ROWS.c.state.in_(list(states))).order_by(ROWS.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(ROWS.c.id < after)
    if queue is not None:
        query = query.where(ROWS.c.queue == queue)
    return [store.read(row) for row in connection.execute(query).mappings()]


def during(
    connection: Connection, queue: str, since: datetime, until: datetime, *, limit: int
) -> list[Incident]:
    """The incidents of a queue that people knew of between two moments, newest first."""
    query = (
        select(*ROWS.c)
        .where(ROWS.c.queue == queue, ROWS.c.merged_into.is_(None), ROWS.c.opened_at < until)
        .where(ROWS.c.resolved_at.is_(None) | (ROWS.c.resolved_at >= since))
        .order_by(ROWS.c.id.desc())
        .limit(limit)
    )
    return [store.read(row) for row in connection.execute(query).mappings()]


def history(connection: Connection, incident: int) -> list[Happening]:
    """Timeline of an incident, oldest first."""
    rows = connection.execute(
        text("select at, kind, who, detail from ops.incident_events where incident_id = :id order by id"),
        {"id": incident},
    )
    return [Happening(**row) for row in rows.mappings()]


def acknowledge(
    connection: Connection,
    incident: int | str,
    who: str,
    now: datetime,
    limits: Thresholds,
    reason: str | None = None,
) -> Incident:
    """Somebody has acknowledged it: texts not yet sent are cancelled. Raises UnknownIncident.

    Acknowledging again makes it last again. One that was merged into another stands for it; one that has
    not opened yet, or is resolved, stays as it is.
    """
    whole = _whole(connection, incident)
    if whole.state not in LIVE:
        return whole
    outbox.cancel_pages(connection, whole.id)
    return store.change(
        connection,
        whole,
        now,
        "acknowledged",
        who,
        {"reason": reason} if reason else None,
        state="acknowledged",
        acknowledged_at=now,
        acknowledged_by=who,
        ack_expires_at=now + timedelta(minutes=limits.value(whole.rule, "ack_minutes", whole.queue)),
        silenced=False,
    )


def comment(connection: Connection, incident: int | str, who: str, words: str, now: datetime) -> Incident:
    """Write down what somebody says about an incident, in whatever state. Raises UnknownIncident."""
    whole = _whole(connection, incident)
    store.note(connection, whole.id, now, "comment", who, {"text": words})
    return whole


def resolve(
    connection: Connection, incident: int | str, who: str, reason: str | None, now: datetime
) -> Incident:
    """A person says that it is over. Raises UnknownIncident.

    A rule that still holds does not open it again at once, but as a new incident when `reopen_seconds` have
    passed: a person's word stands for that long. If the rule is clear in between, it is reopened as always.
    """
    whole = _whole(connection, incident)
    if whole.state not in LIVE:
        return whole
    return store.end(connection, whole, now, who, reason)


def _whole(connection: Connection, reference: int | str) -> Incident:
    """The incident that a person means, held: the one that it was merged into, if it was."""
    incident = _incident(connection, reference, hold=True)
    while incident.merged_into is not None:
        incident = _incident(connection, incident.merged_into, hold=True)
    return incident


def _incident(connection: Connection, reference: int | str, *, hold: bool) -> Incident:
    name = str(reference).strip().removeprefix("#").upper()
    if re.fullmatch(r"[0-9]{1,18}", name):
        query = select(*ROWS.c).where(ROWS.c.id == int(name))
    else:
        query = select(*ROWS.c).where(ROWS.c.reference == name)
        query = query.order_by(ROWS.c.state == "resolved", ROWS.c.id.desc()).limit(1)
    row = connection.execute(query.with_for_update() if hold else query).mappings().one_or_none()
    if row is None:
        raise UnknownIncident(str(reference))
    return store.read(row)
