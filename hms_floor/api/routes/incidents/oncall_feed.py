"""The calendar of shifts, and the address under which calendars read it without a badge."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from hms_floor.api.access.guard import Guarded, Who
from hms_floor.api.app_state import AppState, TheAppState
from hms_floor.api.requests.requests import Reasoned
from hms_floor.api.transport.problems import Problem
from hms_oms.access import audit
from hms_oms.database import health
from hms_ops.documents.calling import OnCallFeed
from hms_ops.oncall import feeds, oncall
from hms_ops.oncall.feeds import Feed
from hms_ops.webhooks import signing

router = APIRouter(route_class=Guarded, tags=["incidents"])

#: The longest token that is looked at.
LONGEST = 100


@router.get("/oncall.ics", response_class=Response, responses={200: {"content": {"text/calendar": {}}}})
def calendar(app_state: TheAppState, token: Annotated[str, Query(max_length=LONGEST)] = "") -> Response:
    """The shifts as a calendar (iCalendar), for those who have its address."""
    # Here, since most processes that have the routes are never asked for it.
    from hms_floor.presentation.oncall import shift_calendar

    with app_state.reading() as connection:
        if not feeds.holds(connection, signing.make_key(app_state.settings), token):
            raise Problem(404, "there is no such calendar: its address may have been revoked")
        in_force, now = oncall.in_force(connection), health.clock(connection)
    document = in_force.document if in_force else oncall.DEFAULT
    content = shift_calendar.ical(document, in_force.set_at if in_force else now)
    return Response(content, media_type="text/calendar", headers={"Cache-Control": "private, max-age=300"})


@router.get("/oncall/feed")
def get(app_state: TheAppState) -> OnCallFeed:
    """The address of the calendar of shifts."""
    with app_state.reading() as connection:
        return _shown(app_state, feeds.in_force(connection))


@router.post("/oncall/feed", status_code=201)
def make(app_state: TheAppState, who: Who, body: Reasoned | None = None) -> OnCallFeed:
    """Make another address for the calendar of shifts; the one before holds no longer."""
    with app_state.writing() as connection:
        feed = feeds.make(connection, who.actor)
        reason = body.reason if body else None
        audit.write(connection, [who.act(f"feed-{feed.id}", status=201, reason=reason)])
    return _shown(app_state, feed)


@router.post("/oncall/feed/revoke")
def revoke(app_state: TheAppState, who: Who, body: Reasoned | None = None) -> OnCallFeed:
    """Revoke the address of the calendar of shifts: who has it reads nothing more."""
    with app_state.writing() as connection:
        feed = feeds.in_force(connection)
        if feed is None or not feeds.revoke(connection, who.actor):
            raise Problem(409, "there is no address to revoke")
        audit.write(connection, [who.act(f"feed-{feed.id}", reason=body.reason if body else None)])
    return _shown(app_state, None)


def _shown(app_state: AppState, feed: Feed | None) -> OnCallFeed:
    if feed is None:
        return OnCallFeed(None, None, None)
    base = (app_state.settings.public_url or "").rstrip("/")
    token = feeds.token(signing.make_key(app_state.settings), feed.id)
    return OnCallFeed(f"{base}/oncall.ics?token={token}", feed.made_by, feed.made_at)
