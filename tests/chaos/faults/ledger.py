"""Faults of PostgreSQL: gone, hung, its sessions ended, its disk full, its horizon held."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import psutil
import psycopg2
from psycopg2.extensions import connection

from tests.chaos.faults.passing import Strike, alone, between, ledger, passing
from tests.chaos.floor import Floor
from tests.chaos.history import Fault
from tests.chaos.plan import Planned

#: After a restart of PostgreSQL the system may breathe this long before anything takes its place, in seconds.
BREATH_SECONDS = 5.0
#: How long PostgreSQL is hung, its disk full, and the oldest snapshot kept open; in seconds, from and to.
HUNG_SECONDS = (2.0, 8.0)
FULL_SECONDS = (2.0, 5.0)
HELD_SECONDS = (8.0, 20.0)

_TERMINATE = (
    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
    " where datname = current_database() and pid <> pg_backend_pid() and random() < %s"
)


def _restart(floor: Floor, planned: Planned) -> Strike:
    server = floor.servers["postgres"].process
    at = time.time()
    # Fast: sessions are cut, a checkpoint is made. Immediate: all drop dead, and recover at the next start.
    server.send_signal(signal.SIGINT if planned.die < 0.5 else signal.SIGQUIT)
    while server.poll() is None:
        yield
    yield from passing(0.2 + 1.8 * planned.turn)
    floor.renew("postgres")
    return (yield from _back(floor, planned, at, server.pid))


def _stop(floor: Floor, planned: Planned) -> Strike:
    """The server and all its sessions stand still; their sockets stay open."""
    server = psutil.Process(floor.servers["postgres"].process.pid)
    at = time.time()
    server.suspend()
    halted = [server, *server.children(recursive=True)]
    try:
        for process in halted[1:]:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        yield from passing(between(*HUNG_SECONDS, planned.turn))
    finally:
        for process in reversed(halted):
            with suppress(psutil.NoSuchProcess):
                process.resume()
    until = time.time()
    yield from passing(BREATH_SECONDS)
    return Fault(planned.kind, at, until, None, (server.pid,))


def _terminate(floor: Floor, planned: Planned) -> Strike:
    """Sessions are ended by an administrator: all of them, or each with some chance."""
    share = 1.0 if planned.die < 0.5 else between(0.2, 0.8, planned.turn)
    while True:
        at = time.time()
        try:
            with ledger(floor) as cursor:
                cursor.execute(_TERMINATE, (share,))
        except psycopg2.Error:
            yield
        else:
            break
    until = time.time()
    yield from passing(1.0)
    return Fault(planned.kind, at, until, None, ())


def _hold_horizon(floor: Floor, planned: Planned) -> Strike:
    """A transaction stays open, and nothing that was deleted since may be cleaned up."""
    while (holder := _held(floor)) is None:
        yield
    at = time.time()
    try:
        yield from passing(between(*HELD_SECONDS, planned.turn))
    finally:
        holder.close()
    return Fault(planned.kind, at, time.time(), None, ())


def _held(floor: Floor) -> connection | None:
    """A connection with a transaction that has seen the ledger; None while it is away."""
    if "postgres" in floor.struck:
        return None
    with suppress(psycopg2.Error):
        holder = psycopg2.connect(floor.database_url)
        holder.set_session(isolation_level="REPEATABLE READ")
        holder.cursor().execute("select count(*) from oms.jobs")
        return holder
    return None


def _fill_disk(floor: Floor, planned: Planned) -> Strike:
    """No room is left for tables and write-ahead log; should the server give up, it is started again."""
    assert floor.disk is not None
    server = floor.servers["postgres"].process
    at = time.time()
    floor.disk.fill()
    try:
        for _ in passing(between(*FULL_SECONDS, planned.turn)):
            # What is freed by others, such as the recycled log, is taken as well.
            floor.disk.fill()
            yield
    finally:
        floor.disk.free()
    yield from passing(0.5)
    if server.poll() is not None:
        floor.renew("postgres")
    return (yield from _back(floor, planned, at, server.pid))


def _back(floor: Floor, planned: Planned, at: float, pid: int) -> Strike:
    """Wait until the server answers again, and let everybody take breath."""
    while not floor.answers("postgres"):
        yield
    until = time.time()
    yield from passing(BREATH_SECONDS)
    return Fault(planned.kind, at, until, None, (pid,))


def _alone(strike: Callable[[Floor, Planned], Strike]) -> Callable[[Floor, Planned], Strike]:
    return lambda floor, planned: alone(floor, "postgres", strike(floor, planned))


STRIKES: Mapping[str, Callable[[Floor, Planned], Strike]] = {
    "postgresRestarted": _alone(_restart),
    "postgresStopped": _alone(_stop),
    "diskFull": _alone(_fill_disk),
    "sessionsTerminated": _terminate,
    "horizonHeld": _hold_horizon,
}
