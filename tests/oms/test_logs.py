"""Logs are text on a terminal, JSON elsewhere, name the step, and are not spoiled by what callers send."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from hms_oms.runtime import logs
from workers.telemetry import log_context

SAY = """
import logging
from hms_oms.runtime import logs
from hms_oms.runtime import settings
logs.configure(settings.load(), "act")
logging.getLogger("hms_act.dispatcher").warning("the database is away")
"""
Written = tuple[logging.Logger, io.StringIO]


@pytest.fixture
def write() -> Iterator[Callable[..., Written]]:
    """Make a logger as a floor has it, with what it writes."""
    log = logging.getLogger("hms.test_logs")
    log.propagate = False

    def make(*, text: bool) -> Written:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logs.formatter("floor", text=text))
        handler.addFilter(logs.FewAlike())
        handler.addFilter(log_context.NamesStep())
        log.addHandler(handler)
        return log, stream

    yield make
    structlog.contextvars.clear_contextvars()
    for handler in list(log.handlers):
        log.removeHandler(handler)


@pytest.fixture
def written(write: Callable[..., Written]) -> Written:
    """A logger that writes text."""
    return write(text=True)


def test_a_line_is_an_object_that_names_its_step(write: Callable[..., Written]) -> None:
    """What is bound stands in each line, from any logger; what a line says of itself is not covered by it."""
    log, stream = write(text=False)
    request = SimpleNamespace(
        id="job-219.2.inspect", hostname="w1@host", delivery_info={"routing_key": "field"}
    )
    app = SimpleNamespace(parent_pid=7, worker_token="ab")
    log_context._bind(SimpleNamespace(app=app, request=request))
    log.warning("the form of %s is odd", "a farm")
    log_context._unbind()
    log.error("Task raised", extra={"data": {"id": "job-7.1.pay", "args": "('secret',)"}})
    log.error("Task raised", extra={"data": {"id": "no ticket"}})
    bound, of_celery, foreign = (json.loads(line) for line in stream.getvalue().splitlines())
    assert bound.pop("timestamp").endswith("Z")
    assert bound == {
        "level": "warning",
        "program": "floor",
        "logger": "hms.test_logs",
        "event": "the form of a farm is odd",
        "job": "job-219",
        "step": "inspect",
        "attempt": 2,
        "queue": "field",
        "worker": "w1@host/7/ab",
    }
    assert (of_celery["job"], of_celery["step"], of_celery["attempt"]) == ("job-7", "pay", 1)
    assert "secret" not in str(of_celery)
    assert "job" not in foreign


def test_text_shows_the_same_to_people(write: Callable[..., Written]) -> None:
    """A line for people has what the object has, and an object can be shown as such a line later."""
    log, stream = write(text=True)
    _, objects = write(text=False)
    structlog.contextvars.bind_contextvars(job="job-219", step="inspect")
    log.warning("odd")
    text = stream.getvalue().strip()
    assert text.endswith("Z floor WARNING odd job=job-219 step=inspect")
    assert logs.as_text(objects.getvalue().strip()) == text
    for line in ("Traceback (most recent call last):", "[1, 2]", '"x"', "{}", "7"):
        assert logs.as_text(line) == line


@pytest.mark.parametrize("text", [True, False])
def test_control_characters_are_escaped_and_lines_are_bounded(
    write: Callable[..., Written], text: bool
) -> None:
    """Escapes of terminals, new lines, lone surrogates and what turns the direction of writing, in messages,
    values and tracebacks."""
    log, stream = write(text=text)
    structlog.contextvars.bind_contextvars(queue="q\x1b[2J\ud800")
    log.warning("path %s", "/a\x1b[2J\r\nERROR forged\0\u202e\x85\udcff" + "x" * 100_000)
    try:
        raise ValueError("b\x1b[2J\x07")
    except ValueError:
        log.exception("failed")
    said = stream.getvalue().replace("\\\\", "\\")
    assert "path /a\\x1b[2J\\r\\nERROR forged\\x00\\u202e\\x85\\udcffxxx" in said
    assert "q\\x1b[2J\\ud800" in said
    assert "b\\x1b[2J\\x07" in said
    assert all(character.isprintable() or character == "\n" for character in said)
    assert len(said) < 4500


def test_secrets_are_masked(write: Callable[..., Written]) -> None:
    """The password of a URL and a badge, in messages, values and tracebacks."""
    log, stream = write(text=False)
    badge = "eyJhbGciOiJI.eyJzdWIiOiJh.c2lnbmF0dXJl-_"
    structlog.contextvars.bind_contextvars(url="postgresql://hms:hunter2@db/hms")
    try:
        raise ValueError("rediss://:hunter2@redis:6379/0")
    except ValueError:
        log.exception("asked with %s", badge)
    said = stream.getvalue()
    assert "postgresql://hms:***@db/hms" in said
    assert "rediss://:***@redis:6379/0" in said
    assert "hunter2" not in said
    assert badge[:12] not in said


def test_a_terminal_gets_text_and_a_file_json() -> None:
    """By what standard error is, unless a setting says otherwise."""
    assert json.loads(_said({}))["event"] == "the database is away"
    assert _said({"HMS_LOG_FORMAT": "text"}).endswith(" act WARNING the database is away\n")
    assert _said({}, terminal=True).endswith(" act WARNING the database is away\r\n")


def test_an_error_that_nothing_catches_is_a_line_too() -> None:
    """Of the process and of a thread, and warnings."""
    end = """
import threading, warnings
warnings.warn("old", UserWarning)
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise ValueError("nobody caught it")
"""
    said = [json.loads(line) for line in _said({}, SAY + end).splitlines()]
    assert [(line["level"], line["logger"]) for line in said] == [
        ("warning", "hms_act.dispatcher"),
        ("warning", "py.warnings"),
        ("error", "hms"),
        ("critical", "hms"),
    ]
    assert "ZeroDivisionError" in said[2]["exception"]
    assert "nobody caught it" in said[3]["exception"]


def _said(environment: dict[str, str], program: str = SAY, *, terminal: bool = False) -> str:
    """What a process writes to standard error."""
    names = {name: value for name, value in os.environ.items() if not name.startswith("HMS_")}
    options: dict[str, Any] = {"env": {**names, **environment}, "timeout": 20, "check": False}
    if not terminal:
        done = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, **options)
        return done.stderr
    ours, theirs = pty.openpty()
    try:
        subprocess.run([sys.executable, "-c", program], stderr=theirs, **options)
        return os.read(ours, 10_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_flood_of_lines_is_counted(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one kind so many are written, another is not held up, and the next one counts the rest."""
    log, stream = written
    now = 1000.0
    monkeypatch.setattr(logs.time, "monotonic", lambda: now)
    for number in range(5000):
        log.warning("invalid session %s", number)
    log.warning("another")
    assert len(stream.getvalue().splitlines()) == logs.MOST_ALIKE + 1
    now += logs.WINDOW_SECONDS
    log.warning("invalid session %s", "last")
    last = stream.getvalue().splitlines()[-1]
    assert last.endswith(f"WARNING invalid session last (and {5000 - logs.MOST_ALIKE:,} like it before)")


def test_a_flood_of_kinds_costs_no_memory(written: Written) -> None:
    """What is remembered of them is bounded."""
    log, _ = written
    limit, _ = log.handlers[0].filters
    for number in range(3 * logs.MOST_KINDS):
        log.warning(f"kind {number}")
    assert isinstance(limit, logs.FewAlike)
    assert len(limit._kinds) <= logs.MOST_KINDS
