"""When a schedule is due: cron lines, clocks that go forward and back, business days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hms_oms.timetables import business_days, timetable
from hms_oms.timetables.timetable import Timetable, due_between, next_runs

CHICAGO = "America/Chicago"
ZONES = (CHICAGO, "UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu")
CRONS = (
    "0 6 * * *",
    "0 6 * * MON-FRI",
    "30 2 * * *",
    "0,30 1-3 * * *",
    "*/15 * * * *",
    "0 * * * *",
    "15 */2 * * *",
    "0 0 1 * *",
    "0 0 L * *",
    "5 4 * * MON#2",
    "@daily",
    "@hourly",
)
YEARS = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 1), timezones=st.just(UTC))
TABLES = st.builds(
    Timetable, st.sampled_from(CRONS), st.sampled_from(ZONES), st.sampled_from((None, None, "US", "DE"))
)


def local(cron: str, start: str, count: int, zone: str = CHICAGO) -> list[str]:
    """The next moments after a local time, by the clock of the zone, with its short name."""
    after = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone))
    runs = islice(next_runs(Timetable(cron, zone), after), count)
    return [f"{run.astimezone(ZoneInfo(zone)):%m-%d %H:%M %Z}" for run in runs]


@pytest.mark.parametrize(
    ("cron", "start", "expected"),
    [
        # On 8 March 2026 there is no time from 02:00 to 03:00 ...
        ("30 2 * * *", "2026-03-07T12:00", ["03-08 03:00 CDT", "03-09 02:30 CDT"]),
        ("0,20,40 2 * * *", "2026-03-07T12:00", ["03-08 03:00 CDT", "03-09 02:00 CDT"]),
        ("0 1-3 * * *", "2026-03-08T00:30", ["03-08 01:00 CST", "03-08 03:00 CDT", "03-09 01:00 CDT"]),
        ("0 * * * *", "2026-03-08T00:30", ["03-08 01:00 CST", "03-08 03:00 CDT", "03-08 04:00 CDT"]),
        ("0 6 * * *", "2026-03-07T12:00", ["03-08 06:00 CDT"]),
        # ... and on 1 November that from 01:00 to 02:00 comes twice.
        ("30 1 * * *", "2026-11-01T00:00", ["11-01 01:30 CDT", "11-02 01:30 CST"]),
        ("0 * * * *", "2026-11-01T00:30", ["11-01 01:00 CDT", "11-01 01:00 CST", "11-01 02:00 CST"]),
        ("*/30 1 * * *", "2026-11-01T00:59", ["11-01 01:00 CDT", "11-01 01:30 CDT", "11-01 01:00 CST"]),
    ],
)
def test_clocks_that_go_forward_and_back(cron: str, start: str, expected: list[str]) -> None:
    """A skipped time is due when the clocks have gone forward, one that comes twice the first time."""
    assert local(cron, start, len(expected)) == expected


def test_the_second_half_of_an_hour_that_comes_twice_is_not_due_again() -> None:
    """Asked within the second 01:00 hour, a fixed time of that hour is due the next day."""
    after = datetime(2026, 11, 1, 1, 10, tzinfo=ZoneInfo(CHICAGO), fold=1)
    [run] = islice(next_runs(Timetable("30 1 * * *", CHICAGO), after), 1)
    assert run == datetime(2026, 11, 2, 7, 30, tzinfo=UTC)


@given(TABLES, YEARS)
def test_moments_rise_and_are_after_the_start(table: Timetable, after: datetime) -> None:
    """Each moment is a whole minute later than the one before, and the first is after the start."""
    runs = list(islice(next_runs(table, after), 5))
    assert runs
    assert all(earlier < later for earlier, later in pairwise([after, *runs]))
    assert all(run.tzinfo is UTC and run.second == run.microsecond == 0 for run in runs)


@given(TABLES, YEARS, st.integers(0, 20000), st.integers(0, 20000))
@example(Timetable("30 1 * * *", CHICAGO), datetime(2026, 11, 1, 6, tzinfo=UTC), 45, 45)
@example(Timetable("0,30 2 * * *", CHICAGO), datetime(2026, 3, 8, 7, tzinfo=UTC), 60, 60)
def test_a_span_has_what_its_parts_have(table: Timetable, start: datetime, first: int, second: int) -> None:
    """However often and when it is asked, nothing between is left out or named twice."""
    middle, end = start + timedelta(minutes=first), start + timedelta(minutes=first + second)
    parts = [*due_between(table, start, middle), *due_between(table, middle, end)]
    assert parts == list(due_between(table, start, end))


@given(TABLES, YEARS)
def test_a_moment_follows_from_any_time_before_it(table: Timetable, after: datetime) -> None:
    """The one after a moment is the next one, and asking a microsecond before a moment gives the moment."""
    first, second = islice(next_runs(table, after), 2)
    assert next(next_runs(table, first)) == second
    assert next(next_runs(table, first - timedelta(microseconds=1))) == first


@settings(max_examples=20)
@given(st.sampled_from(CRONS), st.sampled_from(ZONES), YEARS)
def test_a_calendar_leaves_out_whole_days_only(cron: str, zone: str, after: datetime) -> None:
    """What is due with a calendar is what is due without one on its business days."""
    until = after + timedelta(days=20)
    every = due_between(Timetable(cron, zone), after, until)
    kept = [run for run in every if _works("US", run, zone)]
    assert list(due_between(Timetable(cron, zone, "US"), after, until)) == kept


def _works(calendar: str, run: datetime, zone: str) -> bool:
    return business_days.is_business_day(calendar, run.astimezone(ZoneInfo(zone)).date())


def test_thanksgiving_and_the_weekend_are_no_business_days() -> None:
    """On the last Thursday of November nothing is due in the US, and so on the Friday in Illinois only."""
    after = datetime(2026, 11, 25, 12, tzinfo=UTC)

    def days(calendar: str) -> list[date]:
        runs = islice(next_runs(Timetable("0 6 * * *", "UTC", calendar), after), 2)
        return [run.date() for run in runs]

    assert days("US") == [date(2026, 11, 27), date(2026, 11, 30)]
    assert days("US-CA") == [date(2026, 11, 30), date(2026, 12, 1)]
    assert days("NYSE") == [date(2026, 11, 27), date(2026, 11, 30)]


@pytest.mark.parametrize(
    ("table", "field", "words"),
    [
        (Timetable("0 6 * *", "UTC"), "cron", "wants minute, hour, day of the month"),
        (Timetable("0 0 6 * * *", "UTC"), "cron", "wants minute, hour, day of the month"),
        (Timetable("0 25 * * *", "UTC"), "cron", "bad hour"),
        (Timetable("0 6 30 2 *", "UTC"), "cron", "bad day-of-month"),
        (Timetable("0 6 * * *", "America/Chicgo"), "timezone", "did you mean America/Chicago?"),
        (Timetable("0 6 * * *", "UTC", "US-IX"), "calendar", "did you mean US-"),
        (Timetable("0 6 * * SUN", "UTC", "US"), "cron", "is never due on a business day of US"),
    ],
)
def test_what_is_wrong_is_told_by_its_field(table: Timetable, field: str, words: str) -> None:
    """Each fault names the field to blame, and what to write instead."""
    [(blamed, reason)] = timetable.faults(table)
    assert blamed == field
    assert words in reason


def test_a_line_in_words() -> None:
    """People read a line as a sentence."""
    assert timetable.words("0 6 * * MON-FRI") == "At 06:00 on Monday through Friday"
    assert timetable.words("@daily") == "At 00:00 every day"


def test_all_faults_are_told_at_once() -> None:
    """One after the other would take as many tries."""
    faults = timetable.faults(Timetable("x", "y", "z"))
    assert [field for field, _ in faults] == ["cron", "timezone", "calendar"]


def _count(runs: Iterator[datetime]) -> int:
    return sum(1 for _ in runs)


def test_a_year_of_days_is_a_year_of_runs() -> None:
    """Over both changes of the clocks no day is left out and none counts twice."""
    start = datetime(2026, 1, 1, 6, tzinfo=UTC)
    for cron in ("0 6 * * *", "30 2 * * *", "30 1 * * *"):
        table = Timetable(cron, CHICAGO)
        assert _count(due_between(table, start, start + timedelta(days=365))) == 365
