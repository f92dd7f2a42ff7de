"""The local handset: texts are written to a log that only the owner may read, one JSON line each.

The line carries the text's token. A sender that dies between writing and recording writes the line
again, so the token is looked up first, and each text is in the log once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from hms_oms.outbox import Message


class Handset:
    """The log file at `path`, with the tokens that it holds already."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = set(_tokens(path))

    def deliver(self, messages: Sequence[Message], now: datetime) -> None:
        """Write the texts that are not in the log yet, and have them on disk before returning."""
        fresh = [message for message in messages if message.token not in self._seen]
        if not fresh:
            return
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            for message in fresh:
                file.write(_line(message, now))
            file.flush()
            os.fsync(file.fileno())
        self._seen.update(message.token for message in fresh)


def _line(message: Message, now: datetime) -> str:
    fields = {"at": now.isoformat(), "token": message.token, "to": message.recipient, "text": message.body}
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _tokens(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return []
    if lines and not lines[-1].endswith("\n"):
        # A crash tore the last line: take it away, its text is written anew.
        torn = lines.pop()
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - len(torn.encode()))
    return [json.loads(line)["token"] for line in lines]
