"""One request to a provider, with what can be told for sure about it when it fails.

Each request has a connection of its own: one that was kept open may be reset by the other side just when the
request is written, and then nobody can tell whether it was read.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx

from hms_oms.runtime.errors import HmsError

#: How long connecting may take, how long the other side may be silent, and how long it may all take; seconds.
CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
TOTAL_SECONDS = 20.0

# What they log are addresses with the phone numbers in them, and headers with our credentials.
for _chatty in ("httpx", "httpcore"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)


class NotSent(HmsError):
    """Not a byte of the request was written."""


class AnswerLost(HmsError):
    """The request was written, at least in part, and no whole answer came back."""


@cache
def _authorities(from_environment: bool) -> ssl.SSLContext:
    """Those whose certificates are trusted; they are read once, since that takes a while."""
    return httpx.create_ssl_context(trust_env=from_environment)


class Exchange:
    """Makes requests; may be shared by threads.

    The other side may be silent for `read_seconds`; a request may take `total_seconds` in all. Without
    `proxies` none that the environment names is gone through.
    """

    def __init__(
        self,
        read_seconds: float = READ_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
        *,
        proxies: bool = True,
    ) -> None:
        self._total_seconds = total_seconds
        self._client = httpx.Client(
            timeout=httpx.Timeout(read_seconds, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_keepalive_connections=0),
            follow_redirects=False,
            trust_env=proxies,
            verify=_authorities(proxies),
        )

    def request(
        self, method: str, url: str, *, write_by: float = float("inf"), **arguments: Any
    ) -> httpx.Response:
        """Make one request and return its answer, whatever its status.

        Nothing is written after `write_by` (monotonic seconds). Raises NotSent and AnswerLost.
        """
        with self._following(write_by) as watch:
            return self._client.request(method, url, extensions={"trace": watch}, **arguments)

    def deliver(
        self, url: str, *, server_name: str, write_by: float = float("inf"), **arguments: Any
    ) -> httpx.Response:
        """Post something and return status and headers of the answer; what else it says is not read.

        The certificate of the other side must be that of `server_name`. Raises NotSent and AnswerLost.
        """
        with self._following(write_by) as watch:
            extensions = {"trace": watch, "sni_hostname": server_name}
            with self._client.stream("POST", url, extensions=extensions, **arguments) as answer:
                return answer

    @contextmanager
    def _following(self, write_by: float) -> Iterator[_Watch]:
        watch = _Watch(min(write_by, time.monotonic() + self._total_seconds))
        timer = threading.Timer(self._total_seconds, watch.hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield watch
        except _NEVER_WRITTEN as error:
            raise NotSent(_reason(error)) from None
        except httpx.HTTPError as error:
            raise AnswerLost(_reason(error)) from None
        finally:
            timer.cancel()


def retry_after(value: str | None) -> float | None:
    """The seconds that a Retry-After header asks for, given as a number or as a date."""
    if value is None:
        return None
    if value.isascii() and value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


class _Watch:
    """Follows one request: stops it just before it is written too late, and hangs up when it takes too long.

    The limit for a silence does not end an answer that drips in byte by byte.
    """

    def __init__(self, write_by: float) -> None:
        self._write_by = write_by
        self._socket: socket.socket | None = None

    def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")
        elif event == "http11.send_request_headers.started" and time.monotonic() > self._write_by:
            raise NotSent("the time in which it may be written is over")

    def hang_up(self) -> None:
        if self._socket is not None:
            try:
                # Of TLS, too, the plain one: anyone who waits in it sees the end of the stream.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                return


#: Failures to get a connection: no name, nobody there, no TLS. Everything else may have come too late.
_NEVER_WRITTEN = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


def _reason(error: httpx.HTTPError) -> str:
    # Without the address: it may hold a secret or a phone number.
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
