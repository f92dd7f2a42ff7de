"""Signing in: a badge, shown once at /enter and then carried in a cookie that no script can read.

The cookie holds the badge itself, so any process of the door knows it, and a badge that has ended or was
taken back ends the session. It is SameSite=Strict: no other site can have the browser show it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hms_floor import badges, entrance
from hms_floor.api.gate import Gate
from hms_floor.api.problems import Problem
from hms_floor.badges import Badge, Issued, Role
from hms_floor.pages.asking import Asking
from hms_oms import audit, clock
from hms_oms import badges as register
from hms_oms.audit import Act
from hms_oms.settings import Settings

COOKIE = "hms_badge"
#: The zone that a reader has chosen instead of the office's.
ZONE_COOKIE = "hms_timezone"
#: A session that began with a one-time link holds this long, in hours.
LINK_HOURS = 12.0

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page, and in which time zone: their own if they have chosen it, else the office's."""

    badge: Badge
    ask: Asking
    gate: Gate
    zone: ZoneInfo
    office: ZoneInfo

    def may(self, *roles: Role) -> bool:
        """Whether the badge has one of these roles."""
        return bool(self.badge.roles & set(roles))

    async def holds(self) -> bool:
        """Whether the badge has neither ended nor been taken back."""
        return await self.gate.holds(self.badge)


