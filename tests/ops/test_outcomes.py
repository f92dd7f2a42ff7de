"""What follows from handing a text over: its next state, and when it is looked at again."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from hms_ops.paging import outcomes
from hms_ops.paging.senders import Outcome, Result


@dataclass(frozen=True)
class Lease:
    """A text that was taken."""

    id: int = 7
    fence: int = 3
    tries: int = 1


def drawn(most: float) -> float:
    """What is drawn below a bound; what is drawn next is the same share of its bound."""
    random.seed(7)
    wait = random.uniform(0, most)
    random.seed(7)
    return wait


@pytest.mark.parametrize(
    ("result", "repeatable", "state", "word", "delay"),
    [
        (Result.TAKEN, False, "sent", "sent", 60.0),
        (Result.NOT_SENT, False, "pending", "not sent", drawn(2)),
        (Result.BUSY, False, "pending", "not sent", 600.0),
        (Result.MISCONFIGURED, False, "pending", "not sent", 0.0),
        (Result.UNKNOWN, True, "pending", "unknown", drawn(2)),
        (Result.UNKNOWN, False, "unknown", "unknown", 5.0),
        (Result.REFUSED, False, "failed", "failed", 0.0),
        (Result.OPTED_OUT, True, "failed", "failed", 0.0),
    ],
)
def test_each_result_has_its_next_state(
    result: Result, repeatable: bool, state: str, word: str, delay: float
) -> None:
    """What surely did not go is tried again; what may have gone is asked for, unless it may be repeated."""
    random.seed(7)
    outcome = Outcome(result, "sent", "SM1", 200, "30003", "no handset", retry_after=3600)
    answer = outcomes.after(outcome, Lease(tries=2), repeatable=repeatable)
    assert (answer.id, answer.fence, answer.state, answer.outcome) == (7, 3, state, word)
    assert (answer.sid, answer.http_status, answer.code, answer.fault) == ("SM1", 200, "30003", "no handset")
    assert answer.delay == delay


@pytest.mark.parametrize(("tries", "most"), [(0, 0.5), (1, 1), (5, 16), (6, 30), (5000, 30)])
def test_a_wait_is_drawn_below_a_bound_that_doubles(tries: int, most: float) -> None:
    """From half a second to half a minute."""
    wait = drawn(most)
    assert outcomes.backoff(tries) == wait


@pytest.mark.parametrize(
    ("seconds", "wait"), [(None, drawn(1)), (0.01, drawn(1)), (9.0, 9.0), (601.0, 600.0)]
)
def test_a_provider_is_left_alone_for_as_long_as_it_asks(seconds: float | None, wait: float) -> None:
    """For ten minutes at most."""
    random.seed(7)
    assert outcomes.patience(Outcome(Result.BUSY, retry_after=seconds), 1) == wait


def test_what_cannot_be_kept_of_an_answer_is_left_out() -> None:
    """A provider may say anything, at any length."""
    outcome = outcomes.kept(Outcome(Result.REFUSED, sid="S\x00M", fault="x" * 501))
    assert (outcome.sid, outcome.code, outcome.fault) == ("SM", None, "x" * 500)


@pytest.mark.parametrize(
    ("body", "labelled"),
    [
        ("x" * 151, "x" * 151 + " (resend)"),
        ("a  b", "a  b (resend)"),
        ("a  " + "x" * 148, "a  " + "x" * 148 + " (resend)"),
        ("x" * 151 + "y", "x" * 151 + " (resend)"),
        ("x" * 160, "x" * 151 + " (resend)"),
        ("x" * 161, "x" * 161 + " (resend)"),
        ("Żółć", "Żółć (resend)"),
    ],
)
def test_a_text_stays_in_its_segment_when_it_is_marked(body: str, labelled: str) -> None:
    """One that had more, or has room for the mark, is only marked."""
    assert outcomes.labelled(body) == labelled
