"""The message outbox: texts are committed with the change that causes them, and sent afterwards.

What becomes of a text: pending -> sending -> accepted -> sent -> delivered | undelivered | failed, by way of
`unknown` where the answer was lost; `unconfirmed` where nobody ever said; or cancelled, expired, or merged
into another text. How they are handed over is in `hms_oms.messages.delivery`; no other module writes
oms.messages.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection
from hms_oms.documents.cycles import TextCounts
from hms_oms.documents.messages import Text

#: The channel that tells of a new page.
CHANNEL = "ops_pages"


def put(
    connection: RawConnection, *, token: str, job: int | None, kind: str, recipient: str, body: str
) -> None:
    """Put a text that is no page into the outbox, inside the caller's transaction; a token is one text, ever.

    No notification: PostgreSQL lets transactions that notify commit one at a time only.
    """
    parameters = {"token": token, "job": job, "kind": kind, "recipient": recipient, "body": body}
    statements.run_raw(connection, "put_text", parameters)


def put_page(
    connection: Connection,
    *,
    token: str,
    incident: int | None,
    kind: str,
    reference: str | None,
    recipient: str,
    body: str,
    not_before: datetime | None = None,
    expires_at: datetime | None = None,
) -> bool:
    """Put a page into the outbox, inside the caller's transaction; False where the token exists already."""
    put_anew = connection.scalar(
        text(
            "insert into oms.messages (token, page, incident_id, kind, reference, recipient, body,"
            " not_before, due_at, expires_at, resend)"
            " values (:token, true, :incident, :kind, :reference, :recipient, :body,"
            " coalesce(cast(:not_before as timestamptz), oms.now()),"
            " coalesce(cast(:not_before as timestamptz), oms.now()), cast(:expires_at as timestamptz),"
            # What was told of an incident after a backup was made is not in it.
            " exists (select from ops.incidents as incident, oms.restores as restore"
            " where incident.id = :incident and incident.active_at < restore.restored_at))"
            " on conflict (token) do nothing returning pg_notify(:channel, '')::text"
        ),
        {
            "token": token,
            "incident": incident,
            "kind": kind,
            "reference": reference,
            "recipient": recipient,
            "body": body,
            "not_before": not_before,
            "expires_at": expires_at,
            "channel": CHANNEL,
        },
    )
    return put_anew is not None


def cancel_pages(connection: Connection, incident: int) -> int:
    """Take back the pages of an incident: it was acknowledged or resolved. Returns how many will not go.

    Those that were handed over go on, but are not sent again.
    """
    (row,) = statements.run(connection, "cancel_pages", {"incident": incident})
    return int(row["number"])


def texts_of(
    connection: Connection, *, incident: int | None = None, job: int | None = None, limit: int
) -> list[Text]:
    """The texts about an incident or to the applicant of a job (also of its parts), or all; newest first."""
    given = {"incident": incident, "job": job, "limit": limit}
    rows = connection.execute(text(_TEXTS + _ABOUT), given)
    return [Text(**row) for row in rows.mappings()]


def last_pages(connection: Connection, limit: int) -> list[Text]:
    """The newest pages."""
    rows = connection.execute(
        text(_TEXTS + " where message.page order by message.id desc limit :limit"), {"limit": limit}
    )
    return [Text(**row) for row in rows.mappings()]


def to_applicants(
    connection: Connection, *, batch: int | None = None, since: datetime | None = None
) -> TextCounts:
    """The texts to the applicants of a batch, or since a moment, counted by what became of them."""
    (row,) = statements.run(connection, "texts_by_state", {"batch": batch, "since": since})
    return TextCounts(**row)


_TEXTS = (
    "select message.id, message.kind, message.page, message.incident_id as incident,"
    " 'job-' || message.job_id as job, message.reference, message.recipient as \"to\", message.body,"
    " message.state,"
    " case when coalesce(carrier.state, message.state) = 'delivered' and attempt.sender = 'log'"
    " then 'logged' else coalesce(carrier.state, message.state) end as fate,"
    " message.merged_into, message.attempts,"
    " message.resend, message.sid, message.fault, message.created_at, message.finished_at"
    " from oms.messages as message"
    " left join oms.messages as carrier on carrier.id = message.merged_into"
    " left join oms.message_attempts as attempt on attempt.message_id = coalesce(carrier.id, message.id)"
    " and attempt.number = coalesce(carrier.attempts, message.attempts)"
)

_ABOUT = """
where (cast(:incident as bigint) is null or message.incident_id = :incident)
    and (cast(:job as bigint) is null or message.job_id = any(array(
        select :job union all select id from oms.jobs where parent_id = :job and part is not null
    )))
order by message.id desc
limit :limit
"""
