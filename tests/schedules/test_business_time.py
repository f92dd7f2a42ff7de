"""Business time: office hours, holidays, clocks that go forward and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hms_oms.timetables import business_time, opening_hours
from hms_oms.timetables.business_time import NeverOver, OfficeHours, deadline, elapsed, moved, start_of

CHICAGO = "America/Chicago"
OFFICE = OfficeHours(opening_hours.read("Mo-Fr 08:00-16:00"), CHICAGO, "US-IL")
ZONES = (CHICAGO, "UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu")
WRITTEN = (
    "Mo-Fr 08:00-16:00",
    "Mo-Fr 08:00-12:00,13:00-17:30; Sa 09:00-12:00",
    "Mo-Su 00:00-24:00",
    "Su 01:00-04:00",
    "Mo-Su 00:00-02:30,02:45-03:15,03:30-24:00",
    "We 23:59-24:00",
)
OFFICES = st.builds(
    OfficeHours,
    st.sampled_from(WRITTEN).map(opening_hours.read),
    st.sampled_from(ZONES),
    st.sampled_from((None, "US", "DE-BY")),
)
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 1), timezones=st.just(UTC))
SPANS = st.timedeltas(timedelta(seconds=1), timedelta(hours=3))


def local(written: str, zone: str = CHICAGO) -> datetime:
    """The moment of a local time."""
    return datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-11-23T09:00", 2, "2026-11-23T11:00"),
        # What is accepted before or after the office's hours counts from when it opens.
        ("2026-11-23T05:00", 2, "2026-11-23T10:00"),
        ("2026-11-23T18:00", 2, "2026-11-24T10:00"),
        # The last moment of a day is still in it.
        ("2026-11-23T15:00", 1, "2026-11-23T16:00"),
        ("2026-11-23T15:00", 2, "2026-11-24T09:00"),
        # Thanksgiving is a holiday, and on the day after the next one there is the weekend.
        ("2026-11-25T15:00", 2, "2026-11-27T09:00"),
        ("2026-11-26T11:00", 9, "2026-11-30T09:00"),
    ],
)
def test_only_office_hours_count(start: str, hours: float, due: str) -> None:
    """A deadline is as many office hours after the start as the SLA has."""
    assert deadline(OFFICE, local(start), timedelta(hours=hours)) == local(due)
    assert elapsed(OFFICE, local(start), local(due)) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("start", "due", "hours"),
    [
        # On 8 March 2026 there is no time from 02:00 to 03:00,
        # on 1 November that from 01:00 to 02:00 comes twice.
        ("2026-03-08T00:00", "2026-03-09T00:00", 23),
        ("2026-11-01T00:00", "2026-11-02T00:00", 25),
        ("2026-03-08T01:30", "2026-03-08T03:30", 1),
        ("2026-11-01T00:30", "2026-11-01T02:30", 3),
    ],
)
def test_clocks_that_change_make_days_shorter_and_longer(start: str, due: str, hours: float) -> None:
    """Business time is what has passed while the office was open, whatever its clock has shown."""
    always = OfficeHours(opening_hours.read("Mo-Su 00:00-24:00"), CHICAGO)
    assert elapsed(always, local(start), local(due)) == timedelta(hours=hours)
    assert deadline(always, local(start), timedelta(hours=hours)) == local(due)


@pytest.mark.parametrize(
    ("hours", "open_for"),
    [
        # The second span lasts until 03:45 when the third has begun ...
        ("00:00-01:00,02:00-02:45,03:15-24:00", 22),
        # ... and this one would begin at 03:55 and has ended at 03:10.
        ("00:00-02:50,02:55-03:10,03:20-24:00", 23),
    ],
)
def test_hours_that_the_clocks_push_together_count_once(hours: str, open_for: float) -> None:
    """On the day that has no time from 02:00 to 03:00."""
    office = OfficeHours(opening_hours.read(f"Mo-Su {hours}"), CHICAGO)
    midnights = local("2026-03-08T00:00"), local("2026-03-09T00:00")
    assert elapsed(office, *midnights) == timedelta(hours=open_for)


@given(OFFICES, MOMENTS, SPANS)
@example(OfficeHours(opening_hours.read(WRITTEN[4]), CHICAGO), local("2026-03-08T00:10"), timedelta(hours=3))
@example(OfficeHours(opening_hours.read(WRITTEN[4]), CHICAGO), local("2026-11-01T00:10"), timedelta(hours=3))
@example(OFFICE, local("2026-11-25T15:59"), timedelta(hours=3))
def test_a_deadline_is_the_inverse_of_what_has_elapsed(
    office: OfficeHours, start: datetime, span: timedelta
) -> None:
    """From start to deadline the office is open for the SLA exactly, and until a moment earlier for less."""
    start = start.astimezone(UTC)
    due = deadline(office, start, span)
    assert elapsed(office, start, due) == span
    assert elapsed(office, start, due - timedelta(microseconds=1)) == span - timedelta(microseconds=1)
    assert business_time.is_open(office, due - timedelta(microseconds=1))
    # And backwards: the last start with this deadline is the moment from which its time began to count.
    last = start_of(office, due, span)
    assert last >= start
    assert elapsed(office, start, last) == timedelta(0)
    assert deadline(office, last, span) == due


@given(OFFICES, MOMENTS, MOMENTS, SPANS, SPANS)
def test_deadlines_keep_the_order_of_their_starts_and_slas(
    office: OfficeHours, start: datetime, later: datetime, short: timedelta, more: timedelta
) -> None:
    """Who is accepted earlier, or has less time, is never due later; time may be added in two parts."""
    first, second = sorted((start, later))
    assert deadline(office, first, short) <= deadline(office, second, short)
    assert deadline(office, first, short) < deadline(office, first, short + more)
    assert moved(office, deadline(office, first, short), more) == deadline(office, first, short + more)
    assert moved(office, deadline(office, first, short + more), -more) >= deadline(office, first, short)
    assert elapsed(office, first, second) <= second - first


def test_an_office_is_open_from_its_first_moment_on() -> None:
    """At its closing time it is closed."""
    moments = ("07:59:59", "08:00:00", "15:59:59", "16:00:00", "16:00:01")
    states = [business_time.is_open(OFFICE, local(f"2026-11-23T{moment}")) for moment in moments]
    assert states == [False, True, True, False, False]
    assert not business_time.is_open(OFFICE, local("2026-11-26T12:00"))


def test_a_deadline_is_moved_by_office_hours() -> None:
    """Later and earlier, over the night."""
    monday, tuesday = local("2026-11-23T15:00"), local("2026-11-24T09:00")
    assert moved(OFFICE, monday, timedelta(hours=2)) == tuesday
    assert moved(OFFICE, tuesday, timedelta(hours=-2)) == monday


@pytest.mark.parametrize("hours", [0, -1])
def test_no_time_at_all_is_over_at_once(hours: int) -> None:
    """Whether the office is open or not."""
    moment, span = local("2026-11-26T05:00"), timedelta(hours=hours)
    assert deadline(OFFICE, moment, span) == moment == start_of(OFFICE, moment, span)
    assert moved(OFFICE, moment, timedelta(0)) == moment


def test_hours_by_an_unknown_clock_or_calendar_are_faults() -> None:
    """Each names its field."""
    assert business_time.faults(OFFICE) == []
    assert business_time.faults(OfficeHours(OFFICE.week, CHICAGO)) == []
    faults = business_time.faults(OfficeHours(OFFICE.week, "America/Chicgo", "US-IX"))
    assert [field for field, _ in faults] == ["timezone", "holidays"]
    assert "did you mean America/Chicago?" in faults[0][1]
    assert "did you mean US-" in faults[1][1]


def test_an_office_that_is_never_open_long_enough_is_told() -> None:
    """An SLA that would not be over within twenty years is refused, and not looked for without end."""
    seldom = OfficeHours(opening_hours.read("We 23:59-24:00"), "UTC")
    with pytest.raises(NeverOver, match="open for less than 1,000 hours within 20 years"):
        deadline(seldom, local("2026-11-23T09:00"), timedelta(hours=999.6))
    with pytest.raises(NeverOver):
        start_of(seldom, local("2026-11-23T09:00"), timedelta(hours=1000))


@pytest.mark.parametrize(
    ("written", "read_back"),
    [
        ("mon-fri 8:00-16:00", "Mo-Fr 08:00-16:00"),
        ("Sa-Mo 10:00-12:00", "Mo 10:00-12:00; Sa-Su 10:00-12:00"),
        ("Mo,We 13:00-17:00,08:00-12:00;", "Mo 08:00-12:00,13:00-17:00; We 08:00-12:00,13:00-17:00"),
        ("Mo 08:00-12:00,12:00-12:59,13:59-14:00", "Mo 08:00-12:00,12:00-12:59,13:59-14:00"),
        ("Monday 00:00-24:00; tu 00:00-24:00", "Mo-Tu 00:00-24:00"),
    ],
)
def test_opening_hours_are_read_and_written(written: str, read_back: str) -> None:
    """Days may be written out; what is told has days with the same hours together."""
    assert opening_hours.write(opening_hours.read(written)) == read_back
    assert opening_hours.read(read_back) == opening_hours.read(written)


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("", "says of no day"),
        ("Mo", "'' is no span"),
        ("Xy 08:00-12:00", "'Xy' is no day of the week"),
        ("-Fr 08:00-12:00", "'' is no day of the week"),
        ("M 08:00-12:00", "'M' is no day of the week"),
        ("Mo 8-16", "'8-16' is no span"),
        ("Mo 08:00-24:01", "a day goes from 00:00 to 24:00"),
        ("Mo 08:00-12:60", "a day goes from 00:00 to 24:00"),
        ("Mo 08:00-08:00", "write hours over midnight as two"),
        ("Mo 08:00-25:00", "a day goes from 00:00 to 24:00"),
        ("Mo 08:60-12:00", "a day goes from 00:00 to 24:00"),
        ("Fr 22:00-06:00", "write hours over midnight as two"),
        ("Mo 08:00-12:00; Mo-Fr 11:00-16:00", "hours of Mo that overlap: 08:00-12:00 and 11:00-16:00"),
    ],
)
def test_opening_hours_that_say_nothing_are_refused(written: str, fault: str) -> None:
    """The message says what is wrong, and how hours are written."""
    with pytest.raises(ValueError, match=fault):
        opening_hours.read(written)
