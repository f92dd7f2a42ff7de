"""What can be told for sure about a message that a library sends: was anything of it written, and when?

Apprise says only whether a service has taken a message. The interpreter itself announces what is about to be
written, by its audit events; one that comes too late is stopped there.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

#: What the libraries under Apprise log are addresses with secrets in them; Apprise logs them, too.
_SECRETIVE = ("apprise", "urllib3", "requests", "requests_oauthlib", "oauthlib")
_HTTP_STATUS = re.compile(r"error=(\d{3})\b")
_SMTP_CODE = re.compile(r"\((\d{3}), b['\"]")
_local = threading.local()


class TooLate(OSError):
    """The time in which something may be written is over."""


class Wire:
    """What one thread has written, and what it was answered: an HTTP status, or a code of SMTP."""

    def __init__(self, write_by: float) -> None:
        self.write_by = write_by
        self.written = self.late = False
        self.status: int | None = None
        self.smtp_code: int | None = None
        self._is_letter = False

    def about_to_write(self, event: str, data: Any) -> None:
        """Note what is about to be written. Raises TooLate."""
        if time.monotonic() > self.write_by:
            self.late = True
            raise TooLate("the time in which it may be written is over")
        if event == "http.client.send" or self._is_letter:
            self.written = True
        # Of a conversation by SMTP nothing is a message but what follows DATA.
        self._is_letter = event == "smtplib.send" and bytes(_bytes(data)).lower() == b"data\r\n"

    def hear(self, words: str) -> None:
        """Learn from a line of Apprise's log how the service has answered."""
        status, code = _HTTP_STATUS.search(words), _SMTP_CODE.search(words)
        self.status = int(status[1]) if status else self.status
        self.smtp_code = int(code[1]) if code else self.smtp_code


@contextmanager
def watched(write_by: float) -> Iterator[Wire]:
    """Follow what this thread writes within the block; nothing is after `write_by` (monotonic seconds)."""
    _listen()
    _local.wire = wire = Wire(write_by)
    try:
        yield wire
    finally:
        del _local.wire


@cache
def _listen() -> None:
    """Hear of all that is written, from now on, for good; other threads notice nothing of it."""
    for name in _SECRETIVE:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
    apprise = logging.getLogger("apprise")
    # What a server of mail has answered, it says at this level alone.
    apprise.setLevel(logging.DEBUG)
    apprise.addHandler(_Ear())
    sys.addaudithook(_audit)


class _Ear(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Give a line of the log to the wire of the thread that has written it."""
        wire: Wire | None = getattr(_local, "wire", None)
        if wire is not None:
            wire.hear(record.getMessage())


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("http.client.send", "smtplib.send"):
        wire: Wire | None = getattr(_local, "wire", None)
        if wire is not None:
            wire.about_to_write(event, arguments[1])


def _bytes(data: Any) -> bytes:
    return data.encode() if isinstance(data, str) else data
