"""The rows of the incidents and of their history: what one is, and the one place that writes them.

Whoever changes an incident holds its row. Losing a race is an empty result: another evaluator was first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, column, select, table, text, update
from sqlalchemy.dialects.postgresql import JSONB

from hms_oms import outbox
from hms_ops.findings import Finding


@dataclass(frozen=True, slots=True)
class Incident:
    """One episode of a rule that holds for a queue (None: the floor) or a subject within it.

    `facts` are what the rule said last, with its `value` and `late_jobs`; `worst` is the highest value,
    `late_jobs` how many jobs are listed as late. `active_at` is since when the rule has held as far as is
    known, `clear_since` since when it does not any more; `changed_at` when it last opened or was resolved.
    `page_seq` counts the calls: how often people were to be called anew, the present one from `page_from` on,
    and up to `told_seq` they know of the end. A `flapping` incident has said so once and is quiet until it is
    steady; the call of a `silenced` one waits for the end of a silence. `detected_late`: the watch was away
    when it began.
    """

    id: int
    rule: str
    queue: str | None
    subject: str | None
    state: str
    reference: str | None
    facts: Mapping[str, Any]
    worst: float
    late_jobs: int
    active_at: datetime
    last_true_at: datetime
    clear_since: datetime | None
    opened_at: datetime | None
    changed_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    ack_expires_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    page_seq: int
    page_from: datetime | None
    told_seq: int
    reopened: int
    flapping: bool
    silenced: bool
    detected_late: bool

    @property
    def key(self) -> tuple[str, str | None, str | None]:
        """What makes two findings the same incident."""
        return self.rule, self.queue, self.subject

    @property
    def name(self) -> str:
        """How it is shown: `#K7`, or its number before it has opened."""
        return f"#{self.reference}" if self.reference else f"incident {self.id}"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an incident's history; `who` is None for the watch itself."""

    at: datetime
    kind: str
    who: str | None
    detail: Mapping[str, Any] | None


#: The table as far as it is read.
ROWS = table(
    "incidents",
    *(column(field.name, JSONB() if field.name == "facts" else None) for field in fields(Incident)),
    schema="ops",
)


def begin(connection: Connection, finding: Finding, active_at: datetime, now: datetime, late: bool) -> bool:
    """Insert a pending incident; False where another evaluator was first.

    `late` says that the watch was away when it began.
    """
    row = {
        "rule": finding.rule,
        "queue": finding.queue,
        "subject": finding.subject,
        "facts": _said(finding),
        "worst": finding.value,
        "active_at": active_at,
        "now": now,
        "late": late,
    }
    return connection.execute(_BEGIN, row).rowcount == 1


def change(
    connection: Connection,
    incident: Incident,
    now: datetime,
    kind: str,
    who: str | None = None,
    detail: Mapping[str, Any] | None = None,
    **values: Any,
) -> Incident:
    """Change an incident, with a line in its history, and return it as it is now."""
    note(connection, incident.id, now, kind, who, detail)
    query = update(ROWS).where(ROWS.c.id == incident.id).values(**values).returning(*ROWS.c)
    return Incident(**connection.execute(query).mappings().one())


def note(
    connection: Connection,
    incident: int,
    now: datetime,
    kind: str,
    who: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add a line to the history of an incident."""
    row = {"incident": incident, "at": now, "kind": kind, "who": who, "detail": detail}
    connection.execute(_EVENT, row)


def end(
    connection: Connection,
    incident: Incident,
    now: datetime,
    who: str | None = None,
    reason: str | None = None,
) -> Incident:
    """Resolve an incident and cancel its texts that are not yet sent."""
    outbox.cancel_pages(connection, incident.id)
    detail = {"reason": reason} if reason else None
    values = {"resolved_at": now, "resolved_by": who, "changed_at": now, "silenced": False}
    return change(connection, incident, now, "resolved", who, detail, state="resolved", **values)


def forget(connection: Connection, pending: Incident) -> None:
    """Delete a pending incident: it was nothing, or an older one is reopened in its place."""
    connection.execute(
        text("delete from ops.incidents where id = :id and state = 'pending'"), {"id": pending.id}
    )


def shift(connection: Connection, pending: Incident, active_at: datetime) -> None:
    """Set since when the rule of a pending incident has held."""
    query = update(ROWS).where(ROWS.c.id == pending.id).values(active_at=active_at)
    connection.execute(query)


def keep_up(connection: Connection, held: Sequence[tuple[Incident, Finding]], now: datetime) -> None:
    """Keep what the rules say of incidents that hold up to date."""
    rows = [
        {"id": one.id, "facts": _said(finding), "worst": finding.value, "now": now} for one, finding in held
    ]
    if rows:
        connection.execute(_KEEP_UP, rows)


def cleared(connection: Connection, incidents: Collection[Incident], now: datetime) -> None:
    """Mark since when the rules of some incidents do not hold any more."""
    if incidents:
        query = update(ROWS).where(ROWS.c.id.in_([one.id for one in incidents])).values(clear_since=now)
        connection.execute(query)


def told(connection: Connection, incident: Incident) -> None:
    """Those who were called up to the present call know of the end."""
    connection.execute(update(ROWS).where(ROWS.c.id == incident.id).values(told_seq=incident.page_seq))


def hold_recent(connection: Connection, since: datetime) -> list[Incident]:
    """Every incident that is not resolved, or flaps, or was resolved after `since`; held, oldest first."""
    return _held(
        connection,
        select(*ROWS.c)
        .where(
            (ROWS.c.state != "resolved")
            | ((ROWS.c.state == "resolved") & ((ROWS.c.resolved_at > since) | ROWS.c.flapping))
        )
        .order_by(ROWS.c.id)
        .with_for_update(),
    )


def hold_untold(connection: Connection) -> list[Incident]:
    """Steadily resolved incidents of whose end those who were called may not know; held."""
    return _held(
        connection,
        select(*ROWS.c)
        .where(ROWS.c.state == "resolved", ~ROWS.c.flapping, ROWS.c.told_seq < ROWS.c.page_seq)
        .order_by(ROWS.c.id)
        .with_for_update(skip_locked=True),
    )


def turns(connection: Connection, incident: Incident, since: datetime) -> int:
    """How often an incident opened or was resolved after `since`."""
    query = (
        "select count(*) from ops.incident_events where incident_id = :id and at > :since"
        " and kind in ('opened', 'reopened', 'resolved')"
    )
    return int(connection.execute(text(query), {"id": incident.id, "since": since}).scalar_one())


def _held(connection: Connection, query: Select[Any]) -> list[Incident]:
    return [Incident(**row) for row in connection.execute(query).mappings()]


def _said(finding: Finding) -> dict[str, Any]:
    return {**finding.facts, "value": finding.value, "late_jobs": finding.late_jobs}


_BEGIN = text(
    "insert into ops.incidents"
    " (rule, queue, subject, state, facts, worst, active_at, last_true_at, detected_late)"
    " values (:rule, :queue, :subject, 'pending', :facts, :worst, :active_at, :now, :late)"
    " on conflict do nothing"
).bindparams(bindparam("facts", type_=JSONB()))
_EVENT = text(
    "insert into ops.incident_events (incident_id, at, kind, who, detail)"
    " values (:incident, :at, :kind, :who, :detail)"
).bindparams(bindparam("detail", type_=JSONB(none_as_null=True)))
_KEEP_UP = text(
    "update ops.incidents set facts = :facts, worst = greatest(worst, :worst), last_true_at = :now,"
    " clear_since = null where id = :id"
).bindparams(bindparam("facts", type_=JSONB()))
