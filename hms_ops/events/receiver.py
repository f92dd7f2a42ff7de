"""The receiver: hears the events of all Celery workers, in a thread of its own, through broker restarts.

On Redis events are PUB/SUB: what is said while nobody listens is gone. That costs nothing but time, since
the ledger is swept for what was not heard. Times in events are those of other machines and are not used.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from typing import Any

import redis
from kombu import Connection, Consumer, Exchange, Queue
from kombu.exceptions import OperationalError

from hms_oms.broker import transport
from hms_oms.runtime import sentinel
from hms_ops.events.event_buffer import BufferedEvents, EventBuffer

log = logging.getLogger(__name__)

#: How long to wait before trying again after the broker went away, in seconds: from, to.
BACKOFF_SECONDS = (0.2, 5.0)
#: After so many seconds without a word the connection is made again: a worker beats every two seconds, and
#: a connection whose other end has vanished says nothing either.
SILENCE_SECONDS = 60.0
#: How often the thread looks whether it is to end, in seconds.
LOOK_SECONDS = 0.5
#: How long the end of the thread is waited for, in seconds: it looks more often, unless the broker is frozen.
LAST_SECONDS = 3.0
#: How long the queue of a receiver that was killed is remembered in the broker, in seconds.
EXPIRE_SECONDS = 60.0
#: Errors that mean the broker or the way to it is gone.
GONE = (OperationalError, redis.RedisError, OSError)

_TRANSPORT_OPTIONS = {
    "ack_emulation": False,
    "socket_connect_timeout": 5,
    "socket_timeout": 30,
    "health_check_interval": 25,
}


class _Over(Exception):
    """The receiver is to end, or to connect again."""


class Receiver:
    """Listens to the events of the workers of one broker."""

    def __init__(self, broker_url: str) -> None:
        # It drops what is no message of ours without losing the connection.
        transport.install()
        self._url = broker_url
        self._buffer = EventBuffer()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to listen; returns at once, whether the broker answers or not."""
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, and return when the thread has ended; one whose broker is frozen is left behind."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(LAST_SECONDS)

    def drain(self) -> BufferedEvents:
        """Take the events since the last call; a message that the transport dropped counts as malformed."""
        return self._buffer.drain()

    def _run(self) -> None:
        pause = BACKOFF_SECONDS[0]
        while not self._over.is_set():
            began = time.monotonic()
            try:
                self._listen()
            except _Over:
                continue
            except Exception as error:  # noqa: BLE001 -- kombu lets out what a strange message makes it raise
                if not isinstance(error, GONE):
                    self._buffer.count_malformed()
                if time.monotonic() - began > BACKOFF_SECONDS[1]:
                    pause = BACKOFF_SECONDS[0]
                # No word of the error itself: it may hold the broker's address.
                log.warning("no events: %s; next try in %.1f s", type(error).__name__, pause)
                self._over.wait(pause)
                pause = min(pause * 2, BACKOFF_SECONDS[1])

    def _listen(self) -> None:
        """Listen until the connection breaks, or falls silent. Raises what kombu raises, or _Over."""
        options = {**_TRANSPORT_OPTIONS, **sentinel.options(self._url)}
        with Connection(sentinel.for_kombu(self._url), transport_options=options) as connection:
            queue = Queue(
                f"hms.ops.{uuid.uuid4()}",
                # On Redis the exchange of events is a fanout, with the routing key as part of the channel.
                exchange=Exchange("celeryev", type="fanout"),
                routing_key="#",
                auto_delete=True,
                durable=False,
                message_ttl=EXPIRE_SECONDS,
                expires=EXPIRE_SECONDS,
            )
            channel = connection.channel()
            with Consumer(channel, [queue], on_message=self._hear, no_ack=True, accept=["json"]):
                log.info("listening to events")
                self._last_message_at = time.monotonic()
                dropped = 0
                while True:
                    try:
                        connection.drain_events(timeout=LOOK_SECONDS)
                    except TimeoutError:
                        self._go_on()
                    self._buffer.count_malformed(channel.dropped - dropped)
                    dropped = channel.dropped

    def _hear(self, message: Any) -> None:
        self._last_message_at = time.monotonic()
        if message.content_type == "application/json":
            self._buffer.hear(message.body)
        else:
            self._buffer.count_malformed()
        self._go_on()

    def _go_on(self) -> None:
        if self._over.is_set() or time.monotonic() - self._last_message_at > SILENCE_SECONDS:
            raise _Over
