"""The rows of the incidents and of their history: what one is, and the one place that writes them.

Anyone who changes an incident holds its row. Losing a race is an empty result: another evaluator was first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, column, exists, select, table, text, update
from sqlalchemy.dialects.postgresql import JSONB

from hms_oms.messages import outbox
from hms_ops.findings import Key
from hms_ops.incidents import signals
from hms_ops.incidents.signals import Signals
from hms_ops.incidents.stages import STAGES, key_of


@dataclass(frozen=True, slots=True)
class Incident:
    """One episode of trouble with the deadlines of a queue, or of another rule that holds (queue None: the
    floor) or a subject within it.

    `rule` is the worst that holds of its `signals`, `facts` are what it said last, with its `value` and
    `late_jobs`; `worst` is the highest value, `late_jobs` how many jobs are listed as late. `active_at` is
    since when it has held as far as is known, `clear_since` since when nothing of it does any more;
    `changed_at` when it last opened or was resolved. `stage` is the rule that it stands at by its history.
    `page_seq` counts the calls: how often people were to be called, the present one from `page_from` on,
    and up to `told_seq` they know of the end. A `flapping` incident has said so once and is quiet until it is
    steady; the call of a `silenced` one waits for the end of a silence. `detected_late`: the watch was away
    when it began. `merged_into` is the incident that it turned out to be a part of.
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
    signals: Signals
    stage: str | None
    merged_into: int | None

    @property
    def key(self) -> Key:
        """Key by which findings belong to the same incident."""
        return key_of(self.rule, self.queue, self.subject)

    @property
    def name(self) -> str:
        """Name for people: `#K7`, or its number before it has opened."""
        return f"#{self.reference}" if self.reference else f"incident {self.id}"


#: The table as far as it is read.
ROWS = table(
    "incidents",
    *(
        column(field.name, JSONB() if field.name in ("facts", "signals") else None)
        for field in fields(Incident)
    ),
    schema="ops",
)


def read(row: RowMapping) -> Incident:
    """A row of the table as an incident."""
    values = dict(row)
    return Incident(**{**values, "signals": signals.unpacked(values["signals"], values["queue"])})


