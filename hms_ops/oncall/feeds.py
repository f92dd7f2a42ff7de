"""The address under which calendars read the shifts: one at a time; the writer of ops.oncall_feeds.

Its token is made of the key of the installation and of the row, and kept nowhere: to make another one, or to
revoke it, ends the one before.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Feed:
    """An address that holds, and who made it when."""

    id: int
    made_by: str
    made_at: datetime


def in_force(connection: Connection) -> Feed | None:
    """The address that holds, if there is one."""
    row = connection.execute(
        text("select id, made_by, made_at from ops.oncall_feeds where revoked_at is null")
    )
    feed = row.mappings().one_or_none()
    return Feed(**feed) if feed else None


def make(connection: Connection, who: str) -> Feed:
    """Make another address; the one before holds no longer."""
    revoke(connection, who)
    row = connection.execute(
        text("insert into ops.oncall_feeds (made_by) values (:who) returning id, made_by, made_at"),
        {"who": who},
    )
    return Feed(**row.mappings().one())


def revoke(connection: Connection, who: str) -> bool:
    """Revoke the address that holds; False if there is none."""
    done = connection.execute(
        text(
            "update ops.oncall_feeds set revoked_at = oms.now(), revoked_by = :who where revoked_at is null"
        ),
        {"who": who},
    )
    return done.rowcount > 0


def token(key: bytes, feed: int) -> str:
    """What the address of a feed ends with."""
    made = hmac.digest(key, f"oncall.ics:{feed}".encode(), hashlib.sha256).hex()
    return f"{feed}-{made[:40]}"


def holds(connection: Connection, key: bytes, shown: str) -> bool:
    """Whether this is the token of the address that holds; how long that takes tells nothing of it."""
    feed = in_force(connection)
    expected = token(key, feed.id if feed else 0)
    return hmac.compare_digest(expected.encode(), shown.encode()) and feed is not None
