"""Which of the runs that are due start: by the rules of catching up and of overlapping."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hms_oms.schedules import planning
from hms_oms.schedules.planning import MOST_RUNS, Rules, plan
from hms_oms.timetables.timetable import Timetable

SIX = datetime(2026, 11, 27, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hours(*ago: float) -> list[datetime]:
    """Moments so many hours before 06:00, as they are due."""
    return [SIX - ago_hours * HOUR for ago_hours in ago]


def states(due: list[datetime], catch_up: str, within: float = 24, overlap: str = "start") -> str:
    """What becomes of each run at 06:00, by its first letter: waiting, skipped or missed."""
    planned = plan(due, SIX, Rules(catch_up, within * HOUR, overlap))
    return "".join(run.state[0] for run in planned)


@pytest.mark.parametrize(
    ("catch_up", "ago", "expected"),
    [
        ("none", (0,), "w"),
        ("last", (0.01,), "w"),
        ("none", (3, 2, 1), "mmm"),
        ("none", (3, 2, 1, 0), "mmmw"),
        ("last", (3, 2, 1), "mmw"),
        # The run that is due now is the last one: none before is made up for.
        ("last", (3, 2, 1, 0), "mmmw"),
        ("all", (3, 2, 1), "www"),
        ("all", (30, 25, 23), "mmw"),
        ("last", (30, 25), "mm"),
        # What is due since a minute is on time, and what is as old as the bound is within it.
        ("none", (60 / 3600,), "w"),
        ("none", (61 / 3600,), "m"),
        ("last", (24,), "w"),
    ],
)
def test_catching_up(catch_up: str, ago: tuple[float, ...], expected: str) -> None:
    """None, the last one or all of what was due within the bound starts after an outage."""
    assert states(hours(*ago), catch_up) == expected


def test_all_is_no_more_than_a_hundred() -> None:
    """After a long outage the newest are made up for."""
    due = [SIX - timedelta(minutes=number) for number in range(300, 1, -1)]
    planned = states(due, "all")
    assert planned.count("w") == MOST_RUNS == 100
    assert planned.endswith("w" * MOST_RUNS)
    for newest in (0, 1):
        minutes = range(MOST_RUNS + newest - 1, newest - 1, -1)
        assert states([SIX - timedelta(minutes=number) for number in minutes], "all") == "w" * MOST_RUNS


def test_a_run_that_overlaps_is_skipped_by_its_rule() -> None:
    """It says what is open; of several that start at once the first one does."""
    [skipped] = plan([SIX], SIX, Rules("last", HOUR, "skip"), "cycle 12")
    assert (skipped.state, skipped.note) == ("skipped", "cycle 12 of the run before is still open")
    assert plan([SIX], SIX, Rules("last", HOUR, "start"), "cycle 12")[0].state == "waiting"
    assert states(hours(2, 1, 0), "all", overlap="skip") == "wss"


def test_a_missed_run_says_by_which_rule() -> None:
    """People read on the page why nothing was started."""
    [missed] = plan(hours(2), SIX, Rules("none", HOUR, "start"))
    assert missed.note == "no dispatcher was at work; nothing is made up for"
    [missed] = plan(hours(25), SIX, Rules("last", 24 * HOUR, "start"))
    assert missed.note == "no dispatcher was at work; the last run is made up for, within 24 h"
    [missed] = plan(hours(25), SIX, Rules("all", 1.5 * HOUR, "start"))
    assert missed.note == "no dispatcher was at work; 100 runs at most are made up for, within 1.5 h"


@given(
    st.integers(0, 200),
    st.integers(1, 48),
    st.sampled_from(("none", "last", "all")),
    st.sampled_from(("start", "skip")),
)
def test_every_run_has_one_fate(count: int, within: int, catch_up: str, overlap: str) -> None:
    """Whatever the outage: each due moment once and in order, nothing started that is out of bounds."""
    rules = Rules(catch_up, within * HOUR, overlap)
    begun = SIX - timedelta(minutes=20 * count)
    due = planning.due(Timetable("*/20 * * * *", "UTC"), begun, SIX, rules.within)
    planned = plan(due, SIX, rules)
    assert [run.due_at for run in planned] == due == sorted(set(due))
    assert due[0] == begun
    started = [run for run in planned if run.state == "waiting"]
    assert all(SIX - run.due_at <= max(rules.within, planning.ON_TIME) for run in started)
    assert len(started) <= {"none": 1, "last": 1, "all": MOST_RUNS}[catch_up]
    assert planned[-1].state == "waiting" or overlap == "skip"


def test_what_is_older_than_the_bound_is_told_once() -> None:
    """After a year away the first run that was missed has a row, and those of the last week."""
    table = Timetable("0 6 * * *", "UTC")
    due = planning.due(table, SIX - 365 * 24 * HOUR, SIX, 3 * HOUR)
    assert due == [SIX - 365 * 24 * HOUR, *hours(144, 120, 96, 72, 48, 24, 0)]
    longer = planning.due(table, SIX - 365 * 24 * HOUR, SIX, 8 * 24 * HOUR)
    assert longer == [due[0], *hours(168), *due[1:]]


def test_of_very_many_runs_the_newest_are_told() -> None:
    """Of every minute of a day two hundred have a row, and the first."""
    begun = SIX - 24 * HOUR
    due = planning.due(Timetable("* * * * *", "UTC"), begun, SIX, HOUR)
    assert due == [begun, *(SIX - timedelta(minutes=number) for number in range(199, -1, -1))]
