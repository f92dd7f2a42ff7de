"""Badges: issue them, list them, take them back; and what one's own says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path

from hms_floor.api.access import Guarded, Who
from hms_floor.api.app_state import TheAppState
from hms_floor.api.requests import requests
from hms_floor.api.requests.requests import Cursor, Limit, Reasoned, Word
from hms_floor.api.responses import trust as answers
from hms_floor.auth import tokens
from hms_floor.auth.tokens import Role
from hms_oms.access import audit
from hms_oms.access import tokens as register
from hms_oms.database import health

router = APIRouter(route_class=Guarded, tags=["badges"])


@router.post("/badges", status_code=201, response_model=answers.IssuedBadge)
def issue(app_state: TheAppState, who: Who, wanted: requests.IssueBadge) -> dict[str, Any]:
    """Issue a badge. Its token is told this once, and kept nowhere."""
    issued = tokens.issue(
        app_state.settings,
        actor=wanted.actor,
        roles=[Role(word) for word in wanted.roles],
        queues=list(dict.fromkeys(wanted.queues)),
        hours=wanted.hours,
    )
    badge = issued.badge
    found: dict[str, Any] = {
        "jti": badge.jti,
        "actor": badge.actor,
        "roles": sorted(badge.roles),
        "queues": list(badge.queues),
    }
    expires_at = datetime.fromtimestamp(int(badge.expires_at), UTC)
    with app_state.writing() as connection:
        register.register(connection, **found, issued_by=who.actor, expires_at=expires_at)
        detail = {name: found[name] for name in ("actor", "roles", "queues")}
        audit.write(connection, [who.act(badge.jti, status=201, reason=wanted.reason, detail=detail)])
    return {"badge": issued.token, **found, "expiresAt": expires_at}


@router.get("/badges", response_model=answers.Badges)
def find(app_state: TheAppState, cursor: Cursor = None, limit: Limit = 50) -> dict[str, Any]:
    """The badges on the register, newest first."""
    with app_state.reading() as connection:
        found = register.find(connection, limit=limit, after=cursor)
    return {"badges": found, "next": str(found[-1].id) if len(found) == limit else None}


@router.post("/badges/{jti}/revoke", response_model=answers.Badge)
def revoke(
    app_state: TheAppState,
    who: Who,
    jti: Annotated[Word, Path(description="The number of the badge.")],
    wanted: Reasoned | None = None,
) -> Any:
    """Take a badge back, also one of an identity provider: it is refused within two seconds."""
    reason = wanted.reason if wanted else None
    with app_state.writing() as connection:
        found = register.revoke(connection, jti, who=who.actor, reason=reason)
        audit.write(connection, [who.act(jti, reason=reason)])
    return found


@router.get("/me", response_model=answers.Me)
def me(app_state: TheAppState, who: Who) -> dict[str, Any]:
    """What the badge that comes with this request says, what time the ledger has, and the office's zone."""
    with app_state.reading() as connection:
        now = health.clock(connection)
    return {
        "actor": who.actor,
        "roles": sorted(who.badge.roles),
        "queues": list(who.badge.queues),
        "jti": who.badge.jti,
        "expiresAt": datetime.fromtimestamp(int(who.badge.expires_at), UTC),
        "now": now,
        "timezone": str(app_state.settings.zone),
    }
