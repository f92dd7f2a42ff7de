"""Flower below the floor: what its readers ask is handed on to the one that runs on this machine."""

from __future__ import annotations

import httpx
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse, Response

from hms_floor import subpath
from hms_floor.api.access.roles import TABLE
from hms_floor.local import flower_place
from hms_floor.pages.sign_in import session
from hms_oms.jobs.tickets import Ticket
from hms_oms.runtime.settings import Settings

#: What is handed on of a request, and of its answer: no cookie, so that Flower never sees a badge.
_ASKED = ("accept", "content-type", "sec-fetch-site", "x-requested-with", "if-none-match")
_ANSWERED = ("content-type", "location", "cache-control", "etag")
#: The longest that Flower may take, in seconds: it asks the workers.
_PATIENCE_SECONDS = 30.0
#: Who may look at the workers may look at Flower.
_READERS = TABLE["GET /workers"]

_is_here = False


def add_routes(app: FastAPI, settings: Settings, policy: str) -> None:
    """Add the way to Flower, which listens on this machine only; its pages load what `policy` allows."""
    global _is_here
    _is_here = bool(settings.flower_port)
    client = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{settings.flower_port}", trust_env=False, timeout=_PATIENCE_SECONDS
    )

    async def lead(request: Request) -> Response:
        try:
            ticket = Ticket.parse(request.path_params["ticket"])
        except ValueError:
            return Response(status_code=404)
        if not _is_here:
            return Response(status_code=404)
        return subpath.redirect(request.scope, f"{flower_place.PATH}/task/{ticket}", 307)

    async def hand_on(request: Request) -> Response:
        if not _is_here:
            return PlainTextResponse("Flower is not kept running here", 404)
        visitor = await session.admit(app, request)
        if visitor is None:
            return subpath.redirect(request.scope, session.sign_in_path(request), 303)
        if not visitor.badge.roles & _READERS:
            return PlainTextResponse("Your badge does not show workers", 403)
        if request.method != "GET" and not session.from_here(request):
            return PlainTextResponse("The request came from another site", 403)
        try:
            answer = await client.request(
                request.method,
                subpath.root(request.scope) + subpath.inside(request.scope),
                params=str(request.query_params),
                content=await request.body(),
                headers={name: request.headers[name] for name in _ASKED if name in request.headers},
                auth=(flower_place.USER, flower_place.password(settings.home)),
            )
        except httpx.HTTPError:
            return PlainTextResponse("Flower does not answer", 503)
        headers = {name: answer.headers[name] for name in _ANSWERED if name in answer.headers}
        headers["Content-Security-Policy"] = policy
        return Response(answer.content, answer.status_code, headers)

    app.router.add_route("/flower-link/{ticket}", lead, include_in_schema=False)
    guarded = session.or_away(hand_on)
    app.router.add_route("/flower/{path:path}", guarded, methods=["GET", "POST"], include_in_schema=False)


def is_offered(visitor: session.Visitor) -> bool:
    """Whether Flower runs here, and this visitor may look at it."""
    return _is_here and bool(visitor.badge.roles & _READERS)


def path(ticket: Ticket) -> str | None:
    """The address here that leads to a ticket's task in Flower; None where there is no Flower."""
    return f"/flower-link/{ticket}" if _is_here else None
