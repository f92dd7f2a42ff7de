"""What one badge and one address may have open, counted without a server."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from hms_floor.api.transport.problems import Problem
from hms_floor.api.transport.shares import BOUNDS, Shares

UPLOAD = BOUNDS["upload"]


def refusal(shares: Shares, badge: str, address: str | None) -> tuple[int, str] | None:
    """The status and the words with which one more file is refused; None if it is not."""
    try:
        with shares.hold("upload", badge, address):
            return None
    except Problem as problem:
        return problem.status_code, problem.detail


def test_a_badge_an_address_and_all_have_their_bounds() -> None:
    """Each refusal names whose share is used up; others still get theirs, until there is no more."""
    shares = Shares()
    with ExitStack() as held:
        for _ in range(UPLOAD.badge):
            held.enter_context(shares.hold("upload", "ann", "10.0.0.1"))
        assert refusal(shares, "ann", "10.0.0.2") == (429, "this badge has 2 files on their way in already")
        held.enter_context(shares.hold("upload", "bob", "10.0.0.1"))
        assert refusal(shares, "cyd", "10.0.0.1") == (429, "this address has 3 files on their way in already")
        assert refusal(shares, "cyd", None) is None
        held.enter_context(shares.hold("upload", "cyd", "10.0.0.2"))
        assert refusal(shares, "dan", "10.0.0.3") == (503, "there are 4 files on their way in already")
        assert shares.open["upload"] == UPLOAD.most
    assert refusal(shares, "ann", "10.0.0.1") is None


def test_nothing_is_kept_of_those_who_have_left() -> None:
    """Nor of those who were refused: the memory for it does not grow with the callers."""
    shares = Shares()
    for number in range(100):
        with shares.hold("stream", f"badge-{number}", f"10.0.0.{number}"):
            pass
    with pytest.raises(ZeroDivisionError), shares.hold("page", "ann", "10.0.0.1"):
        raise ZeroDivisionError
    assert not shares._held
    assert set(shares.open.values()) == {0}


@pytest.mark.parametrize("kind", BOUNDS)
def test_nobody_can_take_all(kind: str) -> None:
    """A badge gets less than its address, and an address less than there is."""
    bound = BOUNDS[kind]
    assert bound.badge < bound.address < bound.most
