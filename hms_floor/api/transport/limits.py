"""Limits on the size, duration and rate of requests, enforced while a request is being received."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hms_floor import subpath
from hms_floor.api.transport import refused
from hms_floor.api.transport.problems import Problem

#: The largest JSON body and the largest file, in bytes.
MOST_JSON = 1 << 20
MOST_UPLOAD = 256 << 20
#: A JSON body must be there after this long; of a file something must come this often; both in seconds.
JSON_SECONDS = 10.0
UPLOAD_STALL_SECONDS = 10.0
#: The slowest that a file may come after its first seconds, in bytes a second.
LEAST_BYTES_PER_SECOND = 4096
#: Anyone who is refused while still sending is listened to for so long, in seconds.
LINGER_SECONDS = 1.0
#: The longest address, its query included, in bytes.
LONGEST_ADDRESS = 8192
#: The addresses that take a file; those of the pages begin like this.
UPLOADS = frozenset({"/cycles", "/cycles/preview"})
PAGE_UPLOADS = "/floor/_nicegui/client/"

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


class Limits:
    """ASGI middleware: bodies are counted while they stream in, and every answer gets its safe headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(scope, receive)
        try:
            _check_address(scope)
            body.check(_told_length(scope))
        except Problem as problem:
            problem.headers = {**(problem.headers or {}), "Connection": "close"}
            await problem.response()(scope, receive, _Reply(body, send))
            return
        await self.app(scope, body.receive, _Reply(body, send))


class _Body:
    """A body that is counted and timed while it comes in. Raises Problem where it is told too large."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        path = subpath.inside(scope)
        self._upload = path in UPLOADS or path.startswith(PAGE_UPLOADS)
        self._most = MOST_UPLOAD if self._upload else MOST_JSON
        self._size = 0
        self._ended = False
        self._since: float | None = None

    async def receive(self) -> Message:
        """The next message. Raises Problem for a body that is too large or too slow."""
        if self._ended:
            return await self._receive()
        now = time.monotonic()
        if self._since is None:
            self._since = now
        seconds = UPLOAD_STALL_SECONDS if self._upload else JSON_SECONDS - (now - self._since)
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                message = await self._receive()
        except TimeoutError:
            raise _slow() from None
        if message["type"] != "http.request":
            self._ended = True
            return message
        self._ended = not message.get("more_body", False)
        self._size += len(message.get("body", b""))
        self.check(self._size)
        passed = time.monotonic() - self._since
        if not self._ended and passed > UPLOAD_STALL_SECONDS and self._size < LEAST_BYTES_PER_SECOND * passed:
            raise _slow()
        return message

    async def drain(self) -> None:
        """Let the caller finish a little of what nobody wants: else the answer may be lost with the line."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not self._ended:
                    message = await self._receive()
                    self._ended = not message.get("more_body", False)

    def check(self, size: int) -> None:
        """Raise Problem where so many bytes are too many."""
        if size > self._most:
            raise Problem(
                413, f"the body is larger than {self._most:,} bytes", headers={"Connection": "close"}
            )


class _Reply:
    """An answer on its way: with safe headers, and heard to its end by a caller who is still sending."""

    def __init__(self, body: _Body, send: Send) -> None:
        self._body, self._send = body, send
        self._closing = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            refused.note(message["status"])
            headers = list(message.get("headers", []))
            names = {name for name, _ in headers}
            headers += [(name, value) for name, value in _HEADERS if name not in names]
            self._closing = (b"connection", b"close") in headers
            message = {**message, "headers": headers}
        elif self._closing and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._body.drain()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)


class Rates:
    """Rate limit of requests per badge, as a token bucket.

    A bucket holds the tokens of two seconds, so that a short burst passes.
    """

    #: With more buckets than this, the full ones are forgotten: they say no more than none.
    most = 10_000

    def __init__(self, per_second: int) -> None:
        self._rate = float(per_second)
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, who: str) -> None:
        """Take a token of `who`. Raises Problem where none is left."""
        now = time.monotonic()
        tokens, since = self._buckets.get(who, (2 * self._rate, now))
        tokens = min(2 * self._rate, tokens + (now - since) * self._rate)
        if tokens < 1:
            seconds = max(1, round((1 - tokens) / self._rate + 0.5))
            raise Problem(
                429,
                f"more than {self._rate:,.0f} requests a second: slow down",
                headers={"Retry-After": str(seconds)},
            )
        if len(self._buckets) > self.most:
            self._forget(now)
        self._buckets[who] = tokens - 1, now

    def _forget(self, now: float) -> None:
        self._buckets = {
            who: (tokens, since)
            for who, (tokens, since) in self._buckets.items()
            if tokens + (now - since) * self._rate < 2 * self._rate
        }


def _slow() -> Problem:
    return Problem(408, "the body comes too slowly", headers={"Connection": "close"})


def _told_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)
    return 0


def _check_address(scope: Scope) -> None:
    raw, query = scope.get("raw_path") or b"", scope["query_string"]
    if len(raw) + len(query) > LONGEST_ADDRESS:
        raise Problem(414, f"the address is longer than {LONGEST_ADDRESS:,} bytes")
    if b"%00" in raw or b"%00" in query or b"\0" in query:
        raise Problem(400, "the address holds a NUL character")
