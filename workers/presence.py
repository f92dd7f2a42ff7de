"""A worker's presence: what it is, what it can do and which tickets it holds, told every two seconds.

The same thread reports at once when a pool child has died: the child itself no longer can.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import threading
import time
from typing import Any

import psutil
from celery import bootsteps
from celery.worker import state

from hms_oms import database, presence, recovery
from hms_oms.tickets import Ticket
from workers.desk import Line

log = logging.getLogger(__name__)

#: How soon a beat that failed is tried again, in seconds: a silence is taken for death.
AGAIN_SECONDS = 0.2
#: How often the parent looks for pool children that have died, in seconds.
LOOK_SECONDS = 0.5

#: Tickets whose pool child has died, with the reason.
_lost: queue.SimpleQueue[tuple[Ticket, str] | None] = queue.SimpleQueue()


def report_lost(ticket: Ticket, reason: str) -> None:
    """Have a ticket taken back whose pool child has died; returns at once."""
    _lost.put((ticket, reason))


class Presence(bootsteps.StartStopStep):
    """The consumer's boot step; it beats through broker restarts and ends with the worker."""

    requires = ("celery.worker.consumer.connection:Connection",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._beats: _Beats | None = None

    def start(self, consumer: Any) -> None:
        """Begin to beat; called anew after each reconnection to the broker."""
        if consumer.hub and hasattr(consumer.pool, "maintain_pool"):
            # Celery itself looks after dead pool children every five seconds only.
            consumer.hub.call_repeatedly(LOOK_SECONDS, consumer.pool.maintain_pool)
        if self._beats is None:
            self._beats = _Beats(consumer)
            self._beats.start()

    def shutdown(self, consumer: Any) -> None:  # noqa: ARG002 -- Celery's signature
        """Say good-bye."""
        if self._beats is not None:
            self._beats.leave()
            self._beats = None


class _Beats(threading.Thread):
    def __init__(self, consumer: Any) -> None:
        super().__init__(name="presence", daemon=True)
        self._consumer = consumer
        self._id = presence.worker_id(consumer.hostname, os.getpid())
        self._line = Line(consumer.app.settings.servers()[0], f"hms presence {consumer.hostname}")
        self._over = False
        self._unsaid: list[tuple[Ticket, str]] = []
        self._process = psutil.Process()

    def run(self) -> None:
        psutil.cpu_percent()
        while not self._over:
            try:
                presence.beat(self._line.connection(), self._beat())
                for ticket, reason in self._unsaid:
                    recovery.lose(self._line.connection(), [ticket], reason)
                self._unsaid.clear()
            except database.GONE as error:
                self._line.drop()
                log.warning("no beat: the database is away (%s)", type(error).__name__)
                time.sleep(AGAIN_SECONDS)
                continue
            except Exception:
                # A worker that falls silent is taken for dead: whatever went wrong, beat again.
                self._line.drop()
                log.exception("no beat")
                time.sleep(AGAIN_SECONDS)
                continue
            self._wait()

    def leave(self) -> None:
        self._over = True
        _lost.put(None)
        self.join(presence.BEAT_SECONDS)
        try:
            presence.leave(self._line.connection(), self._id)
        except database.GONE:
            log.warning("left without a word: the database is away")
        self._line.drop()

    def _wait(self) -> None:
        """Sleep until the next beat is due, or until there is a loss to report."""
        try:
            lost = _lost.get(timeout=presence.BEAT_SECONDS)
        except queue.Empty:
            return
        if lost is not None:
            self._unsaid.append(lost)

    def _beat(self) -> presence.Beat:
        consumer = self._consumer
        return presence.Beat(
            id=self._id,
            name=consumer.hostname,
            host=socket.gethostname(),
            pid=os.getpid(),
            pool=type(consumer.pool).__module__.rpartition(".")[2],
            slots=consumer.pool.num_processes if consumer.pool else 1,
            queues=sorted(consumer.app.amqp.queues.consume_from),
            steps=sorted(name for name, task in consumer.app.tasks.items() if hasattr(task, "function")),
            tickets=_held(),
            cpu_percent=psutil.cpu_percent(),
            rss_bytes=self._process.memory_info().rss,
        )


def _held() -> list[str]:
    """The tickets in this process: prefetched, waiting for a slot, or running."""
    while True:
        try:
            requests = [*state.reserved_requests, *state.active_requests]
        except RuntimeError:  # the set changed while it was read
            continue
        return sorted({request.id for request in requests if _is_ticket(request.id)})


def _is_ticket(text: str) -> bool:
    try:
        Ticket.parse(text)
    except ValueError:
        return False
    return True