def begin(connection: Connection, current: Signals, now: datetime, late: bool) -> bool:
    """Insert a pending incident; False where another evaluator was first.

    `late` says that the watch was away when it began.
    """
    first = signals.shown(current)
    row = {
        "rule": first.rule,
        "queue": first.queue,
        "subject": first.subject,
        "facts": first.facts,
        "worst": first.worst,
        "signals": signals.packed(current),
        "active_at": min(signal.active_at for signal in signals.own_of(current)),
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
    if "signals" in values:
        values["signals"] = signals.packed(values["signals"])
    query = update(ROWS).where(ROWS.c.id == incident.id).values(**values).returning(*ROWS.c)
    return read(connection.execute(query).mappings().one())


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
    """Resolve an incident and cancel its texts that are not yet sent; it shows the worst that it was."""
    outbox.cancel_pages(connection, incident.id)
    detail = {"reason": reason} if reason else None
    values: dict[str, Any] = {
        "resolved_at": now,
        "resolved_by": who,
        "changed_at": now,
        "silenced": False,
    }
    if incident.signals:
        worst = signals.worst_of(incident.signals)
        values |= {"rule": worst.rule, "facts": worst.facts, "worst": worst.worst}
    return change(connection, incident, now, "resolved", who, detail, state="resolved", **values)


def forget(connection: Connection, pending: Incident) -> None:
    """Delete a pending incident: it was nothing, or an older one is reopened in its place."""
    connection.execute(
        text("delete from ops.incidents where id = :id and state = 'pending'"), {"id": pending.id}
    )


def merge(connection: Connection, incident: Incident, into: Incident, now: datetime) -> None:
    """Make an incident a part of another one, which names it from now on; nobody is texted of its end."""
    end(connection, incident, now)
    note(connection, incident.id, now, "merged", detail={"into": into.name})
    note(connection, into.id, now, "took in", detail={"incident": incident.name, "rule": incident.rule})
    query = update(ROWS).where(ROWS.c.id == incident.id)
    connection.execute(query.values(merged_into=into.id, told_seq=incident.page_seq, flapping=False))


def keep_up(connection: Connection, incidents: Sequence[Incident]) -> None:
    """Keep what the rules say within some incidents up to date."""
    rows = [
        {**{name: getattr(incident, name) for name in _SEEN}, "signals": signals.packed(incident.signals)}
        for incident in incidents
    ]
    if rows:
        connection.execute(_KEEP_UP, rows)


def set_times(connection: Connection, incident: Incident, names: Collection[str]) -> None:
    """Set these times of an incident, and those of its signals."""
    values = {name: getattr(incident, name) for name in names}
    values["signals"] = signals.packed(incident.signals)
    connection.execute(update(ROWS).where(ROWS.c.id == incident.id).values(**values))


def cleared(connection: Connection, incidents: Collection[Incident], now: datetime) -> None:
    """Mark since when the rules of some incidents do not hold any more."""
    if incidents:
        query = (
            update(ROWS).where(ROWS.c.id.in_([incident.id for incident in incidents])).values(clear_since=now)
        )
        connection.execute(query)


def told(connection: Connection, incident: Incident) -> None:
    """Those who were called up to the present call know of the end."""
    connection.execute(update(ROWS).where(ROWS.c.id == incident.id).values(told_seq=incident.page_seq))


def hold_recent(connection: Connection, since: datetime) -> list[Incident]:
    """Every incident that is not resolved, or flaps, or was resolved after `since`; held, oldest first."""
    return _held(connection, _RECENT, since=since)


def hold_untold(connection: Connection) -> list[Incident]:
    """Steadily resolved incidents of whose end those who were called may not know; held.

    While the deadlines of its queue are in trouble again, the end of an earlier incident is kept back, unless
    a person has closed it.
    """
    return _held(connection, _UNTOLD)


def hold_called(connection: Connection) -> list[Incident]:
    """The open incidents that people are called about; held, so that nobody acknowledges one meanwhile.

    One that is clear and about to be over calls nobody: what it would say is not so any more.
    """
    return _held(connection, _CALLED)


def turns(connection: Connection, incident: Incident, since: datetime) -> int:
    """Count how often an incident was opened or resolved after `since`."""
    query = (
        "select count(*) from ops.incident_events where incident_id = :id and at > :since"
        " and kind in ('opened', 'reopened', 'resolved')"
    )
    return int(connection.execute(text(query), {"id": incident.id, "since": since}).scalar_one())


def _held(connection: Connection, query: Select[Any], **values: Any) -> list[Incident]:
    return [read(row) for row in connection.execute(query, values).mappings()]


# The watch reads these at each look: they are made once.
_RECENT = (
    select(*ROWS.c)
    .where(
        (ROWS.c.state != "resolved")
        | (
            (ROWS.c.state == "resolved")
            & ROWS.c.merged_into.is_(None)
            & ((ROWS.c.resolved_at > bindparam("since")) | ROWS.c.flapping)
        )
    )
    .order_by(ROWS.c.id)
    .with_for_update()
)
_AGAIN = ROWS.alias()
_IN_TROUBLE_AGAIN = exists().where(
    _AGAIN.c.queue == ROWS.c.queue, _AGAIN.c.rule.in_(STAGES), _AGAIN.c.state != "resolved"
)
_UNTOLD = (
    select(*ROWS.c)
    .where(ROWS.c.state == "resolved", ~ROWS.c.flapping, ROWS.c.told_seq < ROWS.c.page_seq)
    .where(ROWS.c.resolved_by.is_not(None) | ROWS.c.rule.not_in(STAGES) | ~_IN_TROUBLE_AGAIN)
    .order_by(ROWS.c.id)
    .with_for_update(skip_locked=True)
)
_CALLED = (
    select(*ROWS.c)
    .where(ROWS.c.state == "open", ~ROWS.c.silenced, ROWS.c.clear_since.is_(None))
    .order_by(ROWS.c.id)
    .with_for_update()
)
_BEGIN = text(
    "insert into ops.incidents"
    " (rule, queue, subject, state, facts, signals, worst, active_at, last_true_at, detected_late)"
    " values (:rule, :queue, :subject, 'pending', :facts, :signals, :worst, :active_at, :now, :late)"
    " on conflict do nothing"
).bindparams(bindparam("facts", type_=JSONB()), bindparam("signals", type_=JSONB()))
_EVENT = text(
    "insert into ops.incident_events (incident_id, at, kind, who, detail)"
    " values (:incident, :at, :kind, :who, :detail)"
).bindparams(bindparam("detail", type_=JSONB(none_as_null=True)))
#: What a look sees of an incident.
_SEEN = ("id", "rule", "stage", "facts", "worst", "active_at", "last_true_at", "clear_since")
_KEEP_UP = text(
    "update ops.incidents set rule = :rule, stage = :stage, facts = :facts, signals = :signals,"
    " worst = :worst, active_at = :active_at, last_true_at = :last_true_at, clear_since = :clear_since"
    " where id = :id"
).bindparams(bindparam("facts", type_=JSONB()), bindparam("signals", type_=JSONB()))
