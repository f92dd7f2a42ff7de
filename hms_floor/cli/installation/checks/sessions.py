"""Check sessions as the programs open them: a claim on a worker's connection, and a notification.

A way to PostgreSQL may bear people's reads and not this, above all one through a pooler.
"""

from __future__ import annotations

import select
import time
from collections.abc import Sequence
from contextlib import closing

import psycopg2

from hms_floor.cli.installation.checks.finding import Finding
from hms_floor.cli.terminal import errors
from hms_oms.database import claiming, connections, sessions
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import ledger
from hms_oms.runtime.server_urls import masked
from hms_ops.health import BAD, OK, WARN

#: The claim is tried so often: a pooler may lend another session to each.
CLAIMS = 4
#: News takes a moment, in seconds.
PATIENCE_SECONDS = 1.0

_CHANNEL = "hms_check"
_DIRECT = "HMS_DATABASE_DIRECT_URL"


def sessions_of(url: str, direct_url: str | None) -> Sequence[Finding]:
    """Whether workers can claim, and whether those who wait for news can hear of it."""
    try:
        with closing(connections.connect(url, "hms check", claiming.CLAIMING)) as connection:
            try:
                for _ in range(CLAIMS):
                    ledger.claim(connection, [], "hms check")
            except psycopg2.Error as error:
                return [Finding("claims", BAD, fault(error), "see docs/servers.md")]
            way = "through a pooler" if connection.pooled else "directly"
            claims = Finding("claims", OK, f"a worker can claim steps, {way}")
            return [claims, _news(connection, direct_url)]
    except psycopg2.Error as error:
        # That the server is away has been told; a pooler may refuse what others of its clients do not say.
        return [Finding("claims", BAD, fault(error), "see docs/servers.md")] if _is_refused(error) else []


def fault(error: psycopg2.Error) -> str:
    """The fault of the connection to the database, in words."""
    words = errors.reason(error)
    if error.pgcode in ("26000", "42P05"):
        return (
            "prepared statements do not survive this pooler, and it does not show itself as one: have it use"
            f" session mode, or prepared statements of its own ({words})"
        )
    if _is_refused(error):
        return f"this pooler refuses a start-up parameter: have it ignore that one ({words})"
    return f"a worker cannot claim steps: {words}"


def _is_refused(error: psycopg2.Error) -> bool:
    return "startup parameter" in str(error)


def _news(connection: RawConnection, direct_url: str | None) -> Finding:
    if direct_url is None:
        if connection.pooled:
            advice = f"set {_DIRECT} to a way around the pooler"
            return Finding("news", WARN, "nothing can be listened to through a pooler: programs poll", advice)
        direct_url = connection.dsn
    try:
        with closing(_listening(direct_url)) as listener:
            if listener.pooled:
                advice = f"set {_DIRECT} to a way around the pooler"
                return Finding("news", WARN, f"{_DIRECT} leads through a pooler, too: programs poll", advice)
            with connection.cursor() as cursor:
                cursor.execute("select pg_notify(%s, '')", (_CHANNEL,))
            if _hears(listener):
                return Finding("news", OK, "who waits hears of it")
    except psycopg2.Error as error:
        why = f"{masked(direct_url)} does not answer: {errors.reason(error)}"
        return Finding("news", BAD, why, f"correct {_DIRECT}")
    return Finding("news", BAD, "who listens hears nothing: is it the same database?", f"correct {_DIRECT}")


def _listening(url: str) -> RawConnection:
    listener = connections.connect(url, "hms check")
    sessions.listen(listener, _CHANNEL)
    return listener


def _hears(listener: RawConnection) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not listener.notifies and time.monotonic() < deadline:
        select.select([listener], [], [], 0.1)
        listener.poll()
    return bool(listener.notifies)
