"""Task events leave a worker in bundles, a few times a second, rather than at each turn of its loop.

Celery's own buffer is flushed whenever the loop comes round, which under load is a PUBLISH for every two
or three events, each awaited. OPS and Flower look at events once in a while: a tenth of a second is soon.
Of a step that was received, begun and done within a bundle one event tells all three.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from celery import bootsteps
from celery.utils.time import utcoffset

from hms_oms.broker import transport

log = logging.getLogger(__name__)

#: How long events wait for others, in seconds.
SEND_SECONDS = 0.1
#: The most events that are put together at once.
MOST = 500
#: The last bundle is waited for so long, in seconds.
END_SECONDS = 1.0


class EventBatching(bootsteps.StartStopStep):
    """The consumer's boot step that slows the event dispatcher down."""

    requires = ("celery.worker.consumer.events:Events",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._sending: _Sending | None = None

    def start(self, consumer: Any) -> None:
        """Bundle what the present dispatcher sends; there is a new one after each reconnection."""
        dispatcher = consumer.event_dispatcher
        if consumer.hub is None or dispatcher is None:
            return
        dispatcher.serializer = transport.EVENTS
        self._sending = _Sending(dispatcher)
        self._sending.start()

    def stop(self, consumer: Any) -> None:  # noqa: ARG002 -- Celery's signature
        """Send what is left."""
        if self._sending is not None:
            self._sending.end()
            self._sending = None


class _Sending(threading.Thread):
    """Sends bundles while there are events, and sleeps while there are none.

    The dispatcher itself completes each event at once; here they are completed as they are sent.
    """

    def __init__(self, dispatcher: Any) -> None:
        super().__init__(name="events", daemon=True)
        self._dispatcher = dispatcher
        self._called, self._over = threading.Event(), threading.Event()
        self._noted: list[dict[str, Any]] = []
        self._originals = dispatcher.send, dispatcher.flush
        dispatcher.send, dispatcher.flush = self._note, self._flush
        dispatcher.on_send_buffered = None

    def run(self) -> None:
        """Send a bundle a moment after its first event."""
        while not self._over.is_set():
            self._called.wait()
            self._over.wait(SEND_SECONDS)
            self._called.clear()
            try:
                if self._noted and self._dispatcher.enabled:
                    self._flush()
            except Exception:
                log.exception("events could not be sent")

    def end(self) -> None:
        """Send what is left, and no more bundles."""
        dispatcher = self._dispatcher
        dispatcher.send, dispatcher.flush = self._originals
        self._over.set()
        self._called.set()
        self.join(END_SECONDS)
        if dispatcher.enabled:
            # Also if nothing is noted: it waits until a bundle that is being sent is out.
            self._flush()

    def _note(self, type: str, **fields: Any) -> None:
        dispatcher, group = self._dispatcher, type.partition("-")[0]
        if group not in dispatcher.buffer_group:
            self._originals[0](type, **fields)
        elif dispatcher.enabled and (not dispatcher.groups or group in dispatcher.groups):
            fields["type"], fields["timestamp"] = type, time.time()
            self._noted.append(fields)
            if not self._called.is_set():
                self._called.set()

    def _flush(self, **options: Any) -> None:
        """Complete what is noted, and have the dispatcher publish it with what it has kept itself."""
        dispatcher, is_whole = self._dispatcher, False
        while not is_whole:
            with dispatcher.mutex:
                # Other threads append meanwhile: what they add stays behind.
                noted = self._noted[:MOST]
                del self._noted[: len(noted)]
                is_whole = len(noted) < MOST
                common = {"hostname": dispatcher.hostname, "utcoffset": utcoffset(), "pid": dispatcher.pid}
                dispatcher._group_buffer["task"] += [
                    {**event, **common, "clock": dispatcher.clock.forward()} for event in merged(noted)
                ]
            self._originals[1](**options)


def merged(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The events in order, with one that has all times in place of the three of a step that is done.

    `merged` in it names the types of the other two. Where one of the three was sent before, or is still to
    come, each stays by itself.
    """
    steps: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        steps.setdefault(event.get("uuid", ""), []).append(event)
    left: list[Mapping[str, Any]] = []
    for event in events:
        of_step = steps[event.get("uuid", "")]
        if tuple(part["type"] for part in of_step) != _WHOLE:
            left.append(event)
        elif event is of_step[-1]:
            left.append(_whole(*of_step))
    return left


_WHOLE = ("task-received", "task-started", "task-succeeded")


def _whole(
    received: Mapping[str, Any], started: Mapping[str, Any], succeeded: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        **received,
        **succeeded,
        # Celery's own state of a task has these names for the times of the other two.
        "received": received["timestamp"],
        "started": started["timestamp"],
        "merged": _WHOLE[:-1],
    }
