"""When the next jobs of a queue will be done, or why nobody can tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hms_floor.presentation import finishes
from hms_floor.presentation.finishes import Finish
from hms_floor.presentation.overview import Card

NOW = datetime(2026, 11, 30, 15, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
#: Every job is late, 60 a minute may start, and none was done lately.
HELD = Card("shop", backlog=300, window=4, running=6, late=310, workers=1, slots=8, starts_per_minute=60)


def test_at_a_known_throughput_all_are_done_when_the_last_one_is() -> None:
    """A job is behind those that run and are queued; the last of the line is done with the last one open."""
    card = replace(HELD, done_at=NOW + 31 * MINUTE)
    assert finishes.finish(20, card, NOW) == Finish(NOW + 3 * MINUTE)
    assert finishes.finish(300, card, NOW) == Finish(NOW + 31 * MINUTE)
    assert finishes.unknown(card) is None


def test_without_a_throughput_the_limit_says_when_at_best() -> None:
    """The 120th of sixty a minute cannot be done within two minutes."""
    assert finishes.finish(120, HELD, NOW) == Finish(NOW + 2 * MINUTE, at_best=True)
    assert finishes.unknown(HELD) is None


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (replace(HELD, starts_per_minute=None), "cannot be told yet: no job of the queue was done lately"),
        (replace(HELD, paused_at=NOW, done_at=NOW + MINUTE), "while the queue is paused"),
        (
            replace(HELD, refused="does not answer", done_at=NOW),
            "nothing is handed out, Redis does not answer",
        ),
        (replace(HELD, undispatched=True, done_at=NOW), "nothing is handed out, the dispatcher is silent"),
        (replace(HELD, workers=0, slots=0), "no worker serves the queue"),
        (replace(HELD, window_size=0, done_at=NOW), "the limit lets no job start"),
        (replace(HELD, fresh=False, done_at=NOW + MINUTE), "has not been measured lately"),
    ],
)
def test_what_cannot_be_told_has_a_reason(card: Card, words: str) -> None:
    """No column of dashes without a word."""
    assert finishes.finish(1, card, NOW) is None
    assert words in str(finishes.unknown(card))
