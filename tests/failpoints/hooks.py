"""Where programs talk to PostgreSQL, to Redis and to providers: each call passes two points there.

Installed in programs that tests start, in front of the libraries; the product knows nothing of it. What a
program has no use for is not imported: that of heartbeats is to start quickly.
"""

from __future__ import annotations

import functools
import importlib
import os
import re
import socket
import sys
from pathlib import Path
from typing import Any

import psycopg2.extensions
from psycopg2.sql import Composable

from hms_oms.database import connections
from hms_oms.database.lending.held_connection import HeldConnection
from tests.failpoints.points import HURRY, Points, of_process

ROOT = Path(__file__).parents[2]
#: What sends statements for others gives them no name.
_SENDS_FOR_OTHERS = ("/database/", "/daemon/leader_election", "/runtime/sentinel")
_PREPARED = re.compile(r"\bexecute hms_(\w+)_[0-9a-f]{8}\b")
_FIRST_TABLE = re.compile(r"\b(?:from|into|update|table)\s+(?:only\s+)?(\w+\.\w+)", re.IGNORECASE)
#: What sets a session up or asks whether it lives is no statement of anybody's.
_NO_POINT = re.compile(
    r"\s*(prepare |listen |select 1\s*$|show |begin|rollback|savepoint|release"
    r"|(select )?set_config|select set_config|select pg_catalog\.version|select current_schema)",
    re.IGNORECASE,
)
_COMMANDS = re.compile(rb"\*\d+\r\n\$\d+\r\n([A-Za-z]+)\r\n")
_SETTING_UP = frozenset({"HELLO", "CLIENT", "SELECT", "AUTH", "PING", "COMMAND"})
_NUMBERS = re.compile(r"\b(?:SM)?[0-9a-f]{8,}\b")

#: For how long leaders and workers may be silent, messages be missing and claims be unheard of.
_PATIENCE = {
    "hms_oms.jobs.workers": ("BEAT_SECONDS", "GONE_SECONDS", "SILENT_SECONDS"),
    "hms_act.recovery": (
        *("SWEEP_SECONDS", "GRACE_SECONDS", "MISSING_SECONDS", "HEARING_SECONDS", "UNHELD_SECONDS"),
    ),
    "hms_oms.daemon.leader_election": ("LEASE_SECONDS", "IDLE_SECONDS", "GAP_SECONDS"),
    "hms_oms.daemon.renewal": ("RENEW_SECONDS", "STUCK_SECONDS"),
}


def install() -> None:
    """Have each call of this process pass its points, and its patience be short."""
    hurry()
    points = of_process()
    install_postgresql(points)
    _install_redis(points)
    _install_http(points)


def hurry() -> None:
    """Have those who wait for others wait for a part of their time: a trial is mostly waiting."""
    importlib.import_module("hms_oms.jobs.workers")
    seconds = {
        (name, value): value / HURRY
        for module, names in _PATIENCE.items()
        if module in sys.modules
        for name, value in vars(sys.modules[module]).items()
        if name in names
    }
    for module in list(sys.modules.values()):
        for (name, value), short in seconds.items():
            # Others have the same name for something else, or have imported this.
            if vars(module).get(name) is value:
                setattr(module, name, short)


def install_postgresql(points: Points) -> None:
    """Have each statement and each commit pass its points."""

    class PointedConnection(HeldConnection):
        """A connection whose statements and commits are points."""

        def cursor(self, name: Any = None, cursor_factory: Any = None, **options: Any) -> Any:  # type: ignore[override]
            """Open a cursor each of whose statements passes its points."""
            factory = _pointed(cursor_factory or psycopg2.extensions.cursor)
            return super().cursor(name, factory, **options)

        def commit(self) -> None:
            """Commit between two points, if there is something to commit."""
            if self.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_INTRANS:
                points.around(
                    f"commit of {_caller()}", super().commit, lambda: _cut(self), lambda: _lose(self)
                )
            else:
                super().commit()

    @functools.cache
    def _pointed(factory: type[Any]) -> type[Any]:
        class Pointed(factory):  # type: ignore[misc]
            """A cursor that passes points."""

            def execute(self, query: Any, vars: Any = None) -> Any:
                """Run a statement between its points."""
                call = _statement(query, self.connection)
                run = functools.partial(super().execute, query, vars)
                if call is None:
                    return run()
                connection = self.connection
                return points.around(call, run, lambda: _cut(connection), lambda: _lose(connection))

        return Pointed

    connections.HeldConnection = PointedConnection  # type: ignore[misc]


