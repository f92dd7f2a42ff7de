"""The local handset: texts are written to a log that only the owner may read, one JSON line each.

The line carries the text's token. A sender that dies between writing and recording hands the text over
again, so the token is looked up first, and each text is in the log once.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from hms_oms.messages.records import Dispatch
from hms_ops.paging.senders import Outcome, Result, Sighting

log = logging.getLogger(__name__)


class Log:
    """The log file at `path`, with the tokens that it holds already."""

    name = "log"
    local = True
    repeatable = True
    at_once = 200
    per_second = None

    def __init__(self, path: Path) -> None:
        self.path = path
        #: How many lines are not ours: somebody else wrote there, or a disk has damaged them.
        self.foreign = 0
        self._seen: set[str] = set()
        self._read = 0

    @property
    def remark(self) -> str | None:
        """Warning about the log file; None if there is none."""
        if not self.foreign:
            return None
        lines = "1 line is" if self.foreign == 1 else f"{self.foreign:,} lines are"
        return f"{self.path}: {lines} not of its own and passed over"

    def send(self, texts: Sequence[Dispatch]) -> list[Outcome]:
        """Write the texts that are not in the log yet, and have them on disk before returning."""
        try:
            self._catch_up()
            fresh = [text for text in texts if text.token not in self._seen]
            if any(time.monotonic() > text.write_by for text in fresh):
                return [Outcome(Result.UNKNOWN, fault="the lease ran out") for _ in texts]
            if fresh:
                self._write(fresh)
        except OSError as error:
            log.error("%s: %s; the texts wait", self.path, error.strerror)
            # Some of the lines may be there all the same.
            fault = f"{self.path}: {error.strerror}"
            return [Outcome(Result.UNKNOWN, fault=fault, ours=True) for _ in texts]
        return [Outcome(Result.TAKEN, status="delivered") for _ in texts]

    def look_up(self, text: Dispatch) -> list[Sighting]:
        """Whether the text is in the log; its token stands for a sid."""
        self._catch_up()
        return [Sighting(text.token, "delivered")] if text.token in self._seen else []

    def _write(self, texts: Sequence[Dispatch]) -> None:
        # For people to read; when a text went is what the ledger says.
        now = datetime.now(UTC)
        lines = "".join(_line(text, now) for text in texts).encode()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab", buffering=0) as file:
            file.write(lines)
            os.fsync(file.fileno())
        self._catch_up()

    def _catch_up(self) -> None:
        """Read what is new in the log: anyone who led before has written there, too."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            size = 0
        if size < self._read:
            self._read = self.foreign = 0
        if size == self._read:
            return
        with self.path.open("r+b") as file:
            file.seek(self._read)
            new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            if len(whole) < len(new):
                # A crash tore the last line: take it away, its text is written again.
                file.truncate(self._read + len(whole))
        tokens = [_token(line) for line in whole.splitlines() if line.strip()]
        self._seen.update(token for token in tokens if token is not None)
        self._read += len(whole)
        foreign = tokens.count(None)
        if foreign:
            self.foreign += foreign
            log.warning("%s: passed over %d of its lines, which are no texts of ours", self.path, foreign)


def _token(line: bytes) -> str | None:
    """The token of a text; None for a line that is none."""
    try:
        token = json.loads(line)["token"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return token if isinstance(token, str) else None


def _line(text: Dispatch, now: datetime) -> str:
    fields = {"at": now.isoformat(), "token": text.token, "to": text.recipient, "text": text.body}
    return json.dumps(fields, ensure_ascii=False) + "\n"
