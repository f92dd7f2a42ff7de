"""Format times, lengths of time, numbers and shares for pages, terminals and texts.

Times of day are those of the zone that is given. Lengths of time have a unit each and never more than two:
seconds below a minute, minutes below an hour, hours (with minutes below ten hours) below two days, then days;
a part of a unit is cut off, not rounded up. An SLA is exact: `90 s`, `45 min`, `2 h 30 min`, `48 h`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo

from hms_oms.runtime import clock


def hour(when: datetime, zone: tzinfo) -> str:
    """A time of day: `10:42`; with its zone, `01:30 CDT`, if the clock shows it twice that day."""
    here = when.astimezone(zone)
    return f"{here:%H:%M %Z}" if clock.twice(when, zone) else f"{here:%H:%M}"


def hour_or_day(when: datetime, zone: tzinfo, now: datetime) -> str:
    """A time of day, and the day before it if it is another one than today: `11-28 10:42`."""
    here = when.astimezone(zone)
    day = "" if here.date() == now.astimezone(zone).date() else f"{here:%m-%d} "
    return day + hour(when, zone)


def hour_and_zone(when: datetime, zone: tzinfo) -> str:
    """A time of day with its zone: `10:42 CDT`."""
    return f"{when.astimezone(zone):%H:%M %Z}"


def time_of_day(when: datetime, zone: tzinfo, *, parts: str = "seconds") -> str:
    """A time of day to the second (or to `parts`, as milliseconds) with its zone: `10:42:07 CDT`."""
    here = when.astimezone(zone)
    return f"{here.time().isoformat(parts)} {here:%Z}"


def day(when: datetime, zone: tzinfo) -> str:
    """The day of a time: `2026-11-28`."""
    return f"{when.astimezone(zone):%Y-%m-%d}"


def moment(when: datetime, zone: tzinfo) -> str:
    """A day and a time with its zone: `2026-11-28 10:42:07 CST`."""
    return f"{when.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def minute(when: datetime, zone: tzinfo) -> str:
    """A day and a time to the minute, with its zone: `2026-11-28 10:42 CST`."""
    return f"{when.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def short(when: datetime, zone: tzinfo) -> str:
    """A time for tables, without its year: `11-28 10:42:07 CST`."""
    return f"{when.astimezone(zone):%m-%d %H:%M:%S %Z}"


def local(when: datetime, zone: tzinfo, now: datetime, *, parts: str = "seconds") -> str:
    """A time of day with its zone, and the day before it if it is another one than today."""
    here = when.astimezone(zone)
    date = "" if here.date() == now.astimezone(zone).date() else f"{here:%Y-%m-%d} "
    return date + time_of_day(when, zone, parts=parts)


def local_and_relative(when: datetime, zone: tzinfo, now: datetime) -> str:
    """A time and how far away it is: `10:42:07 CDT (in 4 min)`."""
    return f"{local(when, zone, now)} ({relative(when, now)})"


def deadline(
    due: datetime,
    ended: datetime | None,
    status: str,
    zone: tzinfo,
    now: datetime,
    held_at: datetime | None = None,
) -> tuple[str, bool]:
    """A job's deadline and what came of it, and whether it was missed: a failed job has missed its own.

    One that is held since `held_at` is not late: its deadline will be moved.
    """
    at = local(due, zone, now)
    if status == "failed":
        return f"{at} (missed: the job failed)", True
    if status == "cancelled":
        return f"{at} (the job was cancelled: neither met nor missed)", False
    if ended is None and held_at is not None:
        return f"{at}, and later by the time that it is held", False
    if ended is None:
        return (
            (f"{at} ({about(now - due)} late)", True)
            if due < now
            else (f"{at} ({relative(due, now)})", False)
        )
    if ended <= due:
        return f"{at} (met, {about(due - ended)} to spare)", False
    return f"{at} (missed by {about(ended - due)})", True


def predicted_end(
    ends: datetime | None, due: datetime, zone: tzinfo, now: datetime, *, at_risk: bool | None
) -> str:
    """When a job will end if nothing changes, and how long before or after its deadline.

    Empty if that was not foreseen (`at_risk` is None).
    """
    if at_risk is None:
        return ""
    if ends is None:
        return "not before something changes" if at_risk else "cannot be told"
    at = local(ends, zone, now)
    return f"{at} ({about(ends - due)} late)" if ends > due else f"{at} ({about(due - ends)} to spare)"


def relative(when: datetime, now: datetime) -> str:
    """How far away a time is: `in 4 min`, `2 h ago`."""
    distance = abs(when - now)
    if distance < timedelta(seconds=1):
        return "now"
    return f"in {about(distance)}" if when > now else f"{about(distance)} ago"


def about(length: timedelta | float) -> str:
    """A length of time (a number is in seconds) in one unit, or in two if the first says little."""
    seconds = int(_seconds(length))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 36000 and seconds % 3600 >= 60:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 3600} h" if seconds < 172800 else f"{seconds // 86400} d"


def span(length: timedelta | float) -> str:
    """A measured length of time, with the digits that matter: `27 ms`, `3.0 s`, `6 min 56 s`, `2 h 5 min`."""
    seconds = max(0.0, _seconds(length))
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} min {int(seconds) % 60} s"
    return about(seconds)


def minutes(number: float) -> str:
    """An SLA, exactly: `90 s`, `45 min`, `2 h 30 min`, `48 h`."""
    seconds = round(60 * number, 3)
    if seconds % 60 or seconds < 60:
        whole, rest = divmod(seconds, 60)
        return f"{seconds:g} s" if seconds < 120 else f"{minutes(whole)} {rest:g} s"
    if number < 120:
        return f"{number:.0f} min"
    whole, rest = divmod(round(number), 60)
    return f"{whole:,} h {rest} min" if rest else f"{whole:,} h"


def count(number: int, singular: str, many: str | None = None) -> str:
    """A number of things: `1 text`, `1,204 texts`."""
    return f"{number:,} {singular if number == 1 else many or singular + 's'}"


def size(number: float) -> str:
    """A number of bytes in one unit: `512 B`, `8.0 kB`, `1.2 GB`, with 1,024 of one unit in the next."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1023.95:
            return f"{number:.0f} B" if unit == "B" else f"{number:,.1f} {unit}"
        number /= 1024
    return f"{number:,.1f} TB"


