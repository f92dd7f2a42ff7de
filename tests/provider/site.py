"""A server for the provider's webhooks, in the test's own process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook as it came in: its full address, its form, its signature and its idempotency token."""

    url: str
    form: Mapping[str, str]
    signature: str
    token: str


class Site:
    """Hands each webhook to `take`, in the order in which they come; its answer is the status of ours."""

    def __init__(self, take: Callable[[Hook], int]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(take))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _handler(take: Callable[[Hook], int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            form = dict(parse_qsl(self.rfile.read(length).decode(), keep_blank_values=True))
            signature, token = self.headers["X-Twilio-Signature"], self.headers["I-Twilio-Idempotency-Token"]
            self.send_response(
                take(Hook(f"http://{self.headers['Host']}{self.path}", form, signature, token))
            )
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    return Handler
