"""What callers send can neither forge a line of the log, nor fill it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from hms_oms.runtime import logs


@pytest.fixture
def written() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger as a floor has it, and what it writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.OneLine("%(levelname)s %(message)s"))
    handler.addFilter(logs.FewAlike())
    log = logging.getLogger("hms.test_logs")
    log.propagate = False
    log.addHandler(handler)
    yield log, stream
    log.removeHandler(handler)


def test_control_characters_are_escaped_and_lines_are_bounded(
    written: tuple[logging.Logger, io.StringIO],
) -> None:
    """Escapes of terminals, new lines and what turns the direction of writing, in messages and tracebacks."""
    log, stream = written
    log.warning("path %s", "/a\x1b[2J\r\nERROR forged\0\u202e\x85" + "x" * 100_000)
    try:
        raise ValueError("b\x1b[2J\x07")
    except ValueError:
        log.exception("failed")
    said = stream.getvalue()
    assert "path /a\\x1b[2J\\r\\nERROR forged\\x00\\u202e\\x85xxx" in said
    assert all(character.isprintable() or character == "\n" for character in said)
    assert "b\\x1b[2J\\x07" in said
    assert len(said) < 4000


def test_a_flood_of_lines_is_counted(
    written: tuple[logging.Logger, io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert last == f"WARNING invalid session last (and {5000 - logs.MOST_ALIKE:,} like it before)"


def test_a_flood_of_kinds_costs_no_memory(written: tuple[logging.Logger, io.StringIO]) -> None:
    """What is remembered of them is bounded."""
    log, _ = written
    [limit] = log.handlers[0].filters
    for number in range(3 * logs.MOST_KINDS):
        log.warning(f"kind {number}")
    assert isinstance(limit, logs.FewAlike)
    assert len(limit._kinds) <= logs.MOST_KINDS
