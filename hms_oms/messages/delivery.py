"""Delivery of texts: taken from the outbox under a lease and a fence, attempted, answered, asked after.

The row for an attempt is committed before anything is sent. A pager whose lease was lost meets another fence,
and changes nothing. With `hms_oms.messages.outbox` the writer of oms.messages and
oms.message_attempts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection
from hms_oms.messages import recipients
from hms_oms.messages.records import (
    Answer,
    Asked,
    Dispatch,
    EndedLease,
    OutgoingText,
    WaitingPage,
    WaitingText,
)

#: How long a taken text belongs to its taker, in seconds.
LEASE_SECONDS = 60.0
#: So long before the end of its lease a text may no longer be written out, in seconds: what one hand-over
#: may last, and some more for the answer to be recorded.
MARGIN_SECONDS = 25.0
#: How far a text is: it only ever moves up. What is not named is below all.
_RANKS = {
    "accepted": 1,
    "sent": 2,
    "unconfirmed": 3,
    "undelivered": 4,
    "failed": 4,
    "cancelled": 4,
    "expired": 4,
    "merged": 4,
    "delivered": 5,
}
_BELOW_ALL = ("pending", "sending", "unknown", "open", "not sent")
#: The states that a text is left in, unless it turns out to have arrived after all.
ENDED = tuple(name for name, rank in _RANKS.items() if rank > 2)
#: How often a text is sent again because the carrier failed to deliver it.
RENEWALS = 2


def is_open(connection: RawConnection) -> bool:
    """Whether any text is open: to be sent, being sent, or to be asked after."""
    return bool(statements.run_raw(connection, "open_text", {})[0]["is_open"])


def waiting_pages(connection: RawConnection, phones: int, channels: int = 0) -> list[WaitingPage]:
    """All pages that wait for the recipients of those which are due first, oldest first.

    Of those that are due, so many go to `phones`, and so many to `channels`.
    """
    room = {"phones": phones, "channels": channels, "channel": recipients.CHANNEL}
    return [WaitingPage(**row) for row in statements.run_raw(connection, "waiting_pages", room)]


def waiting_texts(connection: RawConnection, count: int) -> list[WaitingText]:
    """The next `count` texts to applicants."""
    return [WaitingText(**row) for row in statements.run_raw(connection, "waiting_texts", {"count": count})]


def sends(connection: RawConnection, phones: Sequence[str], seconds: float) -> list[Mapping[str, Any]]:
    """When (`at`) pages of which `kind` went to these phones (`recipient`) in the last `seconds`."""
    return list(statements.run_raw(connection, "sends", {"phones": list(phones), "seconds": seconds}))


def hold(connection: RawConnection, untils: Mapping[int, datetime]) -> None:
    """Look at these pages again at these times, not before."""
    if untils:
        statements.run_raw(connection, "hold", {"messages": list(untils), "untils": list(untils.values())})


def refuse(connection: RawConnection, refused: Sequence[tuple[int, int, str]]) -> None:
    """Give up texts (id, fence and reason) that cannot be sent, before any attempt."""
    if refused:
        messages, fences, faults = (list(column) for column in zip(*refused, strict=True))
        statements.run_raw(connection, "refuse", {"messages": messages, "fences": fences, "faults": faults})


def begin(connection: RawConnection, outgoing: Sequence[OutgoingText], sender: str) -> list[Dispatch]:
    """Take texts under a lease and write down an attempt for each, before anything is sent.

    A text of which anything has changed since it was looked at is left out.
    """
    began = time.monotonic()
    dispatches = [
        (message, fence, text.id, text.carried)
        for text in outgoing
        for message, fence in ((text.id, text.fence), *text.members)
    ]
    if not dispatches:
        return []
    names = ("messages", "fences", "carriers", "carried")
    columns = dict(zip(names, map(list, zip(*dispatches, strict=True)), strict=True))
    rows = statements.run_raw(connection, "send", {**columns, "sender": sender, "lease": LEASE_SECONDS})
    return [Dispatch(**row, write_by=began + LEASE_SECONDS - MARGIN_SECONDS) for row in rows]


def answered(connection: RawConnection, answers: Sequence[Answer]) -> dict[int, str]:
    """Record how hand-overs went; returns the state of each text that was still ours."""
    if not answers:
        return {}
    columns = zip(*(asdict(answer).values() for answer in answers), strict=True)
    names = (
        "messages", "fences", "states", "outcomes", "sids", "http_statuses", "codes", "faults", "delays",
    )  # fmt: skip
    parameters = dict(zip(names, map(list, columns), strict=True))
    rows = statements.run_raw(connection, "answered", {**parameters, "ended": list(ENDED)})
    return {row["id"]: row["state"] for row in rows}


def ended_leases(connection: RawConnection, count: int = 1000) -> list[EndedLease]:
    """Take over the texts whose taker let its lease run out."""
    rows = statements.run_raw(connection, "ended_leases", {"count": count, "lease": LEASE_SECONDS})
    return [EndedLease(**row) for row in rows]


def follow_clock(connection: RawConnection, seconds: float) -> int:
    """Have texts wait no longer because the database's clock was set back by so many `seconds`; how many.

    With 0 only those follow that show by themselves that it was: nobody has looked for a while.
    """
    ahead = {"seconds": seconds, "lease": LEASE_SECONDS}
    return len(statements.run_raw(connection, "follow_clock", ahead))


def doubt(connection: RawConnection) -> tuple[int, int]:
    """After a restore: take what had not gone for what may have gone; how many texts and pages that were."""
    [row] = statements.run_raw(connection, "doubt_texts", {})
    return int(row["texts"]), int(row["pages"])


def expire(connection: RawConnection) -> int:
    """Give up what could not go in time; returns how many texts those were."""
    return len(statements.run_raw(connection, "expire", {}))


def to_ask(connection: RawConnection, *, page: bool, count: int) -> list[Asked]:
    """Take the texts that the provider is to be asked about now."""
    rows = statements.run_raw(connection, "asked", {"page": page, "count": count, "lease": LEASE_SECONDS})
    return [
        Asked(
            Dispatch(**{name: row[name] for name in _DISPATCH}, write_by=float("-inf")),
            row["state"],
            row["polls"],
            row["age"],
            row["started_at"],
            row["http_status"],
        )
        for row in rows
    ]


def settle(
    connection: RawConnection,
    asked: Asked,
    state: str,
    *,
    polls: int,
    delay: float = 0.0,
    resend: bool = False,
    fault: str | None = None,
) -> str | None:
    """Record what follows if nobody answers; the state that it led to, None if the text has moved on."""
    parameters = {"message": asked.text.id, "fence": asked.text.fence, "was": asked.state, "state": state}
    parameters |= {"polls": polls, "delay": delay, "resend": resend, "fault": fault, "ended": list(ENDED)}
    rows = statements.run_raw(connection, "settled", parameters)
    return rows[0]["state"] if rows else None


def report(
    connection: Connection | RawConnection,
    *,
    message: int,
    attempt: int,
    status: str,
    sid: str | None,
    code: str | None = None,
    passing: bool = False,
    fault: str | None = None,
    delay: float = 0.0,
) -> tuple[str, str] | None:
    """Record a status from the provider; the states before and after, None where it changes nothing.

    A status only moves a text up. A failure that is `passing` has the text sent again, while it is of use.
    """
    below = [*_BELOW_ALL, *(name for name, rank in _RANKS.items() if rank < _RANKS[status])]
    parameters = {"message": message, "attempt": attempt, "status": status, "sid": sid, "code": code}
    parameters |= {"below": below, "renew": passing, "renewals": RENEWALS, "fault": fault, "delay": delay}
    parameters["ended"] = list(ENDED)
    if isinstance(connection, Connection):
        moved = [(row["was"], row["state"]) for row in statements.run(connection, "reported", parameters)]
    else:
        moved = [(row["was"], row["state"]) for row in statements.run_raw(connection, "reported", parameters)]
    return moved[0] if moved else None


def has_attempt(connection: Connection, message: int, attempt: int) -> bool:
    """Whether a text has an attempt of this number."""
    return bool(statements.run(connection, "has_attempt", {"message": message, "attempt": attempt}))


def attempt_of(connection: Connection, sid: str) -> tuple[int, int] | None:
    """The text and the number of its attempt that the provider knows under `sid`."""
    rows = statements.run(connection, "attempt_of", {"sid": sid})
    return (rows[0]["message"], rows[0]["attempt"]) if rows else None


def claimed(connection: RawConnection, asked: Dispatch, sids: Sequence[str]) -> set[str]:
    """Which of these sids belong to other texts, or to attempts of this one that have failed."""
    rows = statements.run_raw(connection, "claimed", {"message": asked.id, "sids": list(sids)})
    return {row["sid"] for row in rows}


_DISPATCH = tuple(field.name for field in fields(Dispatch) if field.name != "write_by")
