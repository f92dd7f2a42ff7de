"""The routes of the pages: who may read one, and what stands there instead when it cannot be built."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import nicegui
from nicegui import Client, ui
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from hms_floor import subpath
from hms_floor.api.access.roles import TABLE, Roles
from hms_floor.pages.frame import begin, body_of, frame, visitor_of
from hms_floor.pages.parts import refusal
from hms_floor.pages.sign_in.api_client import PATIENCE_SECONDS, Refused

log = logging.getLogger(__name__)

Build = Callable[..., Awaitable[None]]
#: Who may read which page, by its address.
READ_BY: dict[str, Roles] = {}
#: A page whose connection is lost is kept so long, in seconds: one that comes back later has to read itself
#: again, and loses what is half typed.
KEPT_SECONDS = 60.0


def page(path: str, reads: str) -> Callable[[Build], Build]:
    """Register a page below /floor for those who may call the API's route `reads`."""
    roles = READ_BY[path] = TABLE[reads]

    def register(build: Build) -> Build:
        @wraps(build)
        async def shown(*given: Any, **named: Any) -> None:
            request: Request = named["request"]
            try:
                visitor = visitor_of(request)
                if not visitor.badge.roles & roles:
                    raise refusal.not_for(visitor, roles)
                await build(*given, **named)
            except Refused as refused:
                _instead(request, refused)
            except Exception:
                log.exception("the page %s cannot be built", path)
                _instead(request, Refused(500, "The log of the server has the reason"))
            begin(request)

        registered: Build = ui.page(
            path, response_timeout=2 * PATIENCE_SECONDS, reconnect_timeout=KEPT_SECONDS
        )(shown)
        return registered

    return register


async def unknown(request: Request, _: Exception) -> Response:
    """What stands at an address below /floor that has no page."""
    if subpath.inside(request.scope).startswith("/floor/_nicegui"):
        return PlainTextResponse("not found", 404)
    with Client(nicegui.ui.page(""), request=request) as client:
        _instead(request, Refused(404, "There is no page at this address"))
        begin(request)
        return client.build_response(request, 404)


def _instead(request: Request, refused: Refused) -> None:
    """Show why, in place of what was built so far."""
    if refused.status == 422 and str(refused).startswith("id: "):
        # What could not be a number or a name of anything is simply not there.
        noun, _, name = subpath.inside(request.scope).removeprefix("/floor/").partition("/")
        refused = Refused(404, f"there is no {noun.removesuffix('s')} {name}")
    body = body_of(request)
    visitor = visitor_of(request)
    home = any(visitor.badge.roles & roles for roles in READ_BY.values())
    back = refusal.back_from(request) if home else None
    if body is not None:
        body.clear()
        with body:
            refusal.show(refused, back=back)
        return
    with frame(request, "Not found" if refused.status == 404 else "Refused"):
        refusal.show(refused, back=back)
