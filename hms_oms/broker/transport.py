"""kombu's Redis transport, with one client for a channel's plain commands.

kombu 5.7 builds a new `redis.Redis` around the connection pool for each LPUSH and PUBLISH, and building
one costs more than the command. The client holds no connection of its own and may be shared by threads.
"""

from __future__ import annotations

import logging
import time
from queue import Empty
from typing import Any

import orjson
from kombu import serialization, transport
from kombu.transport import redis
from kombu.utils import json as kombu_json
from redis.exceptions import NoPermissionError, ResponseError

from hms_oms.broker import envelope, waiting_tickets

log = logging.getLogger(__name__)


#: How Celery names the queues of replies to remote control, as Flower reads them.
_REPLIES = ".reply.celery.pidbox"
#: The serializer of events, of which there are most: it writes JSON as any other.
EVENTS = "hms-events"
#: No more messages are taken at once.
MOST_AT_ONCE = 16
#: How many messages this process has dropped because they were not of ours.
dropped = 0


class Channel(redis.Channel):  # type: ignore[misc]
    """A channel that keeps its client for plain commands, and takes nothing from Redis on trust."""

    # What was taken and not begun is handed back through the ledger. A message that ends its workers would be
    # put back here each time.
    do_restore = False
    #: How many messages this channel has dropped.
    dropped = 0
    # JSON is text already. The encoding is named in each message: workers of the release before read both.
    body_encoding = "utf-8"

    _plain_client: Any = None
    _pops_many = True

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._plain_client is None:
            self._plain_client = super()._create_client()
        return self._plain_client

    def encode_body(self, body: Any, encoding: str | None = None) -> Any:
        """The body as text: kombu has bytes of one that was written before it was published."""
        return super().encode_body(body.decode() if isinstance(body, bytes) else body, encoding)

    def _disconnect_pools(self) -> None:
        self._plain_client = None
        super()._disconnect_pools()

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Ask for as many messages as this worker may have, at once where Redis can do so (from 7 on)."""
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues or not self._pops_many:
            super()._brpop_start(timeout)
            return
        keys = [self._q_for_pri(queue, priority) for priority in self.priority_steps for queue in queues]
        room = self.qos.can_consume_max_estimate()
        most = max(1, min(MOST_AT_ONCE, MOST_AT_ONCE if room is None else room))
        self._in_poll = self.client.connection
        self._brpop_sent_at = time.monotonic()
        self.client.connection.send_command(
            "BLMPOP", timeout or self.brpop_timeout or 0, len(keys), *keys, "RIGHT", "COUNT", most
        )

    def _brpop_read(self, **options: Any) -> bool:
        """Take messages off a queue's list; kombu's own method, with its unchecked decoding replaced."""
        try:
            key, items = self._answer(**options)
            queue = key.decode().rsplit(self.sep, 1)[0]
            self._queue_cycle.rotate(queue)
            # All of them are off the list: what one of them raises may not cost the others.
            errors = [error for item in items if (error := self._tried(queue, item)) is not None]
            if errors:
                raise errors[0]
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def _tried(self, queue: str, item: bytes) -> Exception | None:
        try:
            self._receive_item(queue, item)
        except Exception as error:  # noqa: BLE001 -- raised once all have been delivered
            return error
        return None

    def _receive_item(self, queue: str, item: bytes) -> None:
        try:
            # Replies to remote control carry no step.
            is_reply = queue.endswith(_REPLIES)
            message = envelope.announcement(item) if is_reply else envelope.read(item)
        except envelope.Malformed as error:
            self._drop(f"queue {queue}", str(error))
        else:
            self.connection._deliver(message, queue)

    def _answer(self, **options: Any) -> tuple[bytes, list[bytes]]:
        """The list that messages were taken from, and those. Raises Empty."""
        try:
            answer = self.client.parse_response(self.client.connection, "BLMPOP", **options)
        except ResponseError as error:
            if waiting_tickets.is_wrong_type(error):
                waiting_tickets.clear(
                    self.client, [key for queue in self.active_queues for key in waiting_tickets.keys(queue)]
                )
            elif self._pops_many and _is_unknown(error):
                log.info("Redis does not hand out many messages at once: they are taken one by one")
                self._pops_many = False
            else:
                raise
            raise Empty from None
        except self.connection_errors:
            # The next round connects again.
            self.client.connection.disconnect()
            raise
        if not answer:
            raise Empty
        key, items = answer
        # One by one it is the message itself.
        return key, items if isinstance(items, list) else [items]

    def _receive_one(self, client: Any) -> Any:
        """Take one message off the channels for control and events; kombu's own method, but checked."""
        try:
            answer = client.parse_response()
        except self.connection_errors:
            self._in_listen = None
            raise
        if not isinstance(answer, list | tuple):
            return None
        payload = self._handle_message(client, answer)
        if payload["type"] not in (b"message", b"pmessage"):
            return None
        exchange = payload["channel"].decode().partition(".")[2].split("/", 1)[0]
        try:
            message = envelope.announcement(payload["data"])
        except envelope.Malformed as error:
            self._drop(f"channel {exchange}", str(error))
            return None
        return self._deliver_fanout_message(message, exchange)

    def _drop(self, where: str, why: str) -> None:
        self.dropped += 1
        drop(where, why)

    def _size(self, queue: str) -> int:
        try:
            size: int = super()._size(queue)
        except ResponseError as error:
            if not waiting_tickets.is_wrong_type(error):
                raise
            waiting_tickets.clear(self.client, waiting_tickets.keys(queue))
            size = super()._size(queue)
        return size

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        try:
            super()._queue_bind(exchange, routing_key, pattern, queue)
        except ResponseError as error:
            if not waiting_tickets.is_wrong_type(error):
                raise
            names = (self.keyprefix_queue % (exchange,), self.keyprefix_binding_permanent % (exchange,))
            waiting_tickets.clear(self.client, names, b"set")
            super()._queue_bind(exchange, routing_key, pattern, queue)


