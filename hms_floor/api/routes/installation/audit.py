"""The audit trail: changes, and attempts that were refused."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from hms_floor.api.access.guard import Guarded
from hms_floor.api.app_state import TheAppState
from hms_floor.api.requests.requests import Cursor, Limit, Moment, Word
from hms_floor.api.responses import Trail, next_page
from hms_oms.access import audit

router = APIRouter(route_class=Guarded, tags=["audit"])


@router.get("/audit")
def find(
    app_state: TheAppState,
    actor: Annotated[Word | None, Query()] = None,
    action: Annotated[Word | None, Query(description="As `POST /jobs/{id}/cancel`.")] = None,
    subject: Annotated[Word | None, Query(description="As `job-219` or a queue's name.")] = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Trail:
    """The lines of the trail, newest first."""
    matching = audit.Filter(actor, action, subject, since, until)
    with app_state.reading() as connection:
        entries = audit.find(connection, matching, limit=limit, after=cursor)
    return Trail(tuple(entries), next_page(entries, limit))
