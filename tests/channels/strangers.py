"""Strangers that channels lead to: a server of HTTP and one of mail, each with the truth of what it got."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

#: How long a request is kept waiting at most, in seconds.
LONGEST = 20.0


class Service:
    """A service that takes messages by HTTP; `held` is set while one is kept waiting for its answer."""

    def __init__(self) -> None:
        #: The path and document of each message that it has.
        self.taken: list[tuple[str, Any]] = []
        #: The answers to come: a status, `cut` the connection, or `hold` the answer; then 200.
        self.answers: list[int | str] = []
        self.held, self.release = threading.Event(), threading.Event()
        self.port = 0

    @property
    def texts(self) -> list[str]:
        """The words of each message."""
        return [document.get("message") or document.get("text") or "" for _, document in self.taken]

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        """Take a message and answer as told."""
        answer = self.answers.pop(0) if self.answers else 200
        if answer in (200, "hold", "cut"):
            self.taken.append((request.path, _read(body)))
        if answer == "hold":
            self.held.set()
            self.release.wait(LONGEST)
        if answer == "cut":
            request.connection.close()
            return
        try:
            request.send_response(answer if isinstance(answer, int) else 200)
            request.send_header("Content-Length", "2")
            request.end_headers()
            request.wfile.write(b"ok")
        except OSError:
            return


class Mailbox:
    """A server of mail; `answers` are its words for the letters to come, then 250."""

    def __init__(self) -> None:
        self.letters: list[Envelope] = []
        self.answers: list[str] = []
        self.unknown: set[str] = set()

    async def handle_RCPT(  # noqa: N802 (as the library calls it)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Know some people, and not others."""
        if address in self.unknown:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a letter."""
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            self.letters.append(envelope)
        return answer


@contextmanager
def service() -> Iterator[Service]:
    """A service for as long as the block lasts."""
    stranger = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            stranger.answer(self, self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    stranger.port = running.server_address[1]
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    yield stranger
    stranger.release.set()
    running.shutdown()
    running.server_close()


@contextmanager
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    """A server of mail for as long as the block lasts, and its port."""
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


@contextmanager
def curt_mail_server(last: str) -> Iterator[int]:
    """A server of mail that hangs up once it has this command, or all of the letter (`.`); its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb", buffering=0) as line:
            line.write(b"220 here\r\n")
            in_letter = False
            while words := line.readline().strip().decode():
                word = words.partition(" ")[0].upper() if not in_letter else words
                if word == last:
                    return
                in_letter = in_letter or word == "DATA"
                if not in_letter or word == "DATA":
                    line.write(b"354 go on\r\n" if word == "DATA" else b"250 OK\r\n")

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    thread.join(LONGEST)
    listener.close()


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return {"message": body.decode()}
