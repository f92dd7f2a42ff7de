"""The audit trail: who has changed what through the API, or tried to; the writer of oms.audit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from hms_oms.documents.access import Entry


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did or tried: `action` as `POST /jobs/{id}/cancel`, `subject` as `job-219` or a queue.

    `source` is the address that it came from, `status` the HTTP status of the answer.
    """

    actor: str
    roles: Sequence[str]
    action: str
    subject: str | None
    status: int
    source: str | None = None
    reason: str | None = None
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines to find; what is None does not restrict. `since` <= at < `until`; `done`: not refused."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    actions: Sequence[str] | None = None
    done: bool | None = None


def write(connection: Connection, acts: Sequence[Act]) -> None:
    """Write lines down, in the transaction of the changes that they tell of."""
    connection.execute(
        text(
            "insert into oms.audit (actor, roles, action, subject, detail, reason, source, status)"
            " select actor, array(select jsonb_array_elements_text(roles)), action, subject, detail, reason,"
            " source, status"
            " from jsonb_to_recordset(cast(:acts as jsonb)) as act (actor text, roles jsonb, action text,"
            " subject text, detail jsonb, reason text, source text, status smallint)"
        ),
        {"acts": json.dumps([_document(act) for act in acts])},
    )


def find(connection: Connection, matching: Filter, *, limit: int, after: int | None = None) -> list[Entry]:
    """The lines that match, the newest first; `after` goes on behind that id.

    Dry runs, which a release before this one wrote down, changed nothing and are left out.
    """
    rows = connection.execute(
        text(_FIND),
        {
            "actor": matching.actor,
            "action": matching.action,
            "actions": None if matching.actions is None else list(matching.actions),
            "subject": matching.subject,
            "since": matching.since,
            "until": matching.until,
            "done": matching.done,
            "after": after,
            "limit": limit,
        },
    )
    return [Entry(**row) for row in rows.mappings()]


def _document(act: Act) -> dict[str, Any]:
    return {
        "actor": act.actor,
        "roles": list(act.roles),
        "action": act.action,
        "subject": act.subject,
        "detail": act.detail,
        "reason": act.reason,
        "source": act.source,
        "status": act.status,
    }


_FIND = """
select id, at, actor, roles, action, subject, detail, reason, source, status
from oms.audit
where (cast(:actor as text) is null or actor = :actor)
    and (cast(:action as text) is null or action = :action)
    and (cast(:actions as text[]) is null or action = any(:actions))
    and (cast(:subject as text) is null or subject = :subject)
    and (cast(:since as timestamptz) is null or at >= :since)
    and (cast(:until as timestamptz) is null or at < :until)
    and (cast(:done as boolean) is null or (status < 400) = :done)
    and (cast(:after as bigint) is null or id < :after)
    and not coalesce(detail @> '{"dryRun": true}', false)
order by id desc
limit :limit
"""
