"""Schedules and runs as the ledger has them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import RowMapping

from hms_oms.documents.schedules import ScheduleFields
from hms_oms.runtime.errors import HmsError
from hms_oms.schedules.planning import Rules
from hms_oms.timetables.timetable import Timetable


class UnknownSchedule(HmsError):
    """No schedule has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no schedule {name}")


class ScheduleExists(HmsError):
    """A schedule has this name already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a schedule {name} already: remove it first, or choose another name")


class InRecipe(HmsError):
    """A schedule that stands in a recipe is not removed by hand: it would come back."""

    def __init__(self, name: str, job_type: str) -> None:
        super().__init__(
            f"{name} stands in the recipe of {job_type}: take it out there and run `hms db migrate`,"
            " or pause it"
        )


class NotWaiting(HmsError):
    """No run of the schedule waits for a file, and the latest has not failed."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"no run of {name} waits for a file, and the latest has not failed: there is nothing to skip"
        )


@dataclass(frozen=True, slots=True)
class Schedule(ScheduleFields):
    """A schedule; `next_at` is its next run, None if it is never due again."""

    id: int
    source: str | None
    next_at: datetime | None

    @property
    def timetable(self) -> Timetable:
        """When it is due."""
        return Timetable(self.cron, self.timezone, self.calendar)

    @property
    def rules(self) -> Rules:
        """What is done of runs that are late, or that overlap."""
        return Rules(self.catch_up, timedelta(hours=self.catch_up_hours), self.overlap)

    @property
    def actor(self) -> str:
        """Who has asked for what it starts, in the event logs."""
        return f"schedule {self.name}"

    @classmethod
    def of_row(cls, row: RowMapping) -> Self:
        """One row of the ledger."""
        return cls(**{field.name: row[field.name] for field in fields(cls)})


@dataclass(frozen=True, slots=True)
class Run:
    """A run; `batches` are the cycles that it has made."""

    id: int
    schedule_id: int
    schedule: str
    due_at: datetime
    state: str
    requested_by: str | None
    note: str | None
    expected_by: datetime | None
    job_id: int | None
    batches: tuple[int, ...]
    ended_at: datetime | None

    @classmethod
    def of_row(cls, row: RowMapping) -> Self:
        """One row of the ledger."""
        values = {field.name: row[field.name] for field in fields(cls)}
        return cls(**{**values, "batches": tuple(row["batches"])})
