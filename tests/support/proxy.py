"""A network between a process and PostgreSQL that can fall silent: it neither passes bytes on nor refuses."""

from __future__ import annotations

import socket
import threading
from urllib.parse import parse_qs, urlsplit


class Proxy:
    """Passes bytes between TCP and the server's socket until it is cut."""

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        self._socket = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._open = threading.Event()
        self._open.set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        port = self._listening.getsockname()[1]
        self.url = f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"
        self._lines: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Pass nothing on any more."""
        self._open.clear()

    def mend(self) -> None:
        """Pass on again, what was held back first."""
        self._open.set()

    def close(self) -> None:
        """End all lines."""
        for line in (self._listening, *self._lines):
            line.close()
        self._open.set()

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listening.accept()
                self._open.wait()
                there = socket.socket(socket.AF_UNIX)
                there.connect(self._socket)
            except OSError:
                return
            self._lines += (here, there)
            for source, target in ((here, there), (there, here)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while piece := source.recv(1 << 16):
                self._open.wait()
                target.sendall(piece)
        except OSError:
            pass
        finally:
            source.close()
            target.close()
