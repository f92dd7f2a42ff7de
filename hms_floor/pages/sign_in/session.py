"""Signing in: a badge, shown once at /enter and then carried in a cookie that no script can read.

The cookie holds the badge itself, so any process of the API knows it, and a badge that has ended or was
taken back ends the session. It is SameSite=Strict: no other site can have the browser show it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from urllib.parse import quote, unquote, urlsplit
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import Response

from hms_floor import subpath
from hms_floor.api.access.authenticator import Authenticator
from hms_floor.api.transport.problems import Problem
from hms_floor.auth import local_token, sign_in_link, tokens
from hms_floor.auth.tokens import Badge, Issued, Role
from hms_floor.local import flower_place
from hms_floor.observer import Observer
from hms_floor.pages.sign_in import standalone
from hms_floor.pages.sign_in.api_client import Asking
from hms_oms.access import audit
from hms_oms.access import tokens as register
from hms_oms.access.audit import Act
from hms_oms.runtime import clock
from hms_oms.runtime.settings import Settings

COOKIE = "hms_badge"
#: The zone that a reader has chosen instead of the office's.
ZONE_COOKIE = "hms_timezone"
#: A session that began with a one-time link holds this long, in hours.
LINK_HOURS = 12.0
#: Where a reader may be led after signing in: the pages, and Flower below the floor.
_WITHIN = ("/floor/", f"{flower_place.PATH}/")
#: How long a page waits for the ledger to say whether a badge still holds, in seconds.
PATIENCE_SECONDS = 3.0
#: What is raised while the ledger is away, or frozen: the badge holds as before.
AWAY = (DBAPIError, PoolTimeout, TimeoutError)
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page, and in which time zone: their own if they have chosen it, else the office's."""

    badge: Badge
    ask: Asking
    authenticator: Authenticator
    observer: Observer
    zone: ZoneInfo
    office: ZoneInfo

    def may(self, *roles: Role) -> bool:
        """Whether the badge has one of these roles."""
        return bool(self.badge.roles & set(roles))

    async def holds(self) -> bool:
        """Whether the badge has neither ended nor been taken back."""
        return await self.authenticator.holds(self.badge)


def add_routes(app: FastAPI, settings: Settings) -> None:
    """Add the way in and the way out."""
    sign_in = partial(standalone.sign_in, provider=provider_name(settings))

    async def enter(request: Request) -> Response:
        code = request.query_params.get("code")
        where = safe(request.query_params.get("next"))
        if code is None:
            return sign_in(where)
        if settings.badge_jwks is not None:
            return sign_in(where, "There are no links here: badges come from the identity provider.", 403)
        # First whether the ledger answers: a link that is used up without it lets nobody in.
        async with asyncio.timeout(PATIENCE_SECONDS):
            await run_in_threadpool(_read, app)
        if not await run_in_threadpool(sign_in_link.use_code, settings.home, code, time.time()):
            return sign_in(where, "This link has been used already, or has ended. Sign in with a badge.", 403)
        issued = await run_in_threadpool(_issue, app, settings, request)
        return let_in(request, issued.token, issued.badge, where)

    async def show_badge(request: Request) -> Response:
        if not from_here(request):
            return sign_in("/floor/", "The form came from another site.", 403)
        form = await request.form()
        token, where = str(form.get("badge", "")).strip(), safe(str(form.get("next", "")))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                badge = await _gate(app).admit(f"Bearer {token}")
        except Problem as problem:
            return sign_in(where, problem.detail.capitalize() + ".", 403)
        return let_in(request, token, badge, where)

    async def leave(request: Request) -> Response:
        if not from_here(request):
            return sign_in("/floor/", "The form came from another site.", 403)
        answer = subpath.redirect(request.scope, "/enter", 303)
        answer.delete_cookie(COOKIE, path=cookie_path(request), httponly=True, samesite="strict")
        visitor = await admit(app, request)
        if visitor is not None and settings.oidc_issuer is not None:
            await run_in_threadpool(_end_session, app, settings.oidc_issuer, visitor.badge)
        return answer

    async def here(request: Request) -> Response:
        # A page whose line is refused asks whether its reader must sign in again.
        return Response(status_code=204 if await admit(app, request) else 403)

    async def root(request: Request) -> Response:
        return subpath.redirect(request.scope, "/floor/", 307)

    routes: list[tuple[str, Endpoint, list[str]]] = [
        ("/", root, ["GET"]),
        ("/floor", root, ["GET"]),
        ("/enter", enter, ["GET"]),
        ("/enter", show_badge, ["POST"]),
        ("/leave", leave, ["POST"]),
        ("/here", here, ["GET"]),
    ]
    for path, endpoint, methods in routes:
        app.router.add_route(path, or_away(endpoint), methods=methods, include_in_schema=False)


