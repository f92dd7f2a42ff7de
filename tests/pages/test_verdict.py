"""The verdict: one sentence that an operations manager can act on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hms_floor.presentation.headline import Verdict, queue_verdict, verdict
from hms_floor.presentation.overview import Board, Card, WorkerLoad

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
WORKERS = [WorkerLoad("w@vm", "vm", 3, 8, 0)]


def board(*cards: Card, silent: float | None = 1.0) -> Board:
    """A board at half past ten."""
    return Board(NOW, cards, silent, WORKERS, [("vm", 20.0)], 0)


def at(hour: int, minute: int) -> datetime:
    """A moment of that day."""
    return NOW.replace(hour=hour, minute=minute)


BUSY = Card("farm-grant", backlog=1200, delayed=4, running=8, done_at=at(11, 42), last_due=at(12, 0))
RISK = Card(
    "farm-grant",
    backlog=900,
    at_risk=412,
    late_from=at(10, 42),
    deadline=at(10, 50),
    workers=2,
    slots=16,
    slots_needed=30,
)
LATE = Card(
    "farm-grant", backlog=900, late=1, at_risk=20, done_at=at(11, 0), workers=2, slots=16, slots_needed=9
)


@pytest.mark.parametrize(
    ("observed", "light", "words"),
    [
        (
            board(BUSY, Card("b"), Card("c")),
            "holds",
            (
                "All 3 queues are on track. farm-grant: 1,200 ready, 4 delayed, 8 running,"
                " the last one done by 11:42, due 12:00."
            ),
        ),
        (
            board(RISK, Card("b")),
            "risk",
            (
                "412 jobs of farm-grant will be late from 10:42 on;"
                " all slots are at work: add 2 workers (14 slots) to meet each deadline that can be met;"
                " the tightest deadline is 10:50."
            ),
        ),
        (
            board(LATE, RISK),
            "broken",
            "1 job of farm-grant is late, 20 more will be, the last one done by 11:00.",
        ),
        (board(Card("a")), "holds", "The queue is on track. No job is open."),
        (board(), "idle", "There is no queue yet."),
        (board(BUSY, silent=40), "unknown", "Cannot tell: the watch has been silent for 40 s."),
        (
            board(BUSY, silent=None),
            "unknown",
            "Cannot tell: the watch has never been heard. Is `hms ops run` up?",
        ),
        (
            board(BUSY, Card("b", fresh=False)),
            "unknown",
            "Cannot tell: b has not been measured lately.",
        ),
        (
            board(Card("a", paused_at=NOW), Card("b")),
            "paused",
            "All 2 queues are on track; a is paused. No job is open.",
        ),
    ],
)
def test_the_worst_is_told_first_and_what_would_help(observed: Board, light: str, words: str) -> None:
    """Late before at risk before unknown before on track."""
    queue = "farm-grant" if light in ("broken", "risk") else None
    assert verdict(observed, UTC) == Verdict(light, words, queue)


def test_why_more_slots_would_not_help_is_told() -> None:
    """A paused queue, one without workers, one of agents, and one that may start so many a minute only."""
    late = Card("a", backlog=5, late=5)
    staffed = replace(late, workers=1, slots=8, slot_rate=1.0, limit_needed=0, slots_needed=0)
    lines = [
        queue_verdict(replace(late, paused_at=NOW), UTC),
        queue_verdict(late, UTC),
        queue_verdict(replace(late, agents=True), UTC),
        queue_verdict(replace(staffed, starts_per_minute=60, starts_set_by="ann", starts_set_at=NOW), UTC),
    ]
    assert lines == [
        "5 jobs of a are late; the queue was paused at 10:30: resume it, and then start workers.",
        "5 jobs of a are late; no worker is there for it: start workers.",
        "5 jobs of a are late.",
        (
            "5 jobs of a are late; no more than 60 jobs a minute may start (set by ann at 10:30):"
            " lift the limit and leave the pace to the workers to have them done sooner."
        ),
    ]


def test_nobody_can_tell_when_a_job_is_done_while_redis_is_silent() -> None:
    """No time is named, of late jobs or of those that hold."""
    stopped = replace(BUSY, workers=1, slots=8, refused="does not answer")
    words = verdict(board(stopped), UTC).words
    assert "11:42" not in words
    assert "nothing is handed out" in words
    words = verdict(board(replace(stopped, late=3)), UTC).words
    assert words == (
        "3 jobs of farm-grant are late; nothing is handed out, Redis does not answer: bring it back."
    )


def test_idle_workers_under_a_limit_are_not_to_grow() -> None:
    """The limit is named with who has set it, and the number that holds the deadlines."""
    card = replace(
        RISK,
        running=1,
        slot_rate=1.0,
        slots_needed=3,
        starts_per_minute=60,
        limit_needed=140,
        starts_set_by="ann",
    )
    assert queue_verdict(card, UTC) == (
        "412 jobs of farm-grant will be late from 10:42 on; no more than 60 jobs a minute may start"
        " (set by ann): raise the limit to 140 to meet each deadline that can be met;"
        " the tightest deadline is 10:50."
    )


def test_a_paused_queue_says_who_has_paused_it_and_why() -> None:
    """With the time, for who comes after lunch."""
    paused = Card("a", paused_at=NOW - timedelta(minutes=30), paused_by="ann", pause_reason="fair")
    assert queue_verdict(paused, UTC) == "Paused by ann at 10:00 (fair)."


def test_incidents_that_are_not_over_are_not_forgotten() -> None:
    """What is measured may be well again before an incident is."""
    assert verdict(board(Card("a")), UTC, incidents=2).words == (
        "The queue is on track; 2 open incidents. No job is open."
    )
