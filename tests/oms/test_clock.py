"""Zones and local times: what exists twice or never is told, and days have the hours that they have."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hms_floor.cli import main
from hms_oms.runtime import clock
from hms_oms.runtime.clock import UnclearTime

HOUR = timedelta(hours=1)
ZONES = ("America/Chicago", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns", "UTC")
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("zone", "written", "last", "first"),
    [
        ("America/Chicago", "2027-03-14 02:30", "2027-03-14 01:59:59 CST", "2027-03-14 03:00 CDT"),
        ("America/Chicago", "2027-03-14T02:00:00", "2027-03-14 01:59:59 CST", "2027-03-14 03:00 CDT"),
        ("America/Chicago", "2027-03-14 02:59:59.5", "2027-03-14 01:59:59 CST", "2027-03-14 03:00 CDT"),
        ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-04 01:59:59 +1030", "2026-10-04 02:30 +11"),
        ("America/St_Johns", "2027-03-14 02:30", "2027-03-14 01:59:59 NST", "2027-03-14 03:00 NDT"),
        ("America/Havana", "2026-03-08 00:30", "2026-03-07 23:59:59 CST", "2026-03-08 01:00 CDT"),
        ("Europe/London", "2027-03-28 01:30", "2027-03-28 00:59:59 GMT", "2027-03-28 02:00 BST"),
        ("Pacific/Apia", "2011-12-30 12:00", "2011-12-29 23:59:59 -10", "2011-12-31 00:00 +14"),
    ],
)
def test_a_local_time_that_does_not_exist_is_refused(zone: str, written: str, last: str, first: str) -> None:
    """The refusal names the times between which the clocks go forward."""
    with pytest.raises(UnclearTime, match="does not exist in " + zone) as caught:
        clock.read(written, ZoneInfo(zone))
    assert str(caught.value).endswith(f"from {last} to {first}")


@pytest.mark.parametrize(
    ("zone", "written", "item", "other"),
    [
        ("America/Chicago", "2026-11-01 01:30", "2026-11-01 01:30-05:00", "2026-11-01 01:30-06:00"),
        ("America/Chicago", "2026-11-01T01:00:00", "2026-11-01 01:00-05:00", "2026-11-01 01:00-06:00"),
        ("Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-05 01:45+11:00", "2026-04-05 01:45+10:30"),
        ("America/St_Johns", "2026-11-01 01:59", "2026-11-01 01:59-02:30", "2026-11-01 01:59-03:30"),
        ("Europe/London", "2026-10-25 01:00:01", "2026-10-25 01:00:01+01:00", "2026-10-25 01:00:01+00:00"),
    ],
)
def test_a_local_time_that_exists_twice_is_asked_about(
    zone: str, written: str, item: str, other: str
) -> None:
    """Both readings are named, and each of them is understood as it is written there."""
    with pytest.raises(UnclearTime, match="is there twice in " + zone) as caught:
        clock.read(written, ZoneInfo(zone))
    assert item in str(caught.value)
    assert other in str(caught.value)
    first, second = (clock.read(text, ZoneInfo(zone)) for text in (item, other))
    assert first < second
    assert {f"{moment.astimezone(ZoneInfo(zone)):%H:%M}" for moment in (first, second)} == {written[11:16]}


@given(moment=MOMENTS, zone=st.sampled_from(ZONES))
def test_every_moment_can_be_written_and_read_back(moment: datetime, zone: str) -> None:
    """With its offset always; without it, it is read as that moment, or asked about where there are two."""
    here = moment.astimezone(ZoneInfo(zone))
    assert clock.read(here.isoformat(), ZoneInfo(zone)) == moment
    unclear = False
    try:
        assert clock.read(here.replace(tzinfo=None).isoformat(), ZoneInfo(zone)) == moment
    except UnclearTime:
        unclear = True
    assert clock.twice(moment, ZoneInfo(zone)) == unclear


@given(local=st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)), zone=st.sampled_from(ZONES))
def test_no_local_time_is_read_as_another(local: datetime, zone: str) -> None:
    """What is accepted shows the same on the clock; nothing is moved by an hour."""
    try:
        moment = clock.at(local, ZoneInfo(zone))
    except UnclearTime:
        return
    assert moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Chicago", date(2027, 3, 14), 23),
        ("America/Chicago", date(2026, 11, 1), 25),
        ("America/Chicago", date(2026, 11, 2), 24),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("America/Havana", date(2026, 3, 8), 23),
        ("America/Havana", date(2026, 11, 1), 25),
        ("Pacific/Apia", date(2011, 12, 31), 24),
    ],
)
def test_days_have_the_hours_that_they_have(zone: str, day: date, hours: float) -> None:
    """From its first moment until the next day's, whatever the clocks do in between."""
    here = ZoneInfo(zone)
    begins, ends = clock.midnight(day, here), clock.midnight(day + timedelta(days=1), here)
    assert (ends.astimezone(UTC) - begins.astimezone(UTC)) == hours * HOUR
    assert begins.date() == day
    for moment in (begins, ends.astimezone(UTC) - timedelta(seconds=1)):
        assert clock.day_of(moment, here) == (begins, ends)


