"""The worker's heartbeat: it reports its state, enforces time limits, and stops when it loses the ledger.

The heartbeats themselves come from a process of their own (`workers.presence.heartbeat`). A thread here tells
it what the worker holds, hears which steps the ledger has given up, and reports what died or runs too long.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg2
from celery import bootsteps
from celery.worker import state

from hms_oms.daemon.liveness import Sign
from hms_oms.database import connections
from hms_oms.database.reconnecting import Line
from hms_oms.jobs import losses, workers
from hms_oms.jobs.tickets import Ticket
from workers import failing, limits
from workers.claiming import continuing, holding
from workers.engine import engine, starting
from workers.presence.heartbeat_process import Heartbeat
from workers.presence.host_load import HostLoad, Intake
from workers.presence.queue_watch import QueueWatch

log = logging.getLogger(__name__)

#: How often the worker looks after its steps, and tells what it holds, in seconds.
LOOK_SECONDS = 0.5
#: A worker whose heartbeats have not arrived for this long, while the database answers, stops; in seconds.
UNRECORDED_SECONDS = 15.0
#: The exit code of a worker that ends so that a new one takes its place (sysexits: temporary failure).
REPLACE = 75
#: A worker that is to be replaced gives its other steps this long to end, in seconds.
DRAIN_SECONDS = 60.0
#: It takes no longer than this to say so to the ledger, in seconds.
FAREWELL_SECONDS = 3.0

#: What the pool tells of its steps: each is done with the connection of the presence thread.
_reports: queue.SimpleQueue[Callable[[connections.RawConnection], object]] = queue.SimpleQueue()


def report_lost(ticket: Ticket, reason: str) -> None:
    """Have a ticket taken back whose pool child has died; returns at once."""
    _reports.put(lambda connection: losses.lose(connection, [ticket], reason, blame="step"))


def give_back(ticket: Ticket, reason: str) -> None:
    """Have a step taken back that was claimed and has not begun; returns at once."""
    continuing.granted.discard(ticket)
    _reports.put(lambda connection: losses.lose(connection, [ticket], reason, blame="none"))


def report_overrun(ticket: Ticket, limit: float) -> None:
    """Have a step reported as failed whose pool child was ended at its time limit; returns at once."""
    _reports.put(lambda connection: failing.overrun(connection, ticket, limit))


class Presence(bootsteps.StartStopStep):
    """The consumer's boot step; it goes on through broker restarts and ends with the worker."""

    requires = ("celery.worker.consumer.connection:Connection",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._thread: _Presence | None = None

    def start(self, consumer: Any) -> None:
        """Begin; called again after each reconnection to the broker."""
        if consumer.hub and hasattr(consumer.pool, "maintain_pool"):
            # Celery itself looks after dead pool children every five seconds only.
            consumer.hub.call_repeatedly(LOOK_SECONDS, consumer.pool.maintain_pool)
        if self._thread is None:
            self._thread = _Presence(consumer)
            self._thread.start()
            starting.start(consumer)
        if engine.current is not None:
            engine.current.register()

    def shutdown(self, consumer: Any) -> None:  # noqa: ARG002 -- Celery's signature
        """Leave in good order."""
        if self._thread is not None:
            self._thread.leave()
            self._thread = None


class _Presence(threading.Thread):
    def __init__(self, consumer: Any) -> None:
        super().__init__(name="presence", daemon=True)
        self._consumer = consumer
        app = consumer.app
        self._id = workers.worker_id(consumer.hostname, os.getpid(), app.worker_token)
        self._line = Line(app.settings.servers()[0], workers.session_name("presence", self._id))
        self._queues = QueueWatch(app.settings.servers()[1])
        self._host = HostLoad(app.settings.host_cpu_limit, app.settings.host_memory_limit)
        self._intake = Intake(consumer.call_soon)
        self._heartbeat = Heartbeat(self._host)
        self._sign = Sign(app.settings.home, "worker")
        self._over = threading.Event()
        self._draining_since: float | None = None
        self._given_up: frozenset[Ticket] = frozenset()

    def run(self) -> None:
        while not self._over.is_set():
            try:
                self._look()
            except Exception:
                # A worker that falls silent is taken for dead: whatever went wrong, go on.
                log.exception("the worker could not look after its steps")
            self._over.wait(LOOK_SECONDS)

    def leave(self) -> None:
        """End the heartbeats, hand back what was not begun, and take the worker's row away."""
        if engine.current is not None:
            engine.current.finish()
        self._over.set()
        self.join(LOOK_SECONDS * 2)
        self._sign.end()
        self._heartbeat.end()
        waiting = holding.waiting() | continuing.granted.copy()
        if engine.current is not None:
            waiting |= engine.current.waiting()
        try:
            connection = self._line.connection()
            self._send_reports(connection)
            losses.lose(connection, waiting, "the worker has left", blame="none")
            workers.leave(connection, self._id)
        except psycopg2.Error as error:
            log.warning("left without a word: %s", type(error).__name__)
        self._line.drop()

    def _look(self) -> None:
        now = time.monotonic()
        self._sign.renew("working" if self._draining_since is None else "to be replaced")
        given_up = self._heartbeat.given_up()
        deaf = limits.enforce(now, given_up)
        self._end_in_children(given_up)
        self._give_back_stale()
        self._heartbeat.tell(self._said())
        if not _reports.empty():
            try:
                self._send_reports(self._line.connection())
            except psycopg2.Error as error:
                self._line.drop()
                log.warning("reports wait: %s", type(error).__name__)
        if now - self._heartbeat.recorded_at > UNRECORDED_SECONDS:
            self._replace("its heartbeats do not arrive", [])
        elif deaf or self._draining_since is not None:
            self._drain(now, deaf)
        elif self._is_held():
            return
        elif self._queues.is_deaf(now, self._serves()[0], free=self._free(), received=state.total_count):
            self._replace("it does not take what stands in its queues", [])

    def _is_held(self) -> bool:
        """Whether the host is over a limit; then nothing more is taken until it is below."""
        is_held = self._host.because is not None
        self._intake.hold(self._consumer.task_consumer, held=is_held)
        return is_held

    def _send_reports(self, connection: connections.RawConnection) -> None:
        while not _reports.empty():
            report = _reports.get()
            try:
                report(connection)
            except psycopg2.Error:
                _reports.put(report)
                raise

    def _end_in_children(self, given_up: frozenset[Ticket]) -> None:
        """Have the pool end the children that run what the ledger has given up."""
        # A step that has just been completed is given up, too: it is gone by the next heartbeat.
        given_up, self._given_up = given_up & self._given_up, given_up or self._given_up
        if not given_up or engine.current is None:
            return
        for request, pid in engine.current.running():
            if request.ticket in given_up:
                log.info("%s is ended: the ledger has given it up", request.id)
                self._consumer.pool.terminate_job(pid, signal.SIGTERM)

    def _give_back_stale(self) -> None:
        if engine.current is not None:
            for request in engine.current.stale():
                log.info("%s is given back: its worker is busy with longer steps", request.id)
                request.give_back("its worker is busy with longer steps")

    def _drain(self, now: float, deaf: list[tuple[Ticket, float]]) -> None:
        """Take nothing more, wait for the steps that will end, and then end the process with the others."""
        if self._draining_since is None:
            self._draining_since = now
            names = ", ".join(str(ticket) for ticket, _ in deaf)
            log.error("%s ran past the time limit and cannot be ended: this worker is to be replaced", names)
            self._consumer.call_soon(self._consumer.task_consumer.cancel)
            continuing.stop()
            connection = self._line.connection()
            # What is claimed is about to begin.
            waiting = holding.waiting() - continuing.granted
            losses.lose(connection, waiting, "its worker is to be replaced", blame="none")
        others = set(holding.begun()) - {ticket for ticket, _ in deaf}
        if not others or now - self._draining_since > DRAIN_SECONDS:
            self._replace("steps ran past their time limit", deaf)

    def _replace(self, why: str, deaf: list[tuple[Ticket, float]]) -> None:
        """End this process at once; who started it starts another."""
        log.error("this worker ends, to be replaced: %s", why)
        # What it took on in its last seconds would wait until it is known to be gone.
        continuing.stop()
        # The database may be the reason, and never answer.
        farewell = threading.Thread(target=self._report_and_leave, args=(deaf,), daemon=True)
        farewell.start()
        farewell.join(FAREWELL_SECONDS)
        self._heartbeat.end()
        os._exit(REPLACE)

    def _report_and_leave(self, deaf: list[tuple[Ticket, float]]) -> None:
        try:
            for ticket, limit in deaf:
                failing.overrun(self._line.connection(), ticket, limit)
            workers.leave(self._line.connection(), self._id)
        except psycopg2.Error as error:
            log.warning("left without a word: %s", type(error).__name__)

    def _serves(self) -> tuple[list[str], list[str]]:
        served = sorted(self._consumer.app.amqp.queues.consume_from)
        return (served, []) if self._draining_since is None else ([], served)

    def _free(self) -> int:
        return holding.slots(self._consumer) - len(state.active_requests)

    def _said(self) -> dict[str, Any]:
        consumer, slots, (serves, left) = self._consumer, holding.slots(self._consumer), self._serves()
        named, begun = set(holding.held()), set(map(str, holding.begun()))
        if engine.current is not None:
            # What it does not name is taken back: whatever became of it here, it is run elsewhere.
            named = (named | engine.current.tickets()) - engine.current.expired()
            begun |= engine.current.begun()
        return {
            "id": self._id,
            "name": consumer.hostname,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "pool": type(consumer.pool).__module__.rpartition(".")[2],
            "slots": slots,
            "slots_lost": slots if left else min(slots, limits.hung()),
            "queues": serves,
            "left_queues": left,
            "held_because": self._host.because,
            "steps": sorted(name for name, task in consumer.app.tasks.items() if hasattr(task, "function")),
            "tickets": sorted(named),
            "begun": sorted(begun),
        }
