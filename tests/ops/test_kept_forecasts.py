"""What is foreseen once for all who look: by whom it is read, who waits, and who takes the older one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from hms_ops.foresight.kept import Kept


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value is too old as soon as it is there."""
    monkeypatch.setattr("hms_ops.foresight.kept.TIMES", 0.0)
    monkeypatch.setattr("hms_ops.foresight.kept.LEAST_SECONDS", 0.0)


def test_while_one_reads_others_take_the_older_value() -> None:
    """Nobody waits for a value if there is one, and one alone reads the next."""
    kept: Kept[int] = Kept()
    numbers, begun, go = count(1), threading.Event(), threading.Event()
    assert kept.get("shop", lambda: next(numbers)) == 1

    def read() -> int:
        begun.set()
        assert go.wait(10)
        return next(numbers)

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(kept.get, "shop", read)
        assert begun.wait(10)
        assert [kept.get("shop", read) for _ in range(3)] == [1, 1, 1]
        go.set()
        assert reader.result(10) == 2


def test_a_value_that_is_much_too_old_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes while it is read takes what was read."""
    monkeypatch.setattr("hms_ops.foresight.kept.PATIENCE_SECONDS", -1.0)
    kept: Kept[int] = Kept()
    numbers, begun, go = count(1), threading.Event(), threading.Event()
    assert kept.get("shop", lambda: next(numbers)) == 1

    def read() -> int:
        begun.set()
        assert go.wait(10)
        return next(numbers)

    with ThreadPoolExecutor(2) as pool:
        reader = pool.submit(kept.get, "shop", read)
        assert begun.wait(10)
        other = pool.submit(kept.get, "shop", read)
        go.set()
        assert reader.result(10) == 2
        assert other.result(10) in (2, 3)


def test_a_reading_that_fails_is_tried_again() -> None:
    """The error is that of who has read; nothing is kept of it."""
    kept: Kept[int] = Kept()
    with pytest.raises(ZeroDivisionError):
        kept.get("shop", lambda: 1 // 0)
    assert kept.get("shop", lambda: 5) == 5