def add_routes(app: FastAPI, settings: Settings) -> None:
    """Add the way in and the way out."""

    async def enter(request: Request) -> Response:
        code = request.query_params.get("code")
        where = _safe(request.query_params.get("next"))
        if code is None:
            return _form(where)
        if settings.badge_jwks is not None:
            return _form(where, "There are no links here: badges come from the identity provider.", 403)
        if not await run_in_threadpool(entrance.use_code, settings.home, code, time.time()):
            return _form(where, "This link has been used already, or has ended. Sign in with a badge.", 403)
        issued = await run_in_threadpool(_issue, app, settings, request)
        return _let_in(request, issued.token, issued.badge, where)

    async def show_badge(request: Request) -> Response:
        if not from_here(request):
            return _form("/floor/", "The form came from another site.", 403)
        form = await request.form()
        token, where = str(form.get("badge", "")).strip(), _safe(str(form.get("next", "")))
        try:
            badge = await _gate(app).admit(f"Bearer {token}")
        except Problem as problem:
            return _form(where, problem.detail.capitalize() + ".", 403)
        return _let_in(request, token, badge, where)

    async def leave(request: Request) -> Response:
        if not from_here(request):
            return _form("/floor/", "The form came from another site.", 403)
        answer = RedirectResponse("/enter", 303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    async def here(request: Request) -> Response:
        # A page whose line is refused asks whether its reader must sign in again.
        return Response(status_code=204 if await admit(app, request) else 403)

    async def root(_: Request) -> Response:
        return RedirectResponse("/floor/", 307)

    routes: list[tuple[str, Callable[[Request], Any], list[str]]] = [
        ("/", root, ["GET"]),
        ("/floor", root, ["GET"]),
        ("/enter", enter, ["GET"]),
        ("/enter", show_badge, ["POST"]),
        ("/leave", leave, ["POST"]),
        ("/here", here, ["GET"]),
    ]
    for path, endpoint, methods in routes:
        app.router.add_route(path, endpoint, methods=methods, include_in_schema=False)


async def admit(app: FastAPI, request: HTTPConnection) -> Visitor | None:
    """Who sent this request for a page, by their cookie; None where they must sign in."""
    token = request.cookies.get(COOKIE, "")
    try:
        badge = await _gate(app).admit(f"Bearer {token}")
    except Problem:
        return None
    source = request.client.host if request.client else "unknown"
    office = app.state.door.settings.zone
    zone = _chosen(request) or office
    return Visitor(badge, Asking(app, token, source), _gate(app), zone, office)


def _chosen(request: HTTPConnection) -> ZoneInfo | None:
    try:
        return clock.zone(unquote(request.cookies[ZONE_COOKIE]))
    except (KeyError, ValueError):
        return None


def sign_in_path(request: Request) -> str:
    """Where to sign in, and come back to this page afterwards."""
    query = f"?{request.url.query}" if request.url.query else ""
    return f"/enter?next={quote(request.url.path + query)}"


def from_here(request: HTTPConnection) -> bool:
    """Whether a request comes from a page of ours, as the browser tells it."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        return False
    if origin == "null":  # a form of a page that tells nobody where it is, as ours
        return site == "same-origin"
    return origin is None or urlsplit(origin).netloc == request.url.netloc


def _gate(app: FastAPI) -> Gate:
    """The guard of the door, which pages share."""
    found: Gate = app.state.door.gate
    return found


def _issue(app: FastAPI, settings: Settings, request: Request) -> Issued:
    """The badge of whoever came by the link: it stands on the register and in the trail."""
    issued = badges.issue(
        settings,
        actor=badges.login_name(),
        roles=tuple(Role),
        queues=[badges.ANY_QUEUE],
        hours=LINK_HOURS,
    )
    badge, source = issued.badge, request.client.host if request.client else None
    with app.state.door.writing() as connection:
        register.register(
            connection,
            jti=badge.jti,
            actor=badge.actor,
            roles=sorted(badge.roles),
            queues=badge.queues,
            issued_by=badge.actor,
            expires_at=datetime.fromtimestamp(int(badge.expires_at), UTC),
        )
        act = Act(badge.actor, [], "GET /enter", badge.jti, 303, source, "a one-time link")
        audit.write(connection, [act])
    return issued


def _let_in(request: Request, token: str, badge: Badge, where: str) -> Response:
    answer = RedirectResponse(where, 303, headers=HEADERS)
    answer.set_cookie(
        COOKIE,
        token,
        max_age=max(1, int(badge.expires_at - time.time())),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


def _safe(where: str | None) -> str:
    """A path on the floor and nowhere else, whatever an address asks for."""
    inside = where is not None and where.startswith("/floor/") and "\\" not in where and where.isprintable()
    return where if inside and where else "/floor/"


def _form(where: str, fault: str = "", status: int = 200) -> Response:
    told = f'<p role="alert">{escape(fault)}</p>' if fault else ""
    page = _PAGE.replace("{fault}", told).replace("{next}", escape(where, quote=True))
    return HTMLResponse(page, status, headers=HEADERS)


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in - Operations floor</title>
<style>
:root { color-scheme: light dark;
  --ink: #1c2733; --paper: #f4f6f8; --card: #fff; --line: #7d8a97; --act: #0b5cad }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6ebf0; --paper: #11171d; --card: #1a222b; --line: #7d8a97; --act: #2a7fd4 } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
form { background: var(--card); padding: 2rem; border-radius: 10px; width: min(26rem, 88vw);
  box-shadow: 0 1px 4px #0003; box-sizing: border-box }
h1 { font-size: 1.3rem; margin: 0 0 .3rem } p { margin: 0 0 1rem }
label { display: block; font-weight: 600; margin-bottom: .3rem }
textarea { width: 100%; box-sizing: border-box; height: 6.5rem; font: 13px/1.4 ui-monospace, monospace;
  border: 1px solid var(--line); border-radius: 6px; padding: .5rem; background: transparent; color: inherit }
button { margin-top: 1rem; width: 100%; padding: .7rem; font: inherit; font-weight: 600; color: #fff;
  background: var(--act); border: 0; border-radius: 6px; cursor: pointer }
[role=alert] { background: #b3261e; color: #fff; padding: .5rem .7rem; border-radius: 6px }
code { font: 13px ui-monospace, monospace }
</style>
<form method="post" action="/enter">
<h1>Operations floor</h1>
<p>Sign in with your badge.</p>
{fault}
<label for="badge">Badge</label>
<textarea id="badge" name="badge" required autofocus autocomplete="off" spellcheck="false"
  aria-describedby="hint"></textarea>
<input type="hidden" name="next" value="{next}">
<button>Sign in</button>
<p id="hint" style="margin:1rem 0 0;font-size:.9rem">A manager makes one with
<code>hms badge issue --actor you@example.gov --role viewer</code>.</p>
</form>
</html>
"""
