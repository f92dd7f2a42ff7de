"""What stands between a client and its API on a bad day: a server that plays a script, or breaks off."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

Act = Callable[["Line"], None]


class BadLine(socketserver.ThreadingTCPServer):
    """Answers each request with the next act of a script, and keeps what it has heard."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, script: list[Act]) -> None:
        super().__init__(("127.0.0.1", 0), Line)
        self.script = script
        self.received: list[tuple[str, str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Line(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: BadLine

    def do_GET(self) -> None:
        """Play the next act."""
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.received.append((self.command, self.path, dict(self.headers)))
        self.server.script.pop(0)(self)

    do_POST = do_PUT = do_GET  # noqa: N815 -- the names that the library calls

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def playing(*script: Act) -> Iterator[BadLine]:
    """A server that plays a script for as long as the block lasts."""
    with BadLine(list(script)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def says(status: int, document: Any, **headers: str) -> Act:
    """Answer with a document; as a problem from 400 on."""

    def act(line: Line) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        line.send_response(status)
        kind = "application/problem+json" if status >= 400 else "application/json"
        line.send_header("content-type", kind)
        line.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            line.send_header(name.replace("_", "-"), value)
        line.end_headers()
        line.wfile.write(body)

    return act


def breaks_off(line: Line) -> None:
    """Hear the request, and hang up."""
    line.close_connection = True
    line.connection.close()


def streams(*pieces: bytes) -> Act:
    """Send the pieces of a stream, and hang up."""

    def act(line: Line) -> None:
        line.send_response(200)
        line.send_header("content-type", "text/event-stream")
        line.send_header("connection", "close")
        line.end_headers()
        for piece in pieces:
            line.wfile.write(piece)
            line.wfile.flush()
        line.close_connection = True

    return act
