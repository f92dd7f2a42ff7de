"""The provider's API: the Messages API over HTTP/1.1 on the loopback, faults and all."""

from __future__ import annotations

import base64
import hmac
import json
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.provider import ACCOUNT, TOKEN
from tests.provider.exchange import Exchange
from tests.provider.faults import Fault
from tests.provider.script import Gone, Script
from tests.provider.validation import FILTERS, Refusal
from tests.provider.webhooks import Webhooks

_ROUTE = re.compile(r"/2010-04-01/Accounts/(?P<account>[^/]+)/Messages(?:/(?P<sid>[^/]+))?\.json")
_NO_LINGER = struct.pack("ii", 1, 0)
#: How soon a closed API is noticed, in seconds.
_GLANCE = 0.02


class Api:
    """Serves an exchange, obeying the script, for as long as it is open."""

    def __init__(self, exchange: Exchange, script: Script, webhooks: Webhooks) -> None:
        self.exchange, self.script, self.webhooks = exchange, script, webhooks
        self.port = 0
        self._listener: Listener | None = None

    def open(self) -> None:
        """Listen, on the same port as before."""
        if self._listener is None:
            self._listener = Listener(self)
            self.port = self._listener.server_address[1]
            threading.Thread(target=self._listener.serve_forever, args=(_GLANCE,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections, and end those that there are."""
        if self._listener is not None:
            self._listener.shutdown()
            self._listener.server_close()
            self._listener.hang_up()
            self._listener = None


class Listener(ThreadingHTTPServer):
    """The socket, with the connections that came in through it."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, api: Api) -> None:
        self.api = api
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", api.port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End every connection."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Anyone who leaves before the answer is none of our business; anything else is told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Head and body of an answer leave together.
    wbufsize = -1
    server: Listener

    def do_POST(self) -> None:
        """Send a text."""
        length = int(self.headers.get("Content-Length") or 0)
        form = dict(parse_qsl(self.rfile.read(length).decode(), keep_blank_values=True))
        self._serve(form, self._send)

    def do_GET(self) -> None:
        """Look at one message, or at the list of them."""
        self._serve(dict(parse_qsl(urlsplit(self.path).query)), self._look)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: requests are on record."""

    def _serve(self, form: dict[str, str], act: Callable[[dict[str, str], str | None], None]) -> None:
        self._line = self.server.api.script.note(self.command, urlsplit(self.path).path, form)
        try:
            if not self._is_known():
                self._refuse(Refusal(401, 20003))
                return
            match = _ROUTE.fullmatch(urlsplit(self.path).path)
            if match is None or match["account"] != ACCOUNT or (self.command == "POST" and match["sid"]):
                self._refuse(Refusal(404, 20404))
                return
            act(form, match["sid"])
        except Gone:
            self.close_connection = True

    def _send(self, form: dict[str, str], _: str | None) -> None:
        api = self.server.api
        fault = api.script.strike("send", form)
        if fault.hold and not fault.accepted:
            api.script.hold()
        if not fault.accepted and fault.answer != "ordinary":
            self._answer(fault)
            return
        taken = api.exchange.take(form, fault)
        if isinstance(taken, Refusal):
            self._refuse(taken)
            return
        message, document = taken
        api.webhooks.report(message, fault, early=True)
        if fault.hold and fault.accepted:
            # The text goes its way meanwhile.
            api.webhooks.report(message, fault, early=False)
            api.script.hold()
            self._answer(fault, 201, document)
            return
        try:
            self._answer(fault, 201, document)
        finally:
            api.webhooks.report(message, fault, early=False)

    def _look(self, form: dict[str, str], sid: str | None) -> None:
        api = self.server.api
        fault = api.script.strike("list" if sid is None else "fetch", form)
        if fault.hold:
            api.script.hold()
        document: Mapping[str, Any] | None
        if fault.answer != "ordinary":
            self._answer(fault)
            return
        if sid is not None:
            document = api.exchange.fetch(sid)
        elif set(form) <= FILTERS:
            document = api.exchange.list(form)
        else:
            self._refuse(Refusal(400, 20001, min(set(form) - FILTERS)))
            return
        if document is None:
            self._refuse(Refusal(404, 20404))
            return
        self._answer(fault, 200, document)

    def _answer(self, fault: Fault, status: int = 200, document: Mapping[str, Any] | None = None) -> None:
        if fault.answer in ("dropped", "reset"):
            if fault.answer == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            raise Gone
        if fault.answer == "raw":
            refusal = Refusal(fault.status, fault.code or 0)
            body = json.dumps(refusal.document()) if fault.body is None else fault.body
            self._say(fault.status, body, fault.headers, fault.drip_seconds)
        else:
            self._say(status, json.dumps(document), fault.headers, fault.drip_seconds)

    def _refuse(self, refusal: Refusal) -> None:
        self._say(refusal.status, json.dumps(refusal.document()), {}, 0.0)

    def _say(self, status: int, body: str, headers: Mapping[str, str], drip_seconds: float) -> None:
        data = body.encode()
        self._line["status"] = status
        self.send_response(status)
        given = {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        for byte in data if drip_seconds else ():
            self.wfile.write(bytes((byte,)))
            self.wfile.flush()
            time.sleep(drip_seconds)
        if not drip_seconds:
            self.wfile.write(data)

    def _is_known(self) -> bool:
        expected = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        return hmac.compare_digest(self.headers.get("Authorization") or "", expected)
