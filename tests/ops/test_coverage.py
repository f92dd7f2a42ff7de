"""Coverage of a rota: which hours no shift covers, in every zone and through every change of the clock."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hms_ops.oncall import coverage, oncall

ZONES = ("UTC", "America/Chicago", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Nuuk")


def rota(*shifts: tuple[str, str, str], zone: str = "America/Chicago", policy: Any = None) -> dict[str, Any]:
    """A document with these shifts (days, from, until), all of Ada's."""
    return {
        "timezone": zone,
        "recipients": {"ada": "+12025550143", "grace": "+12025550144"},
        "shifts": [
            {"name": "s", "days": days.split(), "from": begins, "until": ends, "recipient": "ada"}
            for days, begins, ends in shifts
        ],
        "steps": policy or [{"after_minutes": 0, "notify": ["shift:s"]}],
    }


@pytest.mark.parametrize(
    ("shifts", "gaps"),
    [
        ([("mon tue wed thu fri sat sun", "00:00", "00:00")], []),
        ([("mon tue wed thu fri sat sun", "07:00", "07:00")], []),
        ([("mon tue wed thu fri", "07:00", "07:00")], ["Sat 07:00 - Mon 07:00"]),
        ([("mon tue wed thu fri sat", "00:00", "00:00")], ["Sun 00:00 - Mon 00:00"]),
        ([("mon", "07:00", "08:00")], ["Mon 08:00 - Mon 07:00"]),
        (
            [("mon tue wed thu fri sat sun", "07:00", "19:00")],
            [
                *("Mon 19:00 - Tue 07:00", "Tue 19:00 - Wed 07:00", "Wed 19:00 - Thu 07:00"),
                *("Thu 19:00 - Fri 07:00", "Fri 19:00 - Sat 07:00", "Sat 19:00 - Sun 07:00"),
                "Sun 19:00 - Mon 07:00",
            ],
        ),
        (
            [("sun", "23:59", "00:01"), ("mon", "00:02", "23:59")],
            ["Mon 00:01 - 00:02", "Mon 23:59 - Sun 23:59"],
        ),
    ],
)
def test_the_gaps_of_a_week_are_listed(shifts: list[tuple[str, str, str]], gaps: list[str]) -> None:
    """To the minute, whole over Sunday's midnight, and none if every hour is covered."""
    assert [str(gap) for gap in coverage.gaps(rota(*shifts))] == gaps


def test_a_step_without_anybody_is_told_from_a_ladder_without_anybody() -> None:
    """If a later step names a person, somebody is texted; the step that is skipped is named."""
    steps = [{"after_minutes": 0, "notify": ["shift:s"]}, {"after_minutes": 5, "notify": ["grace"]}]
    (gap,) = coverage.gaps(rota(("mon tue wed thu fri", "07:00", "07:00"), policy=steps))
    assert (gap.steps, gap.nobody, gap.document().hours) == ((1,), False, 48.0)
    (whole,) = coverage.gaps(rota(("mon tue wed thu fri", "07:00", "07:00")))
    assert (whole.steps, whole.nobody) == ((1,), True)


@pytest.mark.parametrize(
    ("zone", "since", "shift", "hours"),
    [
        # The clock goes forward at 02:00: the night has an hour less, backward: an hour more.
        ("America/Chicago", "2027-03-13T12:00", ("sat sun", "07:00", "23:00"), 7),
        ("America/Chicago", "2026-10-31T12:00", ("sat sun", "07:00", "23:00"), 9),
        ("America/Chicago", "2026-11-07T12:00", ("sat sun", "07:00", "23:00"), 8),
        ("Europe/Berlin", "2026-10-24T12:00", ("sat sun", "07:00", "23:00"), 9),
        # Half an hour, on Lord Howe.
        ("Australia/Lord_Howe", "2026-10-03T12:00", ("sat sun", "07:00", "23:00"), 7.5),
    ],
)
def test_a_change_of_the_clock_shortens_or_lengthens_a_gap(
    zone: str, since: str, shift: tuple[str, str, str], hours: float
) -> None:
    """The real time in which nobody is on call in the night from Saturday to Sunday."""
    begin = datetime.fromisoformat(since).replace(tzinfo=ZoneInfo(zone))
    spans = coverage.spans(rota(shift, zone=zone), begin, begin + timedelta(hours=24))
    assert [(until - since).total_seconds() / 3600 for since, until in spans] == [hours]


def test_an_hour_that_does_not_come_is_no_gap() -> None:
    """A gap from 02:00 to 03:00 on Sundays is none on the Sunday on which that hour is skipped."""
    document = rota(
        ("mon tue wed thu fri sat", "00:00", "00:00"), ("sun", "00:00", "02:00"), ("sun", "03:00", "00:00")
    )
    assert [str(gap) for gap in coverage.gaps(document)] == ["Sun 02:00 - 03:00"]
    for day, hours in (("2027-03-07", [1]), ("2027-03-14", []), ("2026-11-01", [1])):
        begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("America/Chicago"))
        spans = coverage.spans(document, begin, begin + timedelta(hours=24))
        assert [(until - since).total_seconds() / 3600 for since, until in spans] == hours


CLOCKS = st.builds(lambda h, m: f"{h:02}:{m:02}", st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 59]))
SHIFTS = st.lists(
    st.tuples(st.lists(st.sampled_from(oncall.DAYS), min_size=1, unique=True).map(" ".join), CLOCKS, CLOCKS),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(
    shifts=SHIFTS,
    zone=st.sampled_from(ZONES),
    moment=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
)
def test_the_listed_hours_are_those_in_which_nobody_is_on_call(
    shifts: list[tuple[str, str, str]], zone: str, moment: datetime
) -> None:
    """At any moment, by the wall clock and in real time alike, changes of the clock included."""
    document = rota(*shifts, zone=zone)
    alone = not oncall.on_call(document, moment)[0].recipients
    wall = moment.astimezone(ZoneInfo(zone))
    assert any(_covers(gap, wall.weekday(), wall.time()) for gap in coverage.gaps(document)) == alone
    around = coverage.spans(document, moment - timedelta(days=2), moment + timedelta(days=2))
    assert any(since <= moment < until for since, until in around) == alone
    covered = coverage.next_cover(document, moment)
    if alone and covered is not None:
        assert covered[0] > moment
        assert oncall.on_call(document, covered[0])[0].recipients
        assert not oncall.on_call(document, covered[0] - timedelta(seconds=1))[0].recipients
    if alone and covered is None:
        assert not shifts or len(coverage.spans(document, moment, moment + coverage.AHEAD)) == 1


def _covers(gap: coverage.Gap, weekday: int, clock: time) -> bool:
    begin = gap.weekday * 1440 + gap.begins.hour * 60 + gap.begins.minute
    minute = weekday * 1440 + clock.hour * 60 + clock.minute
    return (minute - begin) % (7 * 1440) < gap.minutes
