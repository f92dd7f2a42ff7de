"""Texts without an answer: which of the provider's are ours, and when one goes again or is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hms_oms.messages.records import Asked, Dispatch
from hms_ops.paging.reconcile import Step, next_step, seen
from hms_ops.paging.senders import Sighting

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
AGAIN = Step("pending", 0.0, resend=True)
LOST_TWICE = Step("failed", 0.0, resend=False, fault="the answer was lost, and so was that to the resend")
NEVER_SAID = Step("unconfirmed", 0.0, resend=False, fault="the provider never said whether it arrived")


def asked(
    age: float, state: str = "unknown", polls: int = 0, status: int | None = None, **more: Any
) -> Asked:
    """A text that has been without an answer for so long."""
    given: dict[str, Any] = {"attempt": 1, "page": True, "resend": False, "sid": None, "kind": "page", **more}
    text = Dispatch(
        1, 1, tries=1, token="one", reference="K7", recipient="+1", body="late", write_by=0, **given
    )
    return Asked(text, state, polls, age, NOW, status)


@pytest.mark.parametrize(
    ("sid", "claimed", "minutes", "ours"),
    [
        (None, [], 0, True),
        (None, [], -10, True),
        (None, [], -11, False),
        (None, [], None, True),
        (None, ["SM1"], 0, False),
        ("SM1", ["SM1"], 0, True),
        ("SM1", [], -11, True),
        ("SM0", ["SM1"], 0, False),
        ("SM2", [], 0, True),
    ],
)
def test_a_sighting_is_ours_by_its_number_or_its_time(
    sid: str | None, claimed: list[str], minutes: int | None, ours: bool
) -> None:
    """What nobody else has claimed is ours if it is not much older than our attempt."""
    at = None if minutes is None else NOW + timedelta(minutes=minutes)
    sighting = Sighting("SM1", "sent", created_at=at)
    assert seen([sighting], claimed, NOW, sid) == (sighting if ours else None)


@pytest.mark.parametrize(
    ("text", "looks", "expected"),
    [
        # The list has not been looked at for long enough, or not often enough.
        (asked(0), 0, Step("unknown", 5)),
        (asked(5), 1, Step("unknown", 10)),
        (asked(15), 1, Step("unknown", 15)),
        (asked(29), 2, Step("unknown", 1)),
        (asked(30), 1, Step("unknown", 15)),
        (asked(89), 1, Step("unknown", 15)),
        (asked(30), 2, AGAIN),
        (asked(30), 3, AGAIN),
        # It never answers: then the text goes again without.
        (asked(90), 0, AGAIN),
        (asked(90), 1, AGAIN),
        (asked(91), 0, AGAIN),
        # What went again is believed to be missing only after longer, and up to ten times.
        (asked(30, resend=True, attempt=2), 2, Step("unknown", 15)),
        (asked(89, resend=True, attempt=2), 2, Step("unknown", 15)),
        (asked(90, resend=True, attempt=2), 2, AGAIN),
        (asked(91, resend=True, attempt=2), 2, AGAIN),
        (asked(90, resend=True, attempt=9), 2, AGAIN),
        (asked(90, resend=True, attempt=10), 2, LOST_TWICE),
        (asked(90, resend=True, attempt=11), 2, LOST_TWICE),
        (asked(30, resend=True, attempt=10), 2, LOST_TWICE),
        (asked(30, resend=True, attempt=11), 2, LOST_TWICE),
        (asked(29, resend=True, attempt=10), 2, Step("unknown", 1)),
        (asked(90, resend=True, attempt=2), 1, LOST_TWICE),
        # An outage is waited for, for half an hour.
        (asked(90, status=500, resend=True, attempt=2), 1, Step("unknown", 15)),
        (asked(90, status=503, resend=True, attempt=2), 1, Step("unknown", 15)),
        (asked(90, status=499, resend=True, attempt=2), 1, LOST_TWICE),
        (asked(1799, status=500, resend=True, attempt=2), 1, Step("unknown", 15)),
        (asked(1800, status=500, resend=True, attempt=2), 1, LOST_TWICE),
        (asked(1801, status=500, resend=True, attempt=2), 1, LOST_TWICE),
    ],
)
def test_a_text_whose_answer_was_lost(text: Asked, looks: int, expected: Step) -> None:
    """It is looked for at 5, 15 and 30 seconds, and goes again where it is missing."""
    assert next_step(text, looks) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (asked(0), Step("unknown", 5)),
        (asked(5), AGAIN),
        (asked(6), AGAIN),
        (asked(5, attempt=2), Step("unknown", 10)),
        (asked(15, attempt=2), AGAIN),
        (asked(29, attempt=3), Step("unknown", 1)),
        (asked(30, attempt=3), AGAIN),
        (asked(15, attempt=4), Step("unknown", 15)),
        (asked(30, attempt=4), Step("failed", fault="the answers to 4 attempts were lost")),
        (asked(30, attempt=5), Step("failed", fault="the answers to 5 attempts were lost")),
    ],
)
def test_a_sender_that_cannot_be_asked(text: Asked, expected: Step) -> None:
    """It sends four times, after ever longer, whatever was looked for."""
    assert next_step(text, 9, askable=False) == expected


@pytest.mark.parametrize("askable", [True, False])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (asked(0, "sent"), Step("sent", 60)),
        (asked(0, "accepted", 1), Step("accepted", 120)),
        (asked(0, "sent", 3), Step("sent", 480)),
        (asked(0, "sent", 4), Step("sent", 600)),
        (asked(590, "sent"), Step("sent", 10)),
        (asked(600, "sent"), NEVER_SAID),
        (asked(601, "sent"), NEVER_SAID),
        (asked(600, "sent", 3, page=False), Step("sent", 480)),
        (asked(600, "sent", 4, page=False), Step("sent", 900)),
        (asked(600, "sent", 5000, page=False), Step("sent", 900)),
        (asked(5 * 3600 - 1, "sent", page=False), Step("sent", 1)),
        (asked(5 * 3600, "sent", page=False), NEVER_SAID),
    ],
)
def test_a_text_whose_arrival_nobody_has_reported(text: Asked, expected: Step, askable: bool) -> None:
    """A page is asked for during ten minutes, an applicant's text during five hours, ever less often."""
    assert next_step(text, 0, askable=askable) == expected
