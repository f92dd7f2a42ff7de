"""Messages from phones and provider: statuses, replies and opt-outs; the writer of their tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection


@dataclass(frozen=True, slots=True)
class Callback:
    """A status that the provider called in; `message` and `attempt` where the address named them."""

    token: str
    message: int | None
    attempt: int | None
    sid: str | None
    status: str
    code: str | None


def keep(connection: Connection, callback: Callback, now: datetime) -> int | None:
    """Keep a callback and return its id; None where it has come before."""
    parameters = {name: getattr(callback, name) for name in Callback.__slots__}
    rows = statements.run(connection, "callback", {**parameters, "now": now})
    return int(rows[0]["id"]) if rows else None


def applied(connection: Connection, callback: int, now: datetime) -> None:
    """Note that a callback was applied to its text."""
    connection.execute(
        text("update oms.callbacks set applied_at = :now where id = :id"), {"now": now, "id": callback}
    )


def early(connection: RawConnection, sids: Sequence[str]) -> list[Callback]:
    """Take the callbacks that came under these sids before anybody knew them, in their order."""
    rows = statements.run_raw(connection, "early_callbacks", {"sids": list(sids)})
    rows.sort(key=lambda row: row["id"])
    return [Callback("", None, None, row["sid"], row["status"], row["code"]) for row in rows]


def opt_out(connection: Connection | RawConnection, phone: str) -> None:
    """Send no more texts to this phone."""
    _run(connection, "opt_out", phone)


def opt_in(connection: Connection, phone: str) -> bool:
    """This phone may be texted again; whether it had opted out."""
    gone = connection.execute(text("delete from oms.opt_outs where phone = :phone"), {"phone": phone})
    return gone.rowcount > 0


def note_reply(
    connection: Connection, phone: str, body: str, answer: str, now: datetime, *, understood: bool
) -> None:
    """Keep what somebody texted, and what the answer was."""
    connection.execute(
        text(
            "insert into oms.replies (phone, body, answer, understood, received_at)"
            " values (:phone, :body, :answer, :understood, :now)"
        ),
        {"phone": phone, "body": body[:1600], "answer": answer, "understood": understood, "now": now},
    )


def puzzled(connection: Connection, phone: str, since: datetime) -> int:
    """How many texts from this phone nobody understood since then, and were answered all the same."""
    return int(
        connection.execute(
            text(
                "select count(*) from oms.replies where phone = :phone and received_at > :since"
                " and not understood and answer <> ''"
            ),
            {"phone": phone, "since": since},
        ).scalar_one()
    )


def _run(connection: Connection | RawConnection, name: str, phone: str) -> None:
    if isinstance(connection, Connection):
        statements.run(connection, name, {"phone": phone})
    else:
        statements.run_raw(connection, name, {"phone": phone})
