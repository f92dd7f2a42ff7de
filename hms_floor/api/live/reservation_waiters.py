"""Long polling for agents: one queue of waiters per queue, one listener for all, no thread each."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine
from starlette.concurrency import run_in_threadpool

from hms_oms.database import connections, sessions
from hms_oms.database.connections import RawConnection
from hms_oms.jobs.reservations import LOOK_SECONDS, POLL_SECONDS, Reservation

log = logging.getLogger(__name__)

#: How long to wait before listening again after the database went away, in seconds.
BACKOFF_SECONDS = 2.0

#: Takes a job for somebody, inside a transaction; None where there is none.
Take = Callable[[Connection], Reservation | None]


@dataclass(eq=False, slots=True)
class _Place:
    take: Take
    answer: asyncio.Future[Reservation | None] = field(default_factory=asyncio.Future)
    leaving: bool = False

    def give(self, reservation: Reservation | None) -> None:
        if not self.answer.done():
            self.answer.set_result(reservation)


class ReservationWaiters:
    """Agents stand in line; whenever a queue has news, and every two seconds, the first ones are served."""

    def __init__(self, database_url: str, engine: Engine) -> None:
        self._url, self._engine = database_url, engine
        self._places: defaultdict[str, deque[_Place]] = defaultdict(deque)
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._listener: asyncio.Task[None] | None = None
        #: So many stand in line now.
        self.waiting = 0

    def open(self) -> None:
        """Begin to listen."""
        self._listener = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Send everybody home, and stop listening."""
        self.send_home()
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)

    def send_home(self) -> None:
        """Have all who wait leave with nothing: the API closes."""
        for places in self._places.values():
            for place in places:
                place.give(None)

    async def wait(
        self, queue: str, seconds: float, take: Take, gone: asyncio.Future[Any]
    ) -> Reservation | None:
        """Stand in line for a job of `queue`, until one has come, the time is over, or `gone` is done.

        Who leaves while being served still gets what comes of it.
        """
        place = _Place(take)
        self._places[queue].append(place)
        self._serve(queue)
        ends: set[asyncio.Future[Any]] = {place.answer, gone}
        self.waiting += 1
        try:
            await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.waiting -= 1
        place.leaving = True
        if place in self._places[queue]:
            self._places[queue].remove(place)
            place.give(None)
        return await place.answer

    def _serve(self, queue: str) -> None:
        self._again.add(queue)
        if self._places[queue] and queue not in self._serving:
            self._serving[queue] = asyncio.create_task(self._serve_all(queue))

    async def _serve_all(self, queue: str) -> None:
        """Serve from the front for as long as there are jobs."""
        places = self._places[queue]
        try:
            while queue in self._again and places:
                self._again.discard(queue)
                while places and await self._serve_one(places):
                    pass
        finally:
            del self._serving[queue]

    async def _serve_one(self, places: deque[_Place]) -> bool:
        """Serve the first in line; False where there is nothing to give."""
        place = places.popleft()
        try:
            reservation = await run_in_threadpool(self._take, place)
        except Exception as error:  # noqa: BLE001 -- handed to the one who asked
            if not place.answer.done():
                place.answer.set_exception(error)
            return True
        if reservation is not None or place.leaving:
            place.give(reservation)
        else:
            places.appendleft(place)
        return reservation is not None

    def _take(self, place: _Place) -> Reservation | None:
        with self._engine.begin() as connection:
            return place.take(connection)

    async def _listen(self) -> None:
        while True:
            try:
                connection = await run_in_threadpool(self._connected)
            except psycopg2.Error as error:
                log.warning("nobody listens for work: %s", type(error).__name__)
                await self._look_around(BACKOFF_SECONDS)
                continue
            try:
                await self._hear(connection)
            except psycopg2.Error as error:
                log.warning("the listener has lost its connection: %s", type(error).__name__)
            finally:
                connection.close()

    def _connected(self) -> RawConnection:
        connection = connections.connect(self._url, "hms floor listener")
        if not sessions.listen(connection, "oms_backlog"):
            log.warning(
                "nothing can be listened to through a pooler: who waits for work is served every %g s; for"
                " less, set HMS_DATABASE_DIRECT_URL to a way around it",
                POLL_SECONDS,
            )
        return connection

    async def _hear(self, connection: RawConnection) -> None:
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        # A lost connection does not tell its number any more, and the next one may well get the same.
        line = connection.fileno()
        loop.add_reader(line, news.set)
        try:
            while True:
                try:
                    async with asyncio.timeout(POLL_SECONDS if connection.pooled else LOOK_SECONDS):
                        await news.wait()
                except TimeoutError:
                    queues = set(self._places)
                else:
                    news.clear()
                    connection.poll()
                    queues = {notice.payload for notice in connection.notifies} & set(self._places)
                    connection.notifies.clear()
                self._serve_some(queues)
        finally:
            loop.remove_reader(line)

    async def _look_around(self, seconds: float) -> None:
        self._serve_some(set(self._places))
        await asyncio.sleep(seconds)

    def _serve_some(self, queues: set[str]) -> None:
        for queue in queues:
            if self._places[queue]:
                self._serve(queue)
            elif queue not in self._serving:
                del self._places[queue]
