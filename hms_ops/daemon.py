"""`hms ops run`: one process that hears the workers, watches, and hands over texts.

It stands by as two daemons, each with a connection and a lease of its own: the watch ("ops") in the main
thread, the delivery of texts ("pager") in a second one, that of events
("webhooks") in a third one. Of any number of processes one leads each.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from hms_oms.daemon import daemon
from hms_oms.daemon.daemon import Stop
from hms_oms.daemon.leader_election import Lease
from hms_oms.database import connections
from hms_oms.messages import outbox
from hms_oms.runtime import telemetry
from hms_oms.runtime.settings import Settings
from hms_ops import heartbeats
from hms_ops.events.receiver import Receiver
from hms_ops.metrics.measure import Measure
from hms_ops.oncall import doubts
from hms_ops.paging import senders
from hms_ops.paging.channels.channels import Channels
from hms_ops.paging.pager import Delivery
from hms_ops.paging.senders import Sender
from hms_ops.traces.export import Traces, exporter
from hms_ops.watch import Watch
from hms_ops.webhooks import addresses, signing
from hms_ops.webhooks.daemon import Webhooks, source
from hms_ops.webhooks.sending import Courier

log = logging.getLogger(__name__)

#: How long a process that is told to stop waits for the answers to what it is just handing over, in seconds.
LAST_SECONDS = 5.0


def run(settings: Settings) -> None:
    """Watch and deliver until SIGTERM. Raises what ended one of the daemons, after ending the other.

    Raises ConfigError if there are no servers to talk to, the sender lacks a setting or has nobody to text.
    """
    database_url, broker_url = settings.servers()
    sender = senders.make(settings)
    channels = Channels(settings)
    direct_url = settings.database_direct_url or database_url
    engine = connections.engine(database_url)
    receiver = Receiver(broker_url)

    def beat(lease: Lease, detail: Mapping[str, Any]) -> None:
        with lease.begin(engine) as connection:
            heartbeats.beat(connection, "pager", detail)

    def require_on_call() -> None:
        with engine.connect() as connection:
            doubts.require_anybody(connection, settings)

    def watch(lease: Lease) -> Watch:
        require_on_call()
        return Watch(
            partial(lease.begin, engine),
            Measure(engine, receiver, office=settings.zone),
            sender_is_local=sender.local,
            samples_days=settings.samples_days,
            office=settings.zone,
        )

    # Nothing is handed over before somebody can be called; an absent database is waited for below.
    with suppress(DBAPIError):
        require_on_call()

    def traces(lease: Lease) -> Traces:
        assert receiver_of_traces is not None
        return Traces(engine, partial(lease.begin, engine), receiver_of_traces)

    receiver_of_traces = exporter() if telemetry.is_configured() else None
    with daemon.stop_on_signals() as stop:
        beside = (
            _Beside("pager", stop, lambda: _deliver(direct_url, sender, channels, beat, stop, settings.home)),
            _Beside("webhooks", stop, lambda: _deliver_events(direct_url, engine, settings, stop)),
        )
        receiver.start()
        for thread in beside:
            thread.start()
        if receiver_of_traces is not None:
            # Not waited for, and no reason to stop: nobody is called by them.
            work = partial(daemon.serve, "traces", direct_url, [], traces, stop, settings.home)
            threading.Thread(target=work, name="traces", daemon=True).start()
        try:
            daemon.serve("ops", direct_url, [], watch, stop, settings.home)
        finally:
            stop.ask()
            for thread in beside:
                thread.join()
            receiver.stop()
    for thread in beside:
        if thread.error is not None:
            raise thread.error


def _deliver(
    database_url: str,
    sender: Sender,
    channels: Channels,
    beat: Callable[[Lease, Mapping[str, Any]], None],
    stop: Stop,
    home: Path,
) -> None:
    """Deliver until asked to stop.

    It is one delivery, whatever becomes of its connection: what is in the air when the database goes away, or
    when the process is told to stop, would otherwise be `unknown` for as long as its lease lasts.
    """
    delivery: Delivery | None = None

    def take_up(lease: Lease) -> Delivery:
        nonlocal delivery
        if delivery is None:
            delivery = Delivery(lease.connection, sender, channels=channels)
        delivery.connection, delivery.beat = lease.connection, partial(beat, lease)
        return delivery

    daemon.serve("pager", database_url, [outbox.CHANNEL], take_up, stop, home)
    if delivery is None or not delivery.in_flight.any:
        return
    try:
        with closing(connections.connect(database_url, "hms pager last")) as connection:
            # Another process may lead by now: the fence of each text sees to it that each records its own.
            delivery.connection = connection
            delivery.in_flight.land(LAST_SECONDS)
    except psycopg2.Error as error:
        log.warning("pager: the last answers are not recorded: %s", type(error).__name__)


def _deliver_events(database_url: str, engine: Engine, settings: Settings, stop: Stop) -> None:
    """Deliver events to webhooks until asked to stop; the same one, as texts."""
    webhooks: Webhooks | None = None

    def take_up(lease: Lease) -> Webhooks:
        nonlocal webhooks
        begin = partial(lease.begin, engine)
        if webhooks is None:
            with engine.connect() as connection:
                courier = Courier(source(connection), addresses.networks(settings.events_networks))
            webhooks = Webhooks(lease.connection, begin, courier, partial(signing.key, settings))
        webhooks.connection, webhooks.begin = lease.connection, begin
        return webhooks

    daemon.serve("webhooks", database_url, [], take_up, stop, settings.home)
    if webhooks is None or not webhooks.in_flight.any:
        return
    try:
        with closing(connections.connect(database_url, "hms webhooks last")) as connection:
            webhooks.connection = connection
            webhooks.in_flight.land(LAST_SECONDS)
    except psycopg2.Error as error:
        log.warning("webhooks: the last answers are not recorded: %s", type(error).__name__)


class _Beside(threading.Thread):
    """A daemon in a thread of its own: when it ends, so does the process."""

    def __init__(self, name: str, stop: Stop, work: Callable[[], None]) -> None:
        super().__init__(name=name)
        self._stop_all = stop
        self._work = work
        self.error: BaseException | None = None

    def run(self) -> None:
        """Work until asked to stop; what goes wrong is kept for the main thread."""
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 whatever it was, the process must not go on without it
            self.error = error
        finally:
            self._stop_all.ask()
