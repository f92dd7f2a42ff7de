"""Request models of business calendars."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hms_floor.api.requests.requests import Reasoned


class SetCalendar(Reasoned):
    """The office hours in which the SLAs of a queue count; with null as its hours time always counts."""

    hours: Annotated[
        str | None,
        Field(
            max_length=500,
            description="As OpenStreetMap writes opening hours.",
            examples=["Mo-Fr 08:00-16:30; Sa 09:00-12:00"],
        ),
    ]
    timezone: Annotated[str | None, Field(max_length=100, description="The office's, if none is named.")] = (
        None
    )
    holidays: Annotated[
        str | None, Field(max_length=20, description="Those of a country or a part of it, as US-IL.")
    ] = None
