"""Session settings: how soon the server ends a silent client's session, and how long things may take.

Set after connecting, not by start-up options, which poolers refuse. A pooler lends a session to others after
each transaction, so what is set in it would reach them: there each transaction sets its own, and to notice
silent clients is the pooler's affair (`tcp_keepidle` and its kin in its configuration).
"""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Mapping

import psycopg2.extensions

log = logging.getLogger(__name__)

#: The server notices within seconds that the host of a client is gone: by keepalives while it waits for the
#: client, by data that nobody acknowledges, and by a look at its socket while it is at work. Without this it
#: takes hours, and all that the session has locked stays locked.
NOTICES_SILENCE: Mapping[str, str] = {
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "6000",
    "client_connection_check_interval": "2s",
    # Nobody but a step keeps a transaction open while it does something else; a step sets its own limit.
    "idle_in_transaction_session_timeout": "60s",
}
#: A step's transaction may stand still for as long as the step may run, and so much longer, in seconds.
GRACE_SECONDS = 5.0
#: A session that keeps its limit is told it again after so many seconds: should its host have fallen silent,
#: that shows before a step has begun to write. One that is lost in between costs a step that is run again.
SAID_AGAIN_SECONDS = 5.0


class RawConnection(psycopg2.extensions.connection):
    """A connection of the loops and the workers."""

    #: Whether there is a pooler in between: what a session knows may be gone with the next transaction.
    pooled = False
    #: What each statement's transaction begins with: the fence of a leader; at a pooler, settings.
    preamble = ""
    #: The names of the statements that the server's session has prepared; None while the pooler may lend any.
    prepared: set[str] | None = None
    #: Whether a step writes in its transaction, which is not the step's to end (held_connection), and whether
    #: it has begun to.
    lent = has_begun = False
    #: How long a step may take that writes here, in seconds, and when the session was told so (monotonic).
    limit: tuple[float, float] | None = None
    #: How many statements have come to their end: a sign of life.
    statements = 0


def settle(connection: RawConnection, settings: Mapping[str, str]) -> None:
    """Tell the server what holds for this new session; at a pooler, have each statement say it.

    A pooler shows by the number of the session: it makes up one of its own.
    """
    parameters = {**NOTICES_SILENCE, **settings}
    before, connection.autocommit = connection.autocommit, True
    with connection.cursor() as cursor:
        cursor.execute(
            "select set_config(name, value, false) from unnest(%s, %s) as setting (name, value)"
            " where pg_backend_pid() = %s",
            (list(parameters), list(parameters.values()), connection.info.backend_pid),
        )
        connection.pooled = not cursor.rowcount
    connection.prepared = None if connection.pooled else set()
    connection.autocommit = before
    if connection.pooled:
        connection.preamble = "".join(f"set local {name} = '{value}';\n" for name, value in settings.items())


def bound(connection: RawConnection, seconds: float) -> None:
    """Limit what comes next: no statement, no wait for a lock and no pause between two may take longer.

    A session of our own keeps its limit, and is asked every few seconds whether it is still there; at once
    if the server has said something meanwhile, since to an idle session it says little else than its end.
    At a pooler a transaction begins with this.
    """
    if connection.autocommit:
        # A time limit struck while this was on, below: the next step, too, is to write in a transaction.
        connection.autocommit = False
    now = time.monotonic()
    if not connection.pooled and connection.limit is not None:
        known, said_at = connection.limit
        if known == seconds and now - said_at < SAID_AGAIN_SECONDS and not _has_news(connection):
            return
    limit, idle = f"{seconds * 1000:.0f}", f"{(seconds + GRACE_SECONDS) * 1000:.0f}"
    settings = {
        "statement_timeout": limit,
        "lock_timeout": limit,
        "idle_in_transaction_session_timeout": idle,
    }
    names, values = list(settings), list(settings.values())
    if connection.pooled:
        with connection.cursor() as cursor:
            cursor.execute(
                "select set_config(name, value, true) from unnest(%s, %s) as setting (name, value);"
                " select name from pg_prepared_statements",
                (names, values),
            )
            # The session is this transaction's until it ends.
            connection.prepared = {name for (name,) in cursor.fetchall()}
        return
    # Not in a transaction: one that is rolled back takes its settings along.
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "select set_config(name, value, false) from unnest(%s, %s) as setting (name, value)",
            (names, values),
        )
    connection.autocommit = False
    connection.limit = seconds, now


def _has_news(connection: RawConnection) -> bool:
    """Whether there is something to read, such as the end of the session."""
    news = select.poll()
    news.register(connection.fileno(), select.POLLIN)
    return bool(news.poll(0))


def listen(connection: RawConnection, *channels: str) -> bool:
    """Have the connection hear of news on these channels; False at a pooler, which would not pass them on."""
    if connection.pooled:
        return False
    with connection.cursor() as cursor:
        for channel in channels:
            cursor.execute(f"listen {channel}")
    return True
