"""What is measured, as Prometheus and as people read it; whether the watch is at work; texts."""

from __future__ import annotations

import secrets
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection, text

from hms_floor.api import asked
from hms_floor.api.access import Guarded, Who
from hms_floor.api.answers import ops as answers
from hms_floor.api.door import TheDoor, bare
from hms_floor.api.problems import Problem
from hms_oms import audit, health, outbox
from hms_oms.tickets import job_name
from hms_ops import attainment, exposition, misses, oncall, pulse, wording

router = APIRouter(route_class=Guarded, tags=["ops"])

#: So many texts may go to one phone in an hour: a program in a loop shall not ring all night.
TEXTS_AN_HOUR = 20
#: A test page that has not gone out after so long is of no use.
TEST_EXPIRES = timedelta(minutes=10)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(door: TheDoor) -> Response:
    """The newest metrics, as Prometheus reads them."""
    with door.reading() as connection:
        return Response(exposition.render(connection), media_type=exposition.CONTENT_TYPE)


@router.get("/ops", response_model=answers.Status)
def status(door: TheDoor) -> dict[str, Any]:
    """Whether the watch and the pager are at work."""
    with door.reading() as connection:
        found = pulse.status(connection)
    beats = [
        {
            "name": each.name,
            "at": each.at,
            "ageSeconds": each.age,
            "stale": each.stale,
            "detail": dict(each.detail),
        }
        for each in found
    ]
    return {"ok": not any(each.stale for each in found), "beats": beats}


@router.get("/sla/report", response_model=answers.Kept)
def report(
    door: TheDoor,
    since: Annotated[asked.DayOrMoment | None, Query(alias="from", description="A day or a time.")] = None,
    until: Annotated[asked.DayOrMoment | None, Query(alias="to", description="Before this.")] = None,
    week: Annotated[bool, Query(description="The week of `from`, or this one.")] = False,
) -> dict[str, Any]:
    """How promises were kept: the last seven days, where nothing else is asked for."""
    with door.reading() as connection:
        now = health.clock(connection)
        document = oncall.in_force(connection)
        zone = oncall.zone(document.document if document else oncall.DEFAULT)
        start, end = _span(since, until, now, zone, week=week)
        found = attainment.report(connection, start, end, zone)
        worst = misses.worst(connection, start, end)
    return {
        "since": start,
        "until": end,
        "zone": str(zone),
        "whole": found.whole,
        "queues": found.queues,
        "days": found.days,
        "worst": [_miss(each) for each in worst],
    }


@router.post("/texts", status_code=202, response_model=answers.Queued)
def send_text(door: TheDoor, who: Who, wanted: asked.SendText) -> dict[str, Any]:
    """Have a text sent: it waits in the outbox like every other, and never goes ahead of a page."""
    token = f"text-{secrets.token_hex(8)}"
    with door.writing() as connection:
        # One after the other, so that two at the same time cannot both be the last one.
        connection.execute(text("select pg_advisory_xact_lock(hashtext(:phone))"), {"phone": wanted.to})
        if connection.scalar(text(_LATELY), {"phone": wanted.to}) >= TEXTS_AN_HOUR:
            raise Problem(
                429,
                f"this phone has had {TEXTS_AN_HOUR} such texts within an hour",
                headers={"Retry-After": "600"},
            )
        outbox.put(bare(connection), token=token, job=None, kind="direct", recipient=wanted.to, body=wanted.text)
        audit.write(connection, [who.act(token, status=202)])
    return {"token": token, "to": wanted.to}


@router.post("/test-pages", status_code=202, response_model=answers.Queued)
def send_test_page(door: TheDoor, who: Who, wanted: asked.TestPage) -> dict[str, Any]:
    """Send a page that only shows that pages arrive."""
    token = f"test-{secrets.token_hex(8)}"
    with door.writing() as connection:
        now, document = health.clock(connection), oncall.in_force(connection)
        zone = oncall.zone(document.document if document else oncall.DEFAULT)
        outbox.put_page(
            connection,
            token=token,
            incident=None,
            kind="test",
            reference=None,
            recipient=wanted.to,
            body=wording.test_page(now, zone),
            expires_at=now + TEST_EXPIRES,
        )
        audit.write(connection, [who.act(token, status=202)])
    return {"token": token, "to": wanted.to}


def _span(
    since: date | datetime | None,
    until: date | datetime | None,
    now: datetime,
    zone: tzinfo,
    *,
    week: bool,
) -> tuple[datetime, datetime]:
    if week:
        return attainment.week(_moment(since, zone) if since else now, zone)
    end = _moment(until, zone) if until else now
    start = _moment(since, zone) if since else end - timedelta(days=7)
    if not timedelta() < end - start <= timedelta(days=366):
        raise Problem(409, "a report is over a time that ends after it begins, of a year at most")
    return start, end


def _moment(when: date | datetime, zone: tzinfo) -> datetime:
    return when if isinstance(when, datetime) else datetime.combine(when, time(), zone).astimezone(UTC)


def _miss(found: misses.Miss) -> dict[str, Any]:
    return {
        "job": job_name(found.job),
        "type": found.type,
        "queue": found.queue,
        "status": found.status,
        "deadline": found.deadline,
        "finishedAt": found.finished_at,
        "lateSeconds": found.late_seconds,
        "cause": found.cause,
        "spent": {str(cause): seconds for cause, seconds in found.spent.items()},
    }


_LATELY = (
    "select count(*) from oms.messages where kind = 'direct' and recipient = :phone"
    " and created_at > oms.now() - interval '1 hour'"
)
