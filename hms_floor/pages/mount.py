"""The pages on the API's application: one process, one port, everything below /floor."""

from __future__ import annotations

import secrets
from typing import Any

import nicegui
from fastapi import FastAPI
from nicegui import app as pages
from nicegui import ui
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hms_floor import subpath
from hms_floor.api.transport import refused
from hms_floor.api.transport.problems import Problem
from hms_floor.pages import flower_link, route
from hms_floor.pages.live import feed
from hms_floor.pages.parts import silence
from hms_floor.pages.sign_in import session, standalone
from hms_oms.runtime.settings import Settings

PATH = "/floor"
#: Assets of NiceGUI itself, the same for everybody: they need no badge.
_ASSETS = f"{PATH}/_nicegui/{nicegui.__version__}/"
#: What a page may load. NiceGUI compiles templates in the browser and starts them from inline scripts, hence
#: 'unsafe-eval' and 'unsafe-inline'; everything else comes from here, and no other site may frame a page.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
#: A page that loses its connection for no longer than this, in seconds, goes on with what was typed there.
#: One that hears nothing says so a little later than that.
LOST_SECONDS = 10.0


def mount(app: FastAPI, settings: Settings) -> None:
    """Add the pages to the API's application."""
    from hms_floor.pages import all_pages  # noqa: F401 -- a page is registered when its module is imported

    root = subpath.of(settings.public_url)
    feed.start(app.state.app_state.engine, settings.zone)
    silence.start(app.state.app_state.observer)
    session.add_routes(app, settings)
    if settings.oidc_issuer is not None:
        # Here, since who has no provider there has no need of its libraries.
        from hms_floor.pages.sign_in import by_provider

        by_provider.add_routes(app, settings)
    flower_link.add_routes(app, settings, POLICY)
    pages.add_middleware(_Guard, app_state=app)
    pages.add_exception_handler(404, route.unknown)
    ui.run_with(
        app,
        mount_path=PATH,
        title="Operations floor",
        language="en-US",
        tailwind=False,
        binding_refresh_interval=None,
        show_welcome_message=False,
        reconnect_timeout=LOST_SECONDS,
        # No state is kept in NiceGUI's own session; it asks for a secret for its cookie all the same.
        storage_secret=secrets.token_urlsafe(32),
        # Neighbours on the same host may have a cookie of the usual name.
        session_middleware_kwargs={"session_cookie": "hms_page", "path": root or "/"},
    )


class _Guard:
    """Lets nobody see a page, or speak to one, without a badge; and sets what a page may load."""

    def __init__(self, app: ASGIApp, app_state: FastAPI) -> None:
        self._app, self._app_state = app, app_state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if subpath.inside(scope).startswith(_ASSETS):
            await self._app(scope, receive, _with_policy(send))
            return
        try:
            visitor = await session.admit(self._app_state, connection)
        except session.AWAY:
            # A reader who is signed in stays so: the ledger is away, not the badge.
            await _away(scope, receive, send)
            return
        says = _speaks(connection) or scope.get("method", "GET") not in ("GET", "HEAD")
        turned_away = visitor is None or (says and not session.from_here(connection))
        if scope["type"] == "websocket" and turned_away:
            await send({"type": "websocket.close", "code": 1008})
        elif turned_away and says:
            await PlainTextResponse("sign in first", 403)(scope, receive, send)
        elif turned_away:
            to_sign_in = subpath.redirect(scope, session.sign_in_path(Request(scope)), 303)
            await to_sign_in(scope, receive, send)
        else:
            assert visitor is not None
            scope.setdefault("state", {})["visitor"] = visitor
            if scope["type"] == "websocket":
                await self._hold(visitor, scope, receive, send)
            else:
                await self._app(scope, receive, _with_policy(send))

    async def _hold(self, visitor: session.Visitor, scope: Scope, receive: Receive, send: Send) -> None:
        """Keep the line of an open page, if there is room for one more."""
        address = scope["client"][0] if scope.get("client") else None
        try:
            with self._app_state.state.app_state.shares.hold("page", visitor.badge.jti, address):
                await self._app(scope, receive, send)
        except Problem as problem:
            refused.note(problem.status_code)
            await send({"type": "websocket.close", "code": 1013})


async def _away(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1013})
        return
    await standalone.away()(scope, receive, send)


def _speaks(connection: HTTPConnection) -> bool:
    """Whether this is the line on which a page and its server talk."""
    return "/_nicegui_ws/" in connection.url.path


def _with_policy(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: list[Any] = [*message.get("headers", []), (b"content-security-policy", POLICY.encode())]
            message = {**message, "headers": headers}
        await send(message)

    return sending
