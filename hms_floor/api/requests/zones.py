"""The time zone of a response: the office's, or the one that the caller names."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, Query

from hms_floor.api.app_state import TheAppState
from hms_floor.api.requests.requests import Word
from hms_floor.api.transport.problems import unprocessable
from hms_oms.runtime import clock


async def _zone(
    app_state: TheAppState,
    zone: Annotated[
        Word | None,
        Query(
            description="The time zone of days, and of times in sentences; the office's, if none is named."
        ),
    ] = None,
) -> ZoneInfo:
    try:
        return app_state.settings.zone if zone is None else clock.zone(zone)
    except ValueError as error:
        raise unprocessable(("zone", str(error))) from None


#: What a route declares to know it.
Zone = Annotated[ZoneInfo, Depends(_zone)]


def start_of(when: date | datetime, zone: tzinfo) -> datetime:
    """The moment of a query: of a day its start, by the clock in `zone`."""
    return when if isinstance(when, datetime) else clock.midnight(when, zone).astimezone(UTC)