@given(moment=MOMENTS, zone=st.sampled_from(ZONES))
def test_days_meet_without_a_gap(moment: datetime, zone: str) -> None:
    """Every moment lies in exactly one day, and that is the one on the calendar."""
    begins, ends = clock.day_of(moment, ZoneInfo(zone))
    assert begins.astimezone(UTC) <= moment < ends.astimezone(UTC)
    assert clock.day_of(ends, ZoneInfo(zone))[0] == ends


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("america/chicago", "America/Chicago"),
        ("America/Chicgo", "America/Chicago"),
        ("America/New York", "America/New_York"),
        ("../etc/passwd", None),
        ("posix/UTC", None),
        ("localtime", None),
        ("/usr/share/zoneinfo/UTC", None),
        ("", None),
        ("America/Chicago\0", "America/Chicago"),
    ],
)
def test_a_wrong_zone_is_told_precisely(name: str, near: str | None) -> None:
    """With the zone that may be meant; no name leads out of the zone files."""
    with pytest.raises(ValueError, match="is not a time zone") as caught:
        clock.zone(name)
    assert near is None or f"did you mean {near}?" in str(caught.value)


def test_zones_are_known_without_files_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slim container has no zone files: then those of a package are used."""
    import zoneinfo

    ZoneInfo.clear_cache()
    zoneinfo.reset_tzpath(to=[])
    try:
        assert clock.zone("America/Chicago").utcoffset(datetime(2026, 11, 28)) == -6 * HOUR
        assert "America/Chicago" in available_timezones()
    finally:
        zoneinfo.reset_tzpath()


@pytest.mark.parametrize("program", ["act run", "ops run", "floor run", "worker run", "up", "queue list"])
def test_a_machine_without_zones_is_told_of_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """Whatever begins there names the package that is missing, and shows no traceback."""
    import zoneinfo

    for name in [name for name in sys.modules if name.partition(".")[0] == "tzdata"]:
        monkeypatch.delitem(sys.modules, name)
    # None: a module that cannot be imported.
    monkeypatch.setitem(sys.modules, "tzdata", None)
    ZoneInfo.clear_cache()
    zoneinfo.reset_tzpath(to=[])
    try:
        answer = CliRunner().invoke(main, program.split(), prog_name="hms")
    finally:
        zoneinfo.reset_tzpath()
        ZoneInfo.clear_cache()
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr == (
        "Error: this machine has no time zones: install the package tzdata (pip install tzdata)\n"
    )


@pytest.mark.parametrize(
    ("environ", "link", "named"),
    [
        ({"TZ": "America/Chicago"}, "/usr/share/zoneinfo/Etc/UTC", "America/Chicago"),
        ({"TZ": ":/usr/share/zoneinfo/America/Chicago"}, None, "America/Chicago"),
        ({}, "/usr/share/zoneinfo/America/Denver", "America/Denver"),
        ({"TZ": "XYZ4"}, "/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
        ({}, "/usr/share/zoneinfo/Etc/UTC", "UTC"),
        ({}, None, "UTC"),
    ],
)
def test_this_machines_zone_has_a_name_or_is_utc(
    tmp_path: Path, environ: Mapping[str, str], link: str | None, named: str
) -> None:
    """What the environment says, else what the machine was set up with, else UTC."""
    if link is not None:
        (tmp_path / "localtime").symlink_to(link)
    assert clock.machine_zone(environ, tmp_path) == named


def test_this_machines_zone_is_known_without_a_look_at_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for again and again; without TZ, and with one that is none, as well."""

    def listed() -> set[str]:
        raise AssertionError("all zone files were read")

    monkeypatch.setattr(clock, "available_timezones", listed)
    for environ in ({}, {"TZ": ""}, {"TZ": ":/etc/localtime"}, {"TZ": "Nowhere/City"}):
        assert clock.machine_zone(environ)
