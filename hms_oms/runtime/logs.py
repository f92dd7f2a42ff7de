"""Logs that callers cannot spoil: no control character of theirs is written, and no flood of lines."""

from __future__ import annotations

import logging
import re
import time

#: The longest line, and the longest traceback, in characters.
LONGEST_LINE, LONGEST_TRACEBACK = 2000, 16_000
#: So many lines of one kind are written in so many seconds; the others are counted.
MOST_ALIKE, WINDOW_SECONDS = 20, 10.0
#: So many kinds are told apart.
MOST_KINDS = 500

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class OneLine(logging.Formatter):
    """Writes a message on one line of bounded length, with its control characters escaped."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- logging's name
        """The line."""
        record.message = _cut(_CONTROL.sub(_escaped, record.message), LONGEST_LINE)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # noqa: N802 -- logging's name
        """The traceback, which may quote what a caller has sent."""
        told = super().formatException(ei)  # type: ignore[arg-type]
        return _cut(_CONTROL_BUT_LINES.sub(_escaped, told), LONGEST_TRACEBACK)


class FewAlike(logging.Filter):
    """Lets so many lines of one kind through in a while; the next one tells how many were left out.

    A kind is a logger with a template, whatever is put into it.
    """

    def __init__(self) -> None:
        super().__init__()
        #: By kind: when its window began (monotonic seconds), and how many lines have come since.
        self._kinds: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is written."""
        now, kind = time.monotonic(), (record.name, str(record.msg)[:200])
        if kind not in self._kinds and len(self._kinds) >= MOST_KINDS:
            self._kinds.clear()
        since, count = self._kinds.get(kind, (now, 0))
        left_out = count - MOST_ALIKE
        if now - since >= WINDOW_SECONDS:
            since, count = now, 0
            if left_out > 0:
                record.msg, record.args = f"{record.getMessage()} (and {left_out:,} like it before)", ()
        self._kinds[kind] = since, count + 1
        return count < MOST_ALIKE


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _cut(told: str, most: int) -> str:
    return told if len(told) <= most else f"{told[:most]} ... ({len(told):,} characters)"