def _install_redis(points: Points) -> None:
    from redis.connection import AbstractConnection
    from redis.exceptions import ConnectionError as RedisConnectionError

    send, read = AbstractConnection.send_packed_command, AbstractConnection.read_response

    def pointed_send(self: Any, command: Any, check_health: bool = True) -> None:
        names = _commands(command)
        self.pointed = None
        if names:
            points.before(names, lambda: _cut_socket(self._sock.fileno()) if self._sock else None)
            self.pointed = names
        send(self, command, check_health)

    def pointed_read(self: Any, *arguments: Any, **options: Any) -> Any:
        answer = read(self, *arguments, **options)
        names, self.pointed = getattr(self, "pointed", None), None
        if names and answer is not None:

            def lose() -> None:
                self.disconnect()
                raise RedisConnectionError("the answer is lost")

            points.after(names, lose)
        return answer

    AbstractConnection.send_packed_command = pointed_send
    AbstractConnection.read_response = pointed_read


def _install_http(points: Points) -> None:
    import httpx

    handle = httpx.HTTPTransport.handle_request

    def pointed(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        name = _NUMBERS.sub("N", request.url.path.rpartition("/")[2])
        call = f"{request.method} {name}"

        def cut() -> None:
            raise httpx.WriteError("the connection was reset", request=request)

        points.before(call, cut)
        response = handle(self, request)

        def lose() -> None:
            response.close()
            raise httpx.ReadError("the answer is lost", request=request)

        points.after(call, lose)
        return response

    httpx.HTTPTransport.handle_request = pointed  # type: ignore[method-assign]


def _statement(query: Any, connection: Any) -> str | None:
    """The name of a statement: that of its file, or its function with its verb and table."""
    text = query.as_string(connection) if isinstance(query, Composable) else query
    text = text.decode(errors="replace") if isinstance(text, bytes | bytearray) else str(text)
    prepared = _PREPARED.search(text)
    if prepared:
        return prepared[1]
    if text in _files():
        return _files()[text]
    if _NO_POINT.match(text) and "oms.fence" not in text:
        return None
    table = _FIRST_TABLE.search(text)
    verb = text.split(maxsplit=1)[0].lower()
    what = "fence" if "oms.fence" in text else f"{verb} {table[1]}" if table else verb
    return f"{_caller()}: {what}"


@functools.cache
def _files() -> dict[str, str]:
    folders = ("hms_oms", "hms_act", "hms_ops", "workers")
    return {path.read_text(): path.stem for folder in folders for path in (ROOT / folder).rglob("*.sql")}


def _caller() -> str:
    """The function of ours that has something done."""
    frame, nearest = sys._getframe(1), None
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(str(ROOT)) and "/tests/failpoints/" not in path and "/.venv/" not in path:
            nearest = nearest or f"{Path(path).stem}.{frame.f_code.co_name}"
            if not any(part in path for part in _SENDS_FOR_OTHERS):
                return f"{Path(path).stem}.{frame.f_code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]
    return nearest or "python"


def _cut(connection: Any) -> None:
    _cut_socket(connection.fileno())


def _cut_socket(number: int) -> None:
    with socket.socket(fileno=os.dup(number)) as line:
        line.shutdown(socket.SHUT_RDWR)


def _lose(connection: Any) -> None:
    """Raise what psycopg2 raises if the connection breaks before the answer."""
    _cut(connection)
    psycopg2.extensions.cursor(connection).execute("select 'the answer is lost'")


def _commands(command: Any) -> str | None:
    packed = command.encode() if isinstance(command, str) else b"".join(command)
    names = dict.fromkeys(name.decode().upper() for name in _COMMANDS.findall(packed))
    if not names or not _SETTING_UP.isdisjoint(names):
        return None
    return "redis " + "+".join(names)
