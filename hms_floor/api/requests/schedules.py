"""Request models of schedules."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BeforeValidator, Field, StringConstraints

from hms_floor.api.requests.requests import JobType, Minutes, RequestModel, Text, whole
from hms_oms.recipes.schedules.written import MOST_HOURS, MOST_MINUTES

ScheduleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
SchedulePath = Annotated[ScheduleName, Path(alias="schedule", examples=["daily-grants"])]
_Whole = BeforeValidator(whole)


class AddSchedule(RequestModel):
    """A schedule to add; it starts either one job with `payload`, or the cycle of the files of `source`."""

    name: ScheduleName
    job_type: JobType
    cron: Annotated[str, StringConstraints(min_length=1, max_length=200), Field(examples=["0 6 * * MON-FRI"])]
    timezone: Annotated[str | None, Field(max_length=100, description="The office's, if none is named.")] = (
        None
    )
    calendar: Annotated[
        str | None, Field(max_length=20, description="On business days of this calendar only, as US-IL.")
    ] = None
    payload: dict[str, Any] | None = None
    source: Annotated[
        str | None,
        Field(
            max_length=1000,
            description="A folder below that of incoming files, with a pattern or without, or an https URL.",
        ),
    ] = None
    sla_minutes: Annotated[Minutes | None, Field(description="Instead of the queue's SLA.")] = None
    catch_up: Literal["none", "last", "all"] = "last"
    catch_up_hours: Annotated[int, Field(ge=1, le=MOST_HOURS), _Whole] = 24
    overlap: Literal["start", "skip"] = "start"
    missing_after_minutes: Annotated[int, Field(ge=1, le=MOST_MINUTES), _Whole] = 15
    reason: Annotated[Text | None, Field(description="Why, for the audit trail.")] = None
