"""The stream of metrics, as server-sent events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from hms_floor.api.access.guard import Caller, Guarded, Who
from hms_floor.api.app_state import AppState, TheAppState
from hms_floor.api.live.metrics_feed import OVERLAP
from hms_floor.api.requests.requests import QueuePath
from hms_floor.api.transport.problems import Problem
from hms_oms.jobs import commands

router = APIRouter(route_class=Guarded, tags=["stream"])

#: Where nothing has changed for so long, in seconds, the stream says that it is there.
HEARTBEAT_SECONDS = 10.0
#: Anyone who takes nothing for so long, in seconds, is let go.
PATIENCE_SECONDS = 30.0
#: How long a goodbye may take, in seconds.
GOODBYE_SECONDS = 0.5

_EXAMPLE = (
    "id: 1795420800000000\nevent: metrics\n"
    'data: {"at": "2026-11-23T08:00:00.000000Z", "metrics": [{"name": "queue.waitTime", "value": 12.5,'
    ' "queue": "farm-grant", "subject": null, "at": "2026-11-23T07:59:59.512000Z", "source": "events"}]}\n\n'
)
_FRAMES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string", "examples": [_EXAMPLE]}}}}
}


class EventStream(Response):
    """An answer that goes on until the watcher, the badge or the API goes.

    `since` is the number of the last look that the watcher was told of, if it comes back.
    """

    media_type = "text/event-stream"

    def __init__(self, app_state: AppState, who: Caller, queue: str | None, since: int | None) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._app_state, self._who, self._queue, self._since = app_state, who, queue, since

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell until somebody goes, if there is room for one more."""
        try:
            with self._app_state.shares.hold("stream", self._who.badge.jti, self._who.source):
                await self._go_on(scope, receive, send)
        except Problem as problem:
            await problem.response()(scope, receive, send)

    async def _go_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell, then end in good order, or at once if nothing is taken any more."""
        with self._app_state.feed.watching():
            gone = asyncio.create_task(_gone(receive))
            others = {
                asyncio.create_task(self._tell(send)),
                asyncio.create_task(self._app_state.feed.closed.wait()),
            }
            try:
                await asyncio.wait({gone, *others}, return_when=asyncio.FIRST_COMPLETED)
                await _end(others)
                if not gone.done():
                    await _say_goodbye(send, scope["state"]["abort"])
                    await gone
            finally:
                await _end({gone, *others})

    async def _tell(self, send: Send) -> None:
        """Send frame by frame while the badge holds."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await _send(send, b": welcome\n\n")
        last: int | None = None
        spoken = time.monotonic()
        while True:
            look = await self._app_state.feed.after(last)
            text = b""
            if look is not None:
                # The ledger answers, so that it can be asked about the badge.
                if not await self._app_state.authenticator.holds(self._who.badge):
                    return
                text = look.frame(self._queue, self._since)
                last = self._since = look.number
            if not text and time.monotonic() - spoken >= HEARTBEAT_SECONDS:
                text = b": heartbeat\n\n"
            if text:
                await _send(send, text)
                spoken = time.monotonic()


@router.get("/stream", response_class=Response, responses=_FRAMES)
async def all_queues(request: Request, app_state: TheAppState, who: Who) -> Response:
    """The metrics of the floor: the newest of each, then what changes; goes on after `Last-Event-ID`."""
    return _stream(request, app_state, who, None)


@router.get("/stream/{queue}", response_class=Response, responses=_FRAMES)
async def one_queue(request: Request, app_state: TheAppState, who: Who, queue: QueuePath) -> Response:
    """The metrics of one queue: the newest of each, then what changes; goes on after `Last-Event-ID`."""
    await run_in_threadpool(_require, app_state, queue)
    return _stream(request, app_state, who, queue)


def _stream(request: Request, app_state: AppState, who: Caller, queue: str | None) -> Response:
    last = request.headers.get("last-event-id", "")
    known = last.isascii() and last.isdigit() and len(last) < 18
    return EventStream(app_state, who, queue, int(last) - OVERLAP if known else None)


def _require(app_state: AppState, queue: str) -> None:
    with app_state.reading() as connection:
        commands.require_queue(connection, queue)


async def _send(send: Send, text: bytes) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await send({"type": "http.response.body", "body": text, "more_body": True})


async def _say_goodbye(send: Send, abort: Callable[[], None]) -> None:
    try:
        async with asyncio.timeout(GOODBYE_SECONDS):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    except TimeoutError:
        abort()


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        # Anyone who was too slow has been told by now.
        with suppress(asyncio.CancelledError, TimeoutError):
            await task


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
