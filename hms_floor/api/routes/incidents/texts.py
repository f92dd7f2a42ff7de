"""Texts: send one, and list those that were sent."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import Connection, text

from hms_floor.api.access import visible
from hms_floor.api.access.guard import Guarded, Who
from hms_floor.api.app_state import TheAppState, raw
from hms_floor.api.requests import requests
from hms_floor.api.requests.requests import IncidentRef, JobId, JobPath, Limit
from hms_floor.api.requests.test_pages import TestPage
from hms_floor.api.responses import Queued, Texts
from hms_floor.api.transport.problems import Problem
from hms_oms.access import audit
from hms_oms.database import health
from hms_oms.jobs.queries import read
from hms_oms.messages import outbox
from hms_ops import heartbeats
from hms_ops.incidents import actions, wording

router = APIRouter(route_class=Guarded, tags=["texts"])

#: So many texts may go to one phone in an hour: a program in a loop should not ring all night.
TEXTS_AN_HOUR = 20
#: A test page that has not gone out after so long is of no use.
TEST_EXPIRES = timedelta(minutes=10)
#: What those texts are called that somebody has written here.
KIND = "message"


@router.post("/texts", status_code=202)
def send(app_state: TheAppState, who: Who, body: requests.SendText) -> Queued:
    """Have a text sent; the same `key` is one text. It takes its turn among the texts to applicants."""
    token = f"{KIND}:{body.key or secrets.token_hex(8)}"
    with app_state.writing() as connection:
        # One after the other, so that two at the same time cannot both be the last one.
        for name in sorted({body.to, token}):
            connection.execute(text("select pg_advisory_xact_lock(hashtext(:name))"), {"name": name})
        created = not connection.scalar(text(_KNOWN), {"token": token})
        if created:
            _require_room(connection, body.to)
            outbox.put(raw(connection), token=token, job=None, kind=KIND, recipient=body.to, body=body.text)
        detail = {"to": visible.phone(body.to), "created": created}
        audit.write(connection, [who.act(token, status=202, reason=body.reason, detail=detail)])
    return Queued(token, body.to, created)


@router.post("/test-pages", status_code=202)
def send_test_page(app_state: TheAppState, who: Who, body: TestPage) -> Queued:
    """Send a page that only shows that pages arrive. Like any other it counts for what a phone gets."""
    token = f"test:{secrets.token_hex(8)}"
    with app_state.writing() as connection:
        if body.channel is not None:
            _require_channel(connection, body.channel)
        now = health.clock(connection)
        outbox.put_page(
            connection,
            token=token,
            incident=None,
            kind="test",
            reference=None,
            recipient=body.recipient,
            body=wording.test_page(now, app_state.settings.zone, "channel" if body.channel else "phone"),
            expires_at=now + TEST_EXPIRES,
        )
        detail = {"to": visible.phone(body.recipient)}
        audit.write(connection, [who.act(token, status=202, reason=body.reason, detail=detail)])
    return Queued(token, body.recipient, created=True)


@router.get("/texts")
def find(
    app_state: TheAppState,
    who: Who,
    incident: Annotated[IncidentRef | None, Query(description="Those about it.")] = None,
    job: Annotated[JobId | None, Query(description="Those to its applicant.")] = None,
    limit: Limit = 50,
) -> Texts:
    """List the last texts, newest first."""
    with app_state.reading() as connection:
        about = None if incident is None else actions.get(connection, incident).id
        to = None if job is None else read.get(connection, visible.number(job)).id
        texts = outbox.texts_of(connection, incident=about, job=to, limit=limit)
    return Texts(tuple(visible.text(text, who) for text in texts))


@router.get("/jobs/{id:job}/texts")
def of_job(app_state: TheAppState, who: Who, job: JobPath, limit: Limit = 50) -> Texts:
    """List the texts to the applicant of a job, newest first."""
    with app_state.reading() as connection:
        texts = outbox.texts_of(connection, job=read.get(connection, visible.number(job)).id, limit=limit)
    return Texts(tuple(visible.text(text, who) for text in texts))


def _require_channel(connection: Connection, name: str) -> None:
    known = heartbeats.channels(connection)
    if known is not None and name not in known:
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise Problem(404, f"the pager has no channel {name}: {has}")


def _require_room(connection: Connection, phone: str) -> None:
    sent = connection.scalar(text(_LATELY), {"phone": phone, "kind": KIND}) or 0
    if sent >= TEXTS_AN_HOUR:
        detail = f"this phone has had {TEXTS_AN_HOUR} such texts within an hour"
        raise Problem(429, detail, headers={"Retry-After": "600"})


_KNOWN = "select exists (select from oms.messages where token = :token)"
_LATELY = (
    "select count(*) from oms.messages where kind = :kind and recipient = :phone"
    " and created_at > oms.now() - interval '1 hour'"
)
