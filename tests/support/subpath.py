"""A proxy in front of the floor, as nginx or Caddy is: one path of its host is the floor, no other."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: The path of the floor.
ROOT = "/gov/hms"
_ELSEWHERE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nelsewhere"


class Front:
    """Hands on what is below the path, with it or without; `strays` is what was asked for elsewhere."""

    def __init__(self, floor_url: str, *, strips: bool) -> None:
        host, _, port = floor_url.removeprefix("http://").partition(":")
        self._floor, self._strips = (host, int(port)), strips
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.url = self.origin + ROOT
        self.strays: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take nobody any more."""
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = line.recv(65536)
            if not piece:
                line.close()
                return
            head += piece
        method, address, rest = head.split(b" ", 2)
        if not address.startswith(f"{ROOT}/".encode()):
            self.strays.append(address.decode())
            line.sendall(_ELSEWHERE)
            line.close()
            return
        if self._strips:
            # As Traefik does it: NiceGUI would take the word of anybody for where it stands.
            address = address.removeprefix(ROOT.encode())
            rest = rest.replace(b"\r\n", f"\r\nX-Forwarded-Prefix: {ROOT}\r\n".encode(), 1)
        if not re.search(rb"(?i)\r\nupgrade: websocket", rest):
            # One request a connection, so that each is looked at.
            rest = re.sub(rb"(?i)\r\nconnection: [^\r]*", b"", rest)
            rest = rest.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        with socket.create_connection(self._floor) as floor, line:
            floor.sendall(b" ".join((method, address, rest)))
            back = threading.Thread(target=_pass, args=(floor, line), daemon=True)
            back.start()
            _pass(line, floor)
            back.join()


def _pass(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def front(floor_url: str, *, strips: bool) -> Iterator[Front]:
    """A proxy for as long as the block lasts."""
    result = Front(floor_url, strips=strips)
    try:
        yield result
    finally:
        result.close()
