"""Times, lengths of time, numbers and shares, as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hms_oms.runtime import format

CHICAGO = ZoneInfo("America/Chicago")
NOON = datetime(2026, 11, 28, 18, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("seconds", "rough", "exact"),
    [
        (0, "0 s", "0 ms"),
        (0.0273, "0 s", "27 ms"),
        (3, "3 s", "3.0 s"),
        (59.97, "59 s", "0 min 59 s"),
        (60, "1 min", "1 min 0 s"),
        (416, "6 min", "6 min 56 s"),
        (3600, "1 h", "1 h"),
        (7500, "2 h 5 min", "2 h 5 min"),
        (36000, "10 h", "10 h"),
        (172799, "47 h", "47 h"),
        (172800, "2 d", "2 d"),
    ],
)
def test_lengths_of_time_have_the_units_that_fit(seconds: float, rough: str, exact: str) -> None:
    """Roughly, and as measured; a number of seconds is read like a length."""
    assert (format.about(seconds), format.span(seconds)) == (rough, exact)
    assert format.about(timedelta(seconds=seconds)) == rough


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0.1, "6 s"),
        (1, "1 min"),
        (1.5, "90 s"),
        (10, "10 min"),
        (10.5, "10 min 30 s"),
        (60, "60 min"),
        (119, "119 min"),
        (120, "2 h"),
        (150, "2 h 30 min"),
        (2880, "48 h"),
        (525600, "8,760 h"),
    ],
)
def test_an_sla_is_told_exactly(minutes: float, words: str) -> None:
    """In the units of people: 48 h, not 2880 min."""
    assert format.minutes(minutes) == words


@given(part=st.integers(0, 10**9), more=st.integers(0, 10**9))
def test_a_share_is_whole_or_nothing_only_if_it_is(part: int, more: int) -> None:
    """100 % means every single one, 0 % none, and of nothing there is a dash."""
    words = format.share(part, part + more)
    assert (words == "-") == (part + more == 0)
    assert (words == "100 %") == (more == 0 < part)
    assert (words == "0 %") == (part == 0 < more)
    if part + more and words not in ("100 %", "0 %"):
        assert 0.1 <= float(words.removesuffix(" %")) <= 99.9


@pytest.mark.parametrize(
    ("share", "words"),
    [(None, "-"), (0.0, "0 %"), (1.0, "100 %"), (0.9996, "99.9 %"), (0.99999999, "99.9 %"), (1e-9, "0.1 %")],
)
def test_a_measured_share_does_not_round_to_a_lie(share: float | None, words: str) -> None:
    """99.96 % is not all while one was missed."""
    assert format.percent(share) == words


@pytest.mark.parametrize(
    ("status", "ended", "words", "missed"),
    [
        ("done", -3, "(met, 3 min to spare)", False),
        ("done", 0, "(met, 0 s to spare)", False),
        ("done", 4, "(missed by 4 min)", True),
        ("failed", -3, "(missed: the job failed)", True),
        ("failed", 3, "(missed: the job failed)", True),
        ("cancelled", -3, "(the job was cancelled: neither met nor missed)", False),
        ("running", None, "(5 min late)", True),
    ],
)
def test_what_came_of_a_deadline(status: str, ended: int | None, words: str, missed: bool) -> None:
    """A failed job has missed its deadline whenever it ended, a cancelled one counts for nothing."""
    ended_at = None if ended is None else NOON + ended * MINUTE
    output = format.deadline(NOON, ended_at, status, CHICAGO, NOON + 5 * MINUTE)
    assert output == (f"12:00:00 CST {words}", missed)


def test_times_have_their_zone_and_their_day() -> None:
    """By the clock that is named; the day is told if it is another one there."""
    night = datetime(2026, 11, 28, 5, 30, 7, tzinfo=UTC)
    assert format.local(night, CHICAGO, NOON) == "2026-11-27 23:30:07 CST"
    assert format.local(night, UTC, NOON) == "05:30:07 UTC"
    assert format.hour_or_day(night, CHICAGO, NOON) == "11-27 23:30"
    assert format.short(night, CHICAGO) == "11-27 23:30:07 CST"
    assert format.local(night, CHICAGO, NOON, parts="milliseconds").endswith("23:30:07.000 CST")


def test_an_hour_that_comes_twice_has_its_zone() -> None:
    """On the night when the clocks go back nobody can mistake one for the other."""
    hours = [datetime(2026, 11, 1, utc, 30, tzinfo=UTC) for utc in (5, 6, 7, 8)]
    assert [format.hour(when, CHICAGO) for when in hours] == ["00:30", "01:30 CDT", "01:30 CST", "02:30"]
