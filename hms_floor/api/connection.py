"""A connection of the door: whoever sends the head of a request too slowly, or too large, is turned away."""

from __future__ import annotations

from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hms_floor.api.problems import MEDIA_TYPE, Problem, busy

#: A head must be there after this long, in seconds ...
HEAD_SECONDS = 10.0
#: ... and be no larger than this, in bytes.
MOST_HEAD = 32768
#: Connections at the same time, more than may watch and wait; further ones are told to come again.
MOST_CONNECTIONS = 2500


class GuardedConnection(HttpToolsProtocol):
    """uvicorn's connection, with a limit on the size and the time of a head."""

    _waiting: TimerHandle | None = None
    _head = 0
    _in_head = False

    def connection_made(self, transport: Any) -> None:
        """Wait for a first head, but not for ever."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for any more."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before the end of a head."""
        if self._waiting is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()
        self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > MOST_HEAD and not self.transport.is_closing():
            self._refuse(Problem(431, f"the head of the request is larger than {MOST_HEAD:,} bytes"))

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        super().on_message_begin()
        # For who must be let go though nothing that is sent is taken any more.
        self.scope["state"]["abort"] = self.transport.abort

    def on_headers_complete(self) -> None:
        """A head is there: refuse a large one before anybody acts on it."""
        self._head_is_there()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MOST_HEAD:
            self._refuse(Problem(431, f"the head of the request is larger than {MOST_HEAD:,} bytes"))
            raise ValueError("the head is too large")
        if len(self.connections) > MOST_CONNECTIONS:
            self._refuse(busy(f"there are {MOST_CONNECTIONS:,} connections already"))
            raise ValueError("there are too many connections")
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 -- uvicorn's signature
        """Tell that this is no HTTP, in the form that all our problems have."""
        if not self.transport.is_closing():
            self._refuse(Problem(400, "this is not a well-formed HTTP request"))

    def _await_head(self) -> None:
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _head_is_there(self) -> None:
        self._in_head = False
        self._head = 0
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _too_slow(self) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            self._refuse(Problem(408, "the head of the request comes too slowly"))

    def _refuse(self, problem: Problem) -> None:
        body = bytes(problem.response().body)
        more = "".join(f"{name}: {value}\r\n" for name, value in (problem.headers or {}).items())
        head = (
            f"HTTP/1.1 {problem.status_code} {problem.document()['title']}\r\n{more}"
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()
