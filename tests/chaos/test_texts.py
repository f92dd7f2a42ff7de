"""Texts that are missing, doubled or of nobody are found; one that comes again and says so is allowed."""

from __future__ import annotations

import pytest

from tests.chaos import texts
from tests.chaos.texts import Shown, Texts

PAGE, BOOKED = ("+13030000001", "Page 1"), ("+13120000007", "Request 7 is booked.")


def told(*shown: tuple[str, str]) -> Texts:
    """A page and the text of a job, and what the handsets show."""
    return Texts(
        pages={PAGE[0]: (PAGE[1], 10.0)},
        sending={"7": BOOKED},
        shown=[Shown(phone, body, 12.5) for phone, body in shown],
    )


@pytest.mark.parametrize(
    ("shown", "missing", "twice", "foreign"),
    [
        ([PAGE, BOOKED], 0, 0, 0),
        ([PAGE], 1, 0, 0),
        ([], 2, 0, 0),
        ([PAGE, PAGE, BOOKED], 0, 1, 0),
        ([PAGE, (PAGE[0], "Page 1 (resend)"), BOOKED], 0, 0, 0),
        ([(PAGE[0], "Page 1 (resend)"), BOOKED], 0, 0, 0),
        ([PAGE, BOOKED, (PAGE[0], "Page 2")], 0, 0, 1),
        ([PAGE, BOOKED, ("+12025550100", "Queue wait: no worker")], 0, 0, 0),
    ],
)
def test_what_the_handsets_show_is_judged(
    shown: list[tuple[str, str]], missing: int, twice: int, foreign: int
) -> None:
    """Each text that was promised is there, once, or marked as sent again; and no other."""
    held = told(*shown)
    done = {"7": "done"}
    assert len(texts.missing(held, done)) == missing
    assert len(texts.unlabelled_twice(held)) == twice
    assert len(texts.foreign(held, done)) == foreign


def test_a_job_that_is_not_done_sends_nothing() -> None:
    """Its text is not missing, and would be one of nobody."""
    assert texts.missing(told(PAGE), {"7": "cancelled"}) == []
    assert len(texts.foreign(told(PAGE, BOOKED), {"7": "cancelled"})) == 1


def test_texts_that_say_that_they_came_again_are_counted() -> None:
    """And the seconds of a page count from when it was put to when it was first shown."""
    held = told(PAGE, (PAGE[0], "Page 1 (resend)"), BOOKED)
    assert texts.repeated(held) == 1
    assert texts.seconds(held) == [2.5]