def _is_unknown(error: ResponseError) -> bool:
    """Whether Redis does not know a command, or does not let this user give it."""
    return isinstance(error, NoPermissionError) or "unknown command" in str(error).lower()


def drop(where: str, why: str) -> None:
    """Count and tell a message that is not ours; the text quotes nothing of it."""
    global dropped
    dropped += 1
    if dropped < _TOLD_SINGLY or dropped % _TOLD_SINGLY == 0:
        log.warning("a message in %s was dropped: %s (%d so far)", where, why, dropped)


#: So many are told one by one, and then each time as many more have come.
_TOLD_SINGLY = 100


class _Poller(redis.MultiChannelPoller):  # type: ignore[misc]
    """kombu's poller, which reads what Redis has handed out even if the worker may take nothing more by now.

    kombu pauses: it leaves the answer unread until there is room. Until then nobody would know who has its
    messages, and recovery would take them for gone.
    """

    def _pause_brpop(self, channel: Channel, _: int) -> None:
        channel.handlers["BRPOP"]()

    def _update_brpop_polling(self) -> None:
        return


class Transport(redis.Transport):  # type: ignore[misc]
    """The Redis transport with these channels."""

    Channel = Channel

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.cycle = _Poller()


class SentinelChannel(Channel, redis.SentinelChannel):  # type: ignore[misc]
    """Such a channel that asks the sentinels for the master."""


class SentinelTransport(Transport, redis.SentinelTransport):  # type: ignore[misc]
    """The Redis transport by way of Sentinel, with these channels."""

    Channel = SentinelChannel


def _as_json(message: Any) -> Any:
    """A message as it stands in Redis, or its body; in kombu's own way what JSON has no word for."""
    try:
        return orjson.dumps(message, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:
        return kombu_json.dumps(message)


def install() -> None:
    """Have every URL of Redis in this process served by this transport.

    A setting would not do: kombu takes the transport from the URL where it is `redis+socket://`.
    """
    redis.dumps = _as_json
    serialization.registry.register(EVENTS, _as_json, None, "application/json")
    # Who is to accept JSON names it so.
    serialization.registry.type_to_name["application/json"] = "json"
    ours = {"redis": "Transport", "rediss": "Transport", "sentinel": "SentinelTransport"}
    for scheme, name in ours.items():
        transport.TRANSPORT_ALIASES[scheme] = f"{__name__}:{name}"
        # Who has connected before this has had kombu's own, which it remembers.
        transport._transport_cache.pop(scheme, None)
