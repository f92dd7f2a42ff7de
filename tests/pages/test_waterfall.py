"""A job's life as rows and bars."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hms_floor.pages.parts.charts import waterfall


def line(second: float, fact: str, status: str, took: float, **more: Any) -> dict[str, Any]:
    """A line of an event log as the API tells it."""
    at = f"2026-11-23T08:00:{second:06.3f}+00:00"
    given = {
        "at": at,
        "fact": fact,
        "status": status,
        "seconds": took,
        "step": "pick",
        "attempt": 1,
        "who": None,
    }
    return {**given, **more}


LIFE = [
    line(0, "accepted", "waiting", 2),
    line(2, "taken", "queued", 1, who="act"),
    line(3, "claimed", "running", 4, who="w1"),
    line(7, "failed", "waiting", 5, attempt=2),
    line(12, "taken", "queued", 1, attempt=2),
    line(13, "claimed", "running", 2, attempt=2, who="w2"),
    line(15, "completed", "queued", 1, step="pack", who="w2"),
    line(16, "claimed", "running", 1, step="pack", who="w1"),
    line(17, "completed", "done", 600, step="pack"),
]


def test_each_attempt_at_a_step_has_its_row() -> None:
    """What it did in which order, for how long, and who ran it."""
    rows = waterfall.rows(LIFE)
    assert [(row.step, row.attempt, row.worker) for row in rows] == [
        ("pick", 1, "w1"),
        ("pick", 2, "w2"),
        ("pack", 1, "w1"),
    ]
    assert [(bar.kind, bar.seconds) for bar in rows[0].bars] == [
        ("waiting", 2),
        ("queued", 1),
        ("running", 4),
    ]
    assert rows[2].bars[0].start == datetime.fromisoformat("2026-11-23T08:00:15+00:00")


def test_a_timeline_ends_where_the_job_did_or_now() -> None:
    """The time after the end of a job is none of its life; that of an open one goes on."""
    assert waterfall.span(LIFE)[1] == 17
    assert waterfall.span(LIFE[:3])[1] == 7
    assert waterfall.span([line(0, "accepted", "done", 0)])[1] > 0


def test_parts_stand_behind_their_step() -> None:
    """A row for each, with all attempts at it, and how it has ended if that was badly."""
    shown = [
        {"id": "job-2", "name": "1 of 2", "status": "done", "attempt": 2, "timeline": LIFE[:6]},
        {"id": "job-3", "name": "2 of 2", "status": "failed", "attempt": 2, "timeline": LIFE[:3]},
    ]
    rows = waterfall.whole({"timeline": LIFE, "parts": [{"step": "pick", "shown": shown}]})
    assert [(row.step, row.attempt, row.part, row.fate) for row in rows] == [
        ("pick", 1, None, None),
        ("pick", 2, None, None),
        ("1 of 2", 2, "job-2", None),
        ("2 of 2", 1, "job-3", "failed"),
        ("pack", 1, None, None),
    ]
    assert [bar.kind for bar in rows[2].bars] == [
        "waiting",
        "queued",
        "running",
        "waiting",
        "queued",
        "running",
    ]


def test_what_is_held_is_told_from_what_waits() -> None:
    """From the moment at which the applicant was asked until the answer, whatever is done to it meanwhile."""
    life = [
        line(0, "accepted", "waiting", 2),
        line(2, "held", "waiting", 3, who="ann"),
        line(5, "promoted", "waiting", 4, who="ann"),
        line(9, "answered", "waiting", 1, who="bob"),
        line(10, "dispatched", "queued", 1),
    ]
    [row] = waterfall.rows(life)
    assert [bar.kind for bar in row.bars] == ["waiting", "held", "held", "waiting", "queued"]
