"""Task events leave a worker in bundles, a few times a second, rather than at each turn of its loop.

Celery's own buffer is flushed whenever the loop comes round, which under load is a PUBLISH for every two
or three events, each awaited. OPS and Flower look at events once in a while: a tenth of a second is soon.
"""

from __future__ import annotations

from typing import Any

from celery import bootsteps

#: How often events are sent, in seconds.
SEND_SECONDS = 0.1
#: The most events that wait for that.
MOST = 500


class EventBatching(bootsteps.StartStopStep):
    """The consumer's boot step that slows the event dispatcher down."""

    requires = ("celery.worker.consumer.events:Events",)

    def start(self, consumer: Any) -> None:
        """Bundle what the present dispatcher sends; there is a new one after each reconnection."""
        dispatcher = consumer.event_dispatcher
        if consumer.hub is None or dispatcher is None:
            return
        dispatcher.buffer_limit = MOST
        dispatcher.on_send_buffered = None
        consumer.hub.call_repeatedly(SEND_SECONDS, _flush, dispatcher)

    def stop(self, consumer: Any) -> None:
        """Send what is left."""
        if consumer.event_dispatcher is not None:
            _flush(consumer.event_dispatcher)


def _flush(dispatcher: Any) -> None:
    if dispatcher.enabled and any(dispatcher._group_buffer.values()):
        dispatcher.flush()
