"""The feed of the streams: one look a second at the newest metrics, while anybody watches.

All watchers share one look, put into bytes once for each queue. Of a watcher the feed keeps nothing, so who
reads slowly costs no memory: the next frame tells all that has changed since the one before it, with the
values in between left out.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from starlette.concurrency import run_in_threadpool

from hms_oms.api.codec import document, stamp
from hms_ops.documents.reports import Metric

log = logging.getLogger(__name__)

#: How often the metrics are looked at, in seconds.
LOOK_SECONDS = 1.0
#: Where there is no look, who waits for one is told so after as many seconds.
TURN_SECONDS = 2.0
#: Two processes may look at the same time, and a moment is that of a look's beginning: anyone who comes back
#: is told again what was seen in this last moment, in microseconds.
OVERLAP = 1_000_000

#: The time of the ledger, and its newest metrics.
Found = tuple[datetime, Sequence[Metric]]
_Key = tuple[str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A value, as JSON too, and the number of the look that was the first to see it."""

    number: int
    metric: Metric
    document: str


class Look:
    """The metrics of one moment; `number` is that moment by the ledger's clock, in microseconds.

    So it means the same to every process of the API.
    """

    def __init__(self, number: int, at: datetime, newest: Sequence[_Seen], before: int | None) -> None:
        self.number = number
        self._at, self._seen, self._before = at, newest, before
        self._frames: dict[tuple[str | None, int | None], bytes] = {}

    def frame(self, queue: str | None, since: int | None) -> bytes:
        """What has come of a queue (None: of all) after the look `since`; nothing where that is nothing.

        Without a `since`, or with one that is still to come, all that is.
        """
        if since is not None and since > self.number:
            since = None
        if since not in (None, self._before):
            return self._encoded(queue, since)
        if (queue, since) not in self._frames:
            self._frames[queue, since] = self._encoded(queue, since)
        return self._frames[queue, since]

    def _encoded(self, queue: str | None, since: int | None) -> bytes:
        news = [
            metric.document
            for metric in self._seen
            if (since is None or metric.number > since) and queue in (None, metric.metric.queue)
        ]
        if not news and since is not None:
            return b""
        data = f'{{"at": "{stamp(self._at)}", "metrics": [{", ".join(news)}]}}'
        return f"id: {self.number}\nevent: metrics\ndata: {data}\n\n".encode()


class Feed:
    """Looks while somebody watches, and hands the look to all of them."""

    def __init__(self, find: Callable[[], Found]) -> None:
        self._find = find
        self._seen: dict[_Key, _Seen] = {}
        self._latest: Look | None = None
        self._news = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self.watchers = 0
        #: The API closes: every stream is to end.
        self.closed = asyncio.Event()

    def close(self) -> None:
        """End every stream."""
        self.closed.set()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Have the feed look for as long as the block lasts."""
        self.watchers += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_on())
        try:
            yield
        finally:
            self.watchers -= 1
            if not self.watchers:
                self._looking.cancel()
                # Anyone who watches next must not take this for what is.
                self._looking = self._latest = None

    async def after(self, number: int | None) -> Look | None:
        """A look that is newer than look `number`, as soon as there is one; None where none comes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(TURN_SECONDS):
                while self._latest is None or self._latest.number == number:
                    await self._news.wait()
                return self._latest
        return None

    async def _look_on(self) -> None:
        failing = False
        while True:
            began = time.monotonic()
            try:
                self._add(*await run_in_threadpool(self._find))
                failing = False
            except Exception as error:  # noqa: BLE001 -- the streams stay open until there is something to tell
                if not failing:
                    log.warning("the metrics cannot be read: %s", type(error).__name__)
                failing = True
            await asyncio.sleep(max(0.05, LOOK_SECONDS - (time.monotonic() - began)))

    def _add(self, at: datetime, metrics: Sequence[Metric]) -> None:
        before = self._latest.number if self._latest else None
        number = int(at.timestamp() * 1_000_000)
        if before is not None:
            # A ledger whose clock was put back.
            number = max(number, before + 1)
        known, self._seen = self._seen, {}
        for metric in metrics:
            key = metric.name, metric.queue, metric.subject
            known_before = known.get(key)
            if known_before is None or known_before.metric != metric:
                known_before = _Seen(number, metric, json.dumps(document(metric)))
            self._seen[key] = known_before
        self._latest = Look(number, at, list(self._seen.values()), before)
        news, self._news = self._news, asyncio.Event()
        news.set()
