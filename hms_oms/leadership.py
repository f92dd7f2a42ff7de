"""One leader per duty: a session advisory lock in PostgreSQL, which dies with its holder."""

from __future__ import annotations

import zlib

from hms_oms.database import Bare


def lead(connection: Bare, duty: str) -> bool:
    """Try to become, or stay, the leader of `duty` on this connection; never waits.

    Taking it twice on one connection is harmless: the lock counts, and ends with the connection.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_try_advisory_lock(%s, %s)", (_NAMESPACE, zlib.crc32(duty.encode()) & 0x7FFFFFFF)
        )
        row = cursor.fetchone()
        return bool(row and row[0])


_NAMESPACE = 0x4F4D53
