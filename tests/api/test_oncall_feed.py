"""The calendar of shifts: read without a badge by those who have its address, until it is revoked."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import sqlalchemy as sa

from hms_floor.auth.tokens import Role
from hms_floor.presentation.oncall import shift_calendar
from hms_ops.oncall import feeds, oncall
from tests.api.conftest import ApiServer

PHONE = "+12025550142"
DOCUMENT: dict[str, Any] = {
    "timezone": "America/Chicago",
    "recipients": {"ada": PHONE, "grace": {"channel": "ops-slack"}},
    "shifts": [
        {"name": "day", "days": ["mon", "wed"], "from": "07:00", "until": "19:00", "recipient": "ada"},
        {"name": "night", "days": ["sun"], "from": "19:00", "until": "07:00", "recipient": "grace"},
    ],
    "steps": [{"after_minutes": 0, "notify": ["shift:day", "shift:night"]}],
}


def events(content: bytes) -> dict[str, Any]:
    """The events of a calendar by their summaries."""
    return {str(event["summary"]): event for event in icalendar.Calendar.from_ical(content).walk("VEVENT")}


def shown(api_server: ApiServer, address: str) -> Any:
    """What is at an address, without a badge."""
    return api_server.client.get(address)


def test_shifts_are_events_that_repeat() -> None:
    """From the first day of theirs on, each week, by the clock on the wall; a night ends the next morning."""
    document = oncall.validated(DOCUMENT)
    # A Tuesday, and in Chicago still the Monday before.
    content = shift_calendar.ical(document, datetime(2026, 7, 7, 3, tzinfo=UTC))
    by_name = events(content)
    day, night = by_name["ada on call (day)"], by_name["grace on call (night)"]
    chicago = ZoneInfo("America/Chicago")
    assert day["dtstart"].dt == datetime(2026, 7, 6, 7, tzinfo=chicago)
    assert day["rrule"].to_ical() == b"FREQ=WEEKLY;BYDAY=MO,WE"
    assert night["dtstart"].dt == datetime(2026, 7, 12, 19, tzinfo=chicago)
    assert night["dtend"].dt == datetime(2026, 7, 13, 7, tzinfo=chicago)
    assert night["dtend"].dt.date() == date(2026, 7, 13)
    assert b"BEGIN:VTIMEZONE" in content
    assert PHONE.encode() not in content
    assert b"ops-slack" not in content


def test_a_shift_keeps_its_name_in_calendars() -> None:
    """What changes beside it is no reason to have it twice; two that are alike are two."""
    since = datetime(2026, 7, 7, tzinfo=UTC)
    first = events(shift_calendar.ical(oncall.validated(DOCUMENT), since))
    changed = {**DOCUMENT, "shifts": [*reversed(DOCUMENT["shifts"])], "timezone": "UTC"}
    second = events(shift_calendar.ical(oncall.validated(changed), since))
    assert {name: event["uid"] for name, event in first.items()} == {
        name: event["uid"] for name, event in second.items()
    }
    twice = {**DOCUMENT, "shifts": [DOCUMENT["shifts"][1], *[DOCUMENT["shifts"][0]] * 2]}
    content = shift_calendar.ical(oncall.validated(twice), since)
    uids = [event["uid"] for event in icalendar.Calendar.from_ical(content).walk("VEVENT")]
    assert len(set(uids)) == 3


def test_the_address_is_read_until_it_is_revoked(api_server: ApiServer) -> None:
    """A manager makes it, readers see it, another one ends it; of a wrong one nothing is there."""
    api_server.ask("PUT", "/oncall", {"document": DOCUMENT}, Role.MANAGER)
    assert api_server.get("/oncall/feed", Role.VIEWER)["address"] is None
    assert shown(api_server, "/oncall.ics").status_code == 404
    assert api_server.ask("POST", "/oncall/feed", {}, Role.VIEWER).status_code == 403
    made = api_server.ask("POST", "/oncall/feed", {"reason": "for the wall"}, Role.MANAGER).json()
    assert made == api_server.get("/oncall/feed", Role.VIEWER)
    answer = shown(api_server, made["address"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    assert set(events(answer.content)) == {"ada on call (day)", "grace on call (night)"}
    for wrong in (made["address"][:-1], made["address"] + "0", "/oncall.ics?token=0-ü", "/oncall.ics?token="):
        assert shown(api_server, wrong).status_code == 404
    another = api_server.ask("POST", "/oncall/feed", None, Role.MANAGER).json()
    assert shown(api_server, made["address"]).status_code == 404
    assert shown(api_server, another["address"]).status_code == 200
    assert api_server.ask("POST", "/oncall/feed/revoke", {"reason": "lost"}, Role.MANAGER).status_code == 200
    assert shown(api_server, another["address"]).status_code == 404
    assert api_server.ask("POST", "/oncall/feed/revoke", {}, Role.MANAGER).status_code == 409
    token = made["address"].partition("=")[2]
    assert token not in (api_server.settings.home / "floor.log").read_text()
    trail = api_server.get("/audit", Role.ADMIN)["entries"]
    assert token not in str(trail)
    assert "for the wall" in str(trail)


def test_the_token_of_no_feed_opens_nothing(engine: sa.Engine) -> None:
    """Where there is none, not even what is compared with is one."""
    key = b"k" * 32
    with engine.begin() as connection:
        assert not feeds.holds(connection, key, feeds.token(key, 0))
        feed = feeds.make(connection, "ann")
        assert feeds.holds(connection, key, feeds.token(key, feed.id))
        assert not feeds.holds(connection, b"x" * 32, feeds.token(key, feed.id))
        assert feeds.revoke(connection, "ann")
        assert not feeds.holds(connection, key, feeds.token(key, feed.id))
        connection.rollback()