def or_away(endpoint: Endpoint) -> Endpoint:
    """The endpoint; while the ledger is away, the page that says so."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except AWAY:
            return standalone.away()

    return answer


async def admit(app: FastAPI, request: HTTPConnection) -> Visitor | None:
    """Who sent this request for a page, by their cookie; None if they must sign in. Raises one of AWAY."""
    token = request.cookies.get(COOKIE, "")
    try:
        app.state.app_state.require_ledger()
        async with asyncio.timeout(PATIENCE_SECONDS):
            badge = await _gate(app).admit(f"Bearer {token}")
    except Problem as problem:
        if problem.status_code == 503:
            raise TimeoutError(problem.detail) from None
        return None
    source = request.client.host if request.client else "unknown"
    app_state = app.state.app_state
    office = app_state.settings.zone
    zone = _chosen(request) or office
    return Visitor(
        badge, Asking(app, token, source), app_state.authenticator, app_state.observer, zone, office
    )


def _chosen(request: HTTPConnection) -> ZoneInfo | None:
    try:
        return clock.zone(unquote(request.cookies[ZONE_COOKIE]))
    except (KeyError, ValueError):
        return None


def sign_in_path(request: Request) -> str:
    """Where to sign in, and come back to this page afterwards, as the floor's own routes know it."""
    query = f"?{request.url.query}" if request.url.query else ""
    return f"/enter?next={quote(subpath.inside(request.scope) + query)}"


def from_here(request: HTTPConnection) -> bool:
    """Whether a request comes from a page of ours, as the browser tells it."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        return False
    if origin == "null":  # a form of a page that tells nobody where it is, as ours
        return site == "same-origin"
    return origin is None or urlsplit(origin).netloc == request.url.netloc


def provider_name(settings: Settings) -> str | None:
    """What the OpenID provider is called, None if there is none."""
    if settings.oidc_issuer is None:
        return None
    return settings.oidc_name or urlsplit(settings.oidc_issuer).hostname


def _gate(app: FastAPI) -> Authenticator:
    """The guard of the API, which pages share."""
    authenticator: Authenticator = app.state.app_state.authenticator
    return authenticator


def _read(app: FastAPI) -> None:
    """Read from the ledger whatever there is. Raises one of AWAY."""
    with app.state.app_state.reading() as connection:
        connection.exec_driver_sql("select 1")


def _issue(app: FastAPI, settings: Settings, request: Request) -> Issued:
    """The badge of the person who came by the link."""
    issued = tokens.issue(
        settings,
        actor=local_token.login_name(),
        roles=tuple(Role),
        queues=[tokens.ANY_QUEUE],
        hours=LINK_HOURS,
    )
    enter_badge(app, request, issued.badge, issued.badge.actor, "a one-time link")
    return issued


def enter_badge(
    app: FastAPI, request: Request, badge: Badge, issued_by: str, how: str, **detail: str
) -> None:
    """Enter a badge that a session begins with on the register and in the trail."""
    source = request.client.host if request.client else None
    with app.state.app_state.writing() as connection:
        register.register(
            connection,
            jti=badge.jti,
            actor=badge.actor,
            roles=sorted(badge.roles),
            queues=badge.queues,
            issued_by=issued_by,
            expires_at=datetime.fromtimestamp(int(badge.expires_at), UTC),
        )
        action = f"GET {subpath.inside(request.scope)}"
        audit.write(connection, [Act(badge.actor, [], action, badge.jti, 303, source, how, detail or None)])


def _end_session(app: FastAPI, issuer: str, badge: Badge) -> None:
    """Take back the badge of a session of this provider: nobody has it but the browser that signs out."""
    with app.state.app_state.writing() as connection:
        if register.issued_by(connection, badge.jti) == issuer:
            register.revoke(connection, badge.jti, who=badge.actor, reason="signed out")


def let_in(request: Request, token: str, badge: Badge, where: str) -> Response:
    """Lead somebody with a badge to where they wanted to go."""
    answer = subpath.redirect(request.scope, where, 303, standalone.HEADERS)
    keep(request, answer, token, badge)
    return answer


def keep(request: Request, answer: Response, token: str, badge: Badge) -> None:
    """Have the browser keep a badge for as long as it holds."""
    answer.set_cookie(
        COOKIE,
        token,
        max_age=max(1, int(badge.expires_at - time.time())),
        path=cookie_path(request),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def cookie_path(request: Request) -> str:
    """The path below which the browser shows a cookie."""
    return subpath.root(request.scope) or "/"


def safe(where: str | None) -> str:
    """A path on the floor, or in Flower below it, and nowhere else, whatever an address asks for."""
    if where is None or not where.startswith(_WITHIN) or "\\" in where or not where.isprintable():
        return "/floor/"
    return where
