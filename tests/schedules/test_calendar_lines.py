"""The lines of a day in the calendar of schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hms_floor.pages.schedules.calendar import lines


def entry(at: str, schedule: str, state: str = "planned") -> dict[str, Any]:
    """An entry as the API tells it."""
    return {"at": f"2026-11-24T{at}:00+00:00", "schedule": schedule, "state": state}


def test_the_lines_of_a_day_are_in_the_order_of_time() -> None:
    """Whatever the schedules are called; what comes often is one line, at the time of its first."""
    often = [entry(f"{hour:02}:30", "hourly") for hour in range(7, 13)]
    day = [entry("06:00", "grants"), *often, entry("09:00", "appeals"), entry("10:00", "grants", "started")]
    assert lines(day, lambda given: datetime.fromisoformat(given["at"])) == [
        ("06:00", "grants", "planned"),
        ("07:30 to 12:30, 6 times", "hourly", "planned"),
        ("09:00", "appeals", "planned"),
        ("10:00", "grants", "started"),
    ]
