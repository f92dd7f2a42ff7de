"""What is wrong with events, parts, keys, schedules and webhooks is found, and nothing where all is well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.guarantees import Outside, Part, ScheduleRun, broken

JOBS = {1: "done", 2: "done", 3: "done", 4: "done", 5: "done"}
PARTS = (Part(2, "piece", 0, "done", "r0"), Part(2, "piece", 1, "done", "r1"))
RUNS = (ScheduleRun(60.0, "started", 3), ScheduleRun(93.5, "started", 4), ScheduleRun(120.0, "started", 5))
HEALTHY = Outside(
    signalled=frozenset({1}),
    answers={1: {"signal": 1}},
    heeded={1: 1},
    joined={(2, "piece"): ["r0", "r1"]},
    parts=PARTS,
    started=[1],
    schedule_runs=RUNS,
    scheduled=[3, 4, 5],
    watched={1: "done"},
    posted=[("job-1-done-1", b"{}"), ("job-1-done-1", b"{}")],
)


def test_a_healthy_history_breaks_no_guarantee() -> None:
    """An event that is sent again with its id and body is no second one."""
    assert broken(HEALTHY, JOBS) == []


@pytest.mark.parametrize(
    ("planted", "sentence"),
    [
        ({"answers": {}}, "job-1 was signalled its event, and has the answer None"),
        ({"heeded": {1: 2}}, "job-1 heeded its event 2 times"),
        ({"joined": {(2, "piece"): ["r0"]}}, "job-2: piece has 1 results of 2 parts"),
        ({"joined": {(2, "piece"): ["r0", "r9"]}}, "job-2: piece has other results than its parts"),
        ({"joined": {}}, "job-2: the parts of piece were never put together"),
        ({"parts": (PARTS[0], replace(PARTS[1], status="queued"))}, "job-2: part 1 of piece is queued"),
        ({"exceeded": ["customer 1: 3 jobs at once"]}, "a key was exceeded: customer 1: 3 jobs at once"),
        ({"started": [9]}, "job-9 was started under a key and is not there"),
        ({"scheduled": [3, 3, 4, 5]}, "the schedule has started [3, 3, 4, 5]"),
        ({"schedule_runs": (*RUNS, RUNS[0])}, "2 runs of the schedule were due at 60.000"),
        ({"schedule_runs": (*RUNS, ScheduleRun(240.0, "started", 1))}, "has no run between 120 and 240"),
        ({"schedule_runs": (*RUNS[1:], ScheduleRun(60.0, "missed", None))}, "a run is missed"),
        ({"posted": []}, "job-1 is done, which came as []"),
        ({"posted": [("job-1-done-1", b"{}"), ("job-1-done-2", b"{}")]}, "which came as ['job-1-done-1', "),
        ({"posted": [("job-1-done-1", b"{}"), ("job-1-done-1", b"[]")]}, "job-1-done-1 came with 2 bodies"),
        ({"forged": 1}, "1 events were not signed with the secret"),
    ],
)
def test_a_broken_guarantee_is_told(planted: dict[str, Any], sentence: str) -> None:
    """Each in a sentence of its own."""
    sentences = broken(replace(HEALTHY, **planted), JOBS)
    assert any(sentence in line for line in sentences), sentences