def slots(number: int, lost: int) -> str:
    """So many slots, and how many of them do no more work: `16 slots, 3 lost to hung steps`."""
    return count(number, "slot") + (f", {lost:,} lost to hung steps" if lost else "")


def share(part: int, whole: int) -> str:
    """A share in percent: 0 and 100 only if it is exactly that, a dash of nothing."""
    return percent(part / whole if whole else None, exact=part in (0, whole))


def percent(value: float | None, *, exact: bool = True) -> str:
    """A share from 0 to 1 in percent: 0 and 100 only if it is exactly that, a dash of nothing."""
    if value is None:
        return "-"
    if exact and not 0 < value < 1:
        return f"{100 * value:.0f} %"
    return f"{min(max(100 * value, 0.1), 99.9):.1f} %"


def progress(done: float, note: str, at: datetime, now: datetime) -> str:
    """How far a step is, as it said a while ago: `40 %, page 12 (3 s ago)`."""
    words = ", ".join(part for part in (percent(done, exact=done in (0, 1)), note) if part)
    return f"{words} ({relative(at, now)})"


def field(payload: object, name: str) -> str:
    """A field of a payload as lists show it; empty if it is missing."""
    value = payload.get(name) if isinstance(payload, Mapping) else None
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _seconds(length: timedelta | float) -> float:
    return length.total_seconds() if isinstance(length, timedelta) else length
