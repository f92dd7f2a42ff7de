"""Badges: issue, list and revoke them; and read the caller's own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query

from hms_floor.api.access.guard import Guarded, Who
from hms_floor.api.app_state import TheAppState
from hms_floor.api.requests import requests
from hms_floor.api.requests.requests import Cursor, Limit, Reasoned, Word
from hms_floor.api.responses import Badges, next_page
from hms_floor.auth import tokens
from hms_floor.auth.tokens import Role
from hms_oms.access import audit
from hms_oms.access import tokens as register
from hms_oms.database import health
from hms_oms.documents.access import Badge, IssuedBadge, Me

router = APIRouter(route_class=Guarded, tags=["badges"])


@router.post("/badges", status_code=201)
def issue(app_state: TheAppState, who: Who, body: requests.IssueBadge) -> IssuedBadge:
    """Issue a badge. Its token is told this once, and kept nowhere."""
    issued = tokens.issue(
        app_state.settings,
        actor=body.actor,
        roles=[Role(word) for word in body.roles],
        queues=list(dict.fromkeys(body.queues)),
        hours=body.hours,
    )
    badge, roles = issued.badge, sorted(issued.badge.roles)
    expires_at = datetime.fromtimestamp(int(badge.expires_at), UTC)
    with app_state.writing() as connection:
        register.register(
            connection,
            jti=badge.jti,
            actor=badge.actor,
            roles=roles,
            queues=badge.queues,
            issued_by=who.actor,
            expires_at=expires_at,
        )
        detail = {"actor": badge.actor, "roles": roles, "queues": list(badge.queues)}
        audit.write(connection, [who.act(badge.jti, status=201, reason=body.reason, detail=detail)])
    return IssuedBadge(issued.token, badge.jti, badge.actor, tuple(roles), tuple(badge.queues), expires_at)


@router.get("/badges")
def find(
    app_state: TheAppState,
    valid: Annotated[bool, Query(description="Those alone that hold now.")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Badges:
    """The badges on the register, newest first."""
    with app_state.reading() as connection:
        badges = register.find(connection, limit=limit, after=cursor, valid=valid)
    return Badges(tuple(badges), next_page(badges, limit))


@router.post("/badges/{jti}/revoke")
def revoke(
    app_state: TheAppState,
    who: Who,
    jti: Annotated[Word, Path(description="The number of the badge.")],
    body: Reasoned | None = None,
) -> Badge:
    """Take a badge back, also one of an identity provider: it is refused within two seconds."""
    reason = body.reason if body else None
    with app_state.writing() as connection:
        badge = register.revoke(connection, jti, who=who.actor, reason=reason)
        audit.write(connection, [who.act(jti, reason=reason)])
    return badge


@router.get("/me")
def me(app_state: TheAppState, who: Who) -> Me:
    """What the badge that comes with this request says, what time the ledger has, and the office's zone."""
    with app_state.reading() as connection:
        now = health.clock(connection)
    return Me(
        actor=who.actor,
        roles=tuple(sorted(who.badge.roles)),
        queues=tuple(who.badge.queues),
        jti=who.badge.jti,
        expires_at=datetime.fromtimestamp(int(who.badge.expires_at), UTC),
        now=now,
        timezone=str(app_state.settings.zone),
    )
