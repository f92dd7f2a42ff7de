"""kombu's Redis transport, with one client for a channel's plain commands.

kombu 5.7 builds a new `redis.Redis` around the connection pool for each LPUSH and PUBLISH, and building
one costs more than the command. The client holds no connection of its own and may be shared by threads.
"""

from __future__ import annotations

from typing import Any

from kombu import transport
from kombu.transport import redis


class Channel(redis.Channel):  # type: ignore[misc]
    """A channel that keeps its client for plain commands."""

    _plain_client: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._plain_client is None:
            self._plain_client = super()._create_client()
        return self._plain_client

    def _disconnect_pools(self) -> None:
        self._plain_client = None
        super()._disconnect_pools()


class Transport(redis.Transport):  # type: ignore[misc]
    """The Redis transport with these channels."""

    Channel = Channel


def install() -> None:
    """Have every `redis://` URL of this process served by this transport.

    A setting would not do: kombu takes the transport from the URL where it is `redis+socket://`.
    """
    for scheme in ("redis", "rediss"):
        transport.TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
