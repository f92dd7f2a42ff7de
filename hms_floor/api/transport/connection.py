"""HTTP connections that reject clients whose request head is too slow or too large."""

from __future__ import annotations

import functools
from asyncio import TimerHandle
from collections import Counter
from collections.abc import Container
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hms_floor.api.transport import refused
from hms_floor.api.transport.problems import MEDIA_TYPE, Problem, busy

#: A head must be there after this long, in seconds ...
HEAD_SECONDS = 10.0
#: ... and be no larger than this, in bytes.
MOST_HEAD = 32768
#: Connections at the same time, more than may watch and wait, and from one address, which may be that of a
#: whole office; further ones are told to come again.
MOST_CONNECTIONS = 2500
MOST_EACH = 1000
#: So many more are told; any further one is cut off, since each keeps a file open.
SLACK = 100


#: The connections of each address.
_open: Counter[str] = Counter()


class GuardedConnection(HttpToolsProtocol):
    """uvicorn's connection, with a limit on the size and the time of a head, and on their number."""

    #: Where it comes from; None once it is not counted any more, or if that is a proxy with many behind it.
    _source: str | None = None
    _waiting: TimerHandle | None = None
    _head = 0
    _in_head = False

    def connection_made(self, transport: Any) -> None:
        """Wait for a first head, but not forever."""
        super().connection_made(transport)
        self._await_head()
        if self.client is not None and not self._is_proxy(self.client[0]):
            self._source = self.client[0]
            _open[self._source] += 1
        if self._surplus() > SLACK:
            refused.note(503)
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for any more."""
        self._head_is_there()
        self._uncount()
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
        if self._surplus() > 0:
            self._refuse(self._too_many())
            raise ValueError("there are too many connections")
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the line of an open page on: those are counted by themselves."""
        self._uncount()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 -- uvicorn's signature
        """Tell that this is no HTTP, in the form that all our problems have."""
        if not self.transport.is_closing():
            self._refuse(Problem(400, "this is not a well-formed HTTP request"))

    def _is_proxy(self, host: str) -> bool:
        return self.config.proxy_headers and host in _proxies(str(self.config.forwarded_allow_ips))

    def _surplus(self) -> int:
        """Number of connections above the limit, in total or from this address."""
        over = _open[self._source] - MOST_EACH if self._source is not None else 0
        return max(len(self.connections) - MOST_CONNECTIONS, over)

    def _too_many(self) -> Problem:
        if len(self.connections) > MOST_CONNECTIONS:
            return busy(f"there are {MOST_CONNECTIONS:,} connections already")
        again = {"Retry-After": "1"}
        return Problem(429, f"this address has {MOST_EACH:,} connections already", headers=again)

    def _uncount(self) -> None:
        if self._source is not None:
            _open[self._source] -= 1
            if not _open[self._source]:
                del _open[self._source]
            self._source = None

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
        refused.note(problem.status_code)
        body = bytes(problem.response().body)
        more = "".join(f"{name}: {value}\r\n" for name, value in (problem.headers or {}).items())
        head = (
            f"HTTP/1.1 {problem.status_code} {problem.document()['title']}\r\n{more}"
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()


@functools.cache
def _proxies(trusted: str) -> Container[str | None]:
    """Those whose word on the caller's address is taken, read as uvicorn reads them."""

    async def nobody(*_: Any) -> None:
        """Answer nothing."""

    # Its own type is private.
    hosts: Any = ProxyHeadersMiddleware(nobody, trusted).trusted_hosts
    return hosts  # type: ignore[no-any-return]
