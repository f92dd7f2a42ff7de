"""The message outbox: texts are committed with the change that causes them, and sent afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hms_oms import statements
from hms_oms.database import Bare


@dataclass(frozen=True, slots=True)
class Message:
    """A text on its way: `token` is the same however often it is handed over."""

    id: int
    token: str
    recipient: str
    body: str


def put(connection: Bare, *, token: str, job: int, kind: str, recipient: str, body: str) -> None:
    """Put a text into the outbox, inside the caller's transaction; the same token is one text, ever.

    No notification: PostgreSQL lets transactions that notify commit one at a time only.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into oms.messages (token, job_id, kind, recipient, body) values (%s, %s, %s, %s, %s)"
            " on conflict (token) do nothing",
            (token, job, kind, recipient, body),
        )


def begin(connection: Bare, count: int, sender: str) -> list[Message]:
    """Take up to `count` texts and write down an attempt for each, before anything is sent."""
    rows = statements.run_bare(connection, "send", {"count": count, "sender": sender})
    return [Message(row["id"], row["token"], row["recipient"], row["body"]) for row in rows]


def finish(connection: Bare, messages: Sequence[Message], state: str) -> None:
    """Record how the present attempt of these texts ended."""
    statements.run_bare(
        connection, "sent", {"messages": [message.id for message in messages], "state": state}
    )
