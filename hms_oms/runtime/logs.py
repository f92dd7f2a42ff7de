"""The logs of every process: text on a terminal, JSON elsewhere, and nothing in them that callers can spoil.

Modules log by the standard library; a worker's filter adds the step that runs, and structlog what that binds.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import sys
import threading
import time
from collections.abc import MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from hms_oms.runtime.settings import Settings

#: The longest line, and the longest traceback, in characters.
LONGEST_LINE, LONGEST_TRACEBACK = 2000, 16_000
#: So many lines of one kind are written in so many seconds; the others are counted.
MOST_ALIKE, WINDOW_SECONDS = 20, 10.0
#: So many kinds are told apart.
MOST_KINDS = 500
#: What each line says first, and then those of a step.
HEAD = ("timestamp", "level", "program", "logger", "event")
STEP = ("job", "step", "attempt", "queue", "worker")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL_BUT_LINES = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
#: The password of a URL, and a badge.
_SECRET = re.compile(r"(?<=://)([^\s/:@]{0,64}):[^\s@]{1,256}@|\beyJ[\w-]+\.[\w-]+\.[\w-]+")

_Line = MutableMapping[str, Any]


def configure(settings: Settings, program: str, *filters: logging.Filter) -> None:
    """Send this process's log to standard error, whichever library writes it.

    A filter may set `bound` of a record: more fields of its line.
    """
    handler = logging.StreamHandler()
    text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    handler.setFormatter(_WhenNeeded(program, text=text))
    for log_filter in filters:
        handler.addFilter(log_filter)
    if program == "floor":
        # Anyone who reaches its port could otherwise fill the disk.
        handler.addFilter(FewAlike())
    # Flower's library has set up a log of its own by now.
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    # It tells every address that it asks, and those hold what people look for, or a secret.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    sys.excepthook = _last_words
    threading.excepthook = _last_words_of_a_thread


class _WhenNeeded(logging.Formatter):
    """The formatter of `program`, made for its first line: it takes a while to import structlog."""

    def __init__(self, program: str, *, text: bool) -> None:
        super().__init__()
        self._make = functools.cache(functools.partial(formatter, program, text=text))

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return self._make().format(record)


def formatter(program: str, *, text: bool) -> logging.Formatter:
    """Return the formatter of every line of `program`."""
    import structlog

    def describe(_: Any, __: str, line: _Line) -> _Line:
        return _described(program, line)

    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.contextvars.merge_contextvars,
            describe,
            structlog.processors.format_exc_info,
            _clean,
            _as_text if text else structlog.processors.JSONRenderer(),
        ]
    )


def as_text(line: str) -> str:
    """Return a line of a log as people read it; what is not JSON of ours stays as it is."""
    try:
        written = json.loads(line)
        return _as_text(None, "", written)
    except (ValueError, TypeError, KeyError, AttributeError):
        return line


def _described(program: str, line: _Line) -> _Line:
    """The line with when, what and who; the standard library's record is taken out of it."""
    record: logging.LogRecord = line.pop("_record")
    line.pop("_from_structlog")
    line = {**getattr(record, "bound", {}), **line}
    head = {
        "timestamp": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "level": record.levelname.lower(),
        "program": program,
        "logger": record.name,
        "event": line.pop("event", ""),
    }
    # The order in which values were bound is not kept with them.
    return {**head, **{name: line[name] for name in STEP if name in line}, **line}


def _clean(_: Any, __: str, line: _Line) -> _Line:
    """The line with control characters escaped, secrets masked and lengths bounded."""
    return {_short(str(name)): _plain(name, value) for name, value in line.items()}


def _plain(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if name in ("exception", "stack_info"):
        cleaned = _CONTROL_BUT_LINES.sub(_escaped, _SECRET.sub(_masked, str(value)))
        return _cut(cleaned, LONGEST_TRACEBACK)
    return _short(str(value))


def _short(text: str) -> str:
    return _cut(_CONTROL.sub(_escaped, _SECRET.sub(_masked, text)), LONGEST_LINE)


def _as_text(_: Any, __: str, line: _Line) -> str:
    """The line for people: the head without field names, the rest as name=value, the traceback below."""
    rest = {name: value for name, value in line.items() if name not in (*HEAD, "exception", "stack_info")}
    pairs = "".join(f" {name}={value}" for name, value in rest.items())
    below = "".join(f"\n{line[name]}" for name in ("exception", "stack_info") if line.get(name))
    return f"{line['timestamp']} {line['program']} {line['level'].upper()} {line['event']}{pairs}{below}"


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


def _last_words(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:  # pragma: no cover -- the process ends with it
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("hms").critical("the process ends by an error", exc_info=(kind, error, trace))


def _last_words_of_a_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        logging.getLogger("hms").error(
            "a thread ends by an error", exc_info=(args.exc_type, args.exc_value, args.exc_traceback)
        )


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def _masked(match: re.Match[str]) -> str:
    return "***" if match[1] is None else f"{match[1]}:***@"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} ... ({len(text):,} characters)"
