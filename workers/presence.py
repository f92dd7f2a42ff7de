"""A worker's presence: what it is, what it can do and which tickets it holds, told every two seconds."""

from __future__ import annotations

import logging
import os
import socket
import threading
from typing import Any

import psutil
from celery import bootsteps
from celery.worker import state

from hms_oms import database, presence
from hms_oms.tickets import Ticket
from workers.desk import Line
from workers.task import StepTask

log = logging.getLogger(__name__)


class Presence(bootsteps.StartStopStep):
    """The consumer's boot step; it beats through broker restarts and ends with the worker."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._beats: _Beats | None = None

    def start(self, consumer: Any) -> None:
        """Begin to beat; called anew after each reconnection to the broker."""
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
        self._line = Line(consumer.app.settings.servers()[0], f"hms presence {consumer.hostname}")
        self._over = threading.Event()
        self._process = psutil.Process()

    def run(self) -> None:
        psutil.cpu_percent()
        while not self._over.is_set():
            try:
                presence.beat(self._line.connection(), self._beat())
            except database.GONE as error:
                self._line.drop()
                log.warning("no beat: the database is away (%s)", type(error).__name__)
            self._over.wait(presence.BEAT_SECONDS)

    def leave(self) -> None:
        self._over.set()
        self.join(presence.BEAT_SECONDS)
        try:
            presence.leave(self._line.connection(), self._consumer.hostname, os.getpid())
        except database.GONE:
            log.warning("left without a word: the database is away")
        self._line.drop()

    def _beat(self) -> presence.Beat:
        consumer = self._consumer
        return presence.Beat(
            name=consumer.hostname,
            host=socket.gethostname(),
            pid=os.getpid(),
            pool=type(consumer.pool).__module__.rpartition(".")[2],
            slots=consumer.pool.num_processes if consumer.pool else 1,
            queues=sorted(consumer.app.amqp.queues.consume_from),
            steps=sorted(name for name, task in consumer.app.tasks.items() if isinstance(task, StepTask)),
            tickets=_held(),
            cpu_percent=psutil.cpu_percent(),
            rss_bytes=self._process.memory_info().rss,
        )


def _held() -> list[str]:
    """The tickets in this process: prefetched, waiting for a slot, or running."""
    while True:
        try:
            requests = list(state.reserved_requests)
        except RuntimeError:  # the set changed while it was read
            continue
        return sorted({request.id for request in requests if _is_ticket(request.id)})


def _is_ticket(text: str) -> bool:
    try:
        Ticket.parse(text)
    except ValueError:
        return False
    return True
