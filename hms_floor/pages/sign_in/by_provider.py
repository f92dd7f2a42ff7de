"""Signing in at an OpenID provider: to it and back, and then a session like any other.

What the way back is checked with is kept by the browser, signed, for a few minutes: any process of the API
may be the one that somebody comes back to. The provider's own tokens are kept nowhere.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import jwt
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from hms_floor import subpath
from hms_floor.auth import tokens
from hms_floor.auth.oidc import grants
from hms_floor.auth.oidc.provider import Flow, Provider, ProviderAway, SignInRefused
from hms_floor.auth.tokens import Issued
from hms_floor.pages.sign_in import session, standalone
from hms_oms.access import audit
from hms_oms.access.audit import Act
from hms_oms.runtime.settings import Settings

COOKIE = "hms_sign_in"
#: How long somebody may take to sign in at the provider, in seconds.
FLOW_SECONDS = 600
#: How long a session holds, in hours.
SESSION_HOURS = 12.0
START, BACK = "/sign-in", "/signed-in"
_AUDIENCE = "hms sign-in"


def add_routes(app: FastAPI, settings: Settings) -> None:
    """Add the way to the provider, and the way back. Raises ConfigError if a role is unknown."""
    grants.require_roles(settings.oidc_roles)
    provider = Provider(settings)
    name = session.provider_name(settings)

    def refused(words: str, where: str = "/floor/", status: int = 403) -> Response:
        return standalone.sign_in(where, f"{words[0].upper()}{words[1:]}.", status, provider=name)

    async def start(request: Request) -> Response:
        where = session.safe(request.query_params.get("next"))
        flow = Flow.new()
        try:
            address = await run_in_threadpool(provider.address, flow, _back(request, settings))
        except ProviderAway as error:
            return refused(str(error), where, 502)
        answer = Response(status_code=303, headers={**standalone.HEADERS, "Location": address})
        answer.set_cookie(
            COOKIE,
            _sealed(settings, flow, where),
            max_age=FLOW_SECONDS,
            path=session.cookie_path(request),
            secure=request.url.scheme == "https",
            httponly=True,
            # It has to come along from the provider's page.
            samesite="lax",
        )
        return answer

    async def back(request: Request) -> Response:
        given = request.query_params
        try:
            flow, where = _unsealed(settings, request.cookies.get(COOKIE, ""))
        except SignInRefused as error:
            return refused(str(error))
        if given.get("state") != flow.state:
            return refused("this is the answer to another attempt to sign in: try again", where)
        if "code" not in given:
            return refused(f"{name} has not let you in: {given.get('error', 'it gave no code')[:100]}", where)
        try:
            claims = await run_in_threadpool(provider.claims, flow, given["code"], _back(request, settings))
            issued = await run_in_threadpool(_issue, app, settings, request, claims)
        except SignInRefused as error:
            return refused(str(error), where)
        except ProviderAway as error:
            return refused(str(error), where, 502)
        answer = standalone.entering(subpath.root(request.scope) + where)
        session.keep(request, answer, issued.token, issued.badge)
        answer.delete_cookie(COOKIE, path=session.cookie_path(request), httponly=True, samesite="lax")
        return answer

    for path, endpoint in ((START, start), (BACK, back)):
        app.router.add_route(path, session.or_away(endpoint), methods=["GET"], include_in_schema=False)


def _back(request: Request, settings: Settings) -> str:
    """The address of the way back, as the provider has it on its list."""
    base = settings.public_url or f"{request.url.scheme}://{request.url.netloc}{subpath.root(request.scope)}"
    return base.rstrip("/") + BACK


def _issue(app: FastAPI, settings: Settings, request: Request, claims: Mapping[str, Any]) -> Issued:
    """The badge of a session. Raises SignInRefused for somebody who has no role here."""
    issuer = str(settings.oidc_issuer)
    actor = grants.name_of(claims)
    granted = grants.of(claims, settings.oidc_roles_claim, settings.oidc_roles)
    detail = {"issuer": issuer, "sub": str(claims["sub"])[:200]}
    if not granted.roles:
        source = request.client.host if request.client else None
        with app.state.app_state.writing() as connection:
            act = Act(actor, [], f"GET {BACK}", None, 403, source, None, detail | {"refused": "no role"})
            audit.write(connection, [act])
        raise SignInRefused(
            f"{actor} has no role here: nothing in the claim {settings.oidc_roles_claim} gives one"
        )
    issued = tokens.issue(
        settings, actor=actor, roles=tuple(granted.roles), queues=granted.queues, hours=SESSION_HOURS
    )
    session.enter_badge(app, request, issued.badge, issuer, "OpenID Connect", **detail)
    return issued


def _sealed(settings: Settings, flow: Flow, where: str) -> str:
    kept = {"state": flow.state, "nonce": flow.nonce, "verifier": flow.verifier, "next": where}
    claims = {**kept, "aud": _AUDIENCE, "exp": int(time.time()) + FLOW_SECONDS}
    return jwt.encode(claims, tokens.signing_key(settings), algorithm="HS256")


def _unsealed(settings: Settings, cookie: str) -> tuple[Flow, str]:
    """The attempt that this browser has begun, and where it leads. Raises SignInRefused."""
    try:
        kept = jwt.decode(
            cookie,
            tokens.signing_key(settings),
            algorithms=["HS256"],
            audience=_AUDIENCE,
            options={"require": ["exp", "aud"]},
        )
        return Flow(kept["state"], kept["nonce"], kept["verifier"]), session.safe(kept["next"])
    except (jwt.PyJWTError, KeyError, UnicodeError):
        minutes = FLOW_SECONDS // 60
        raise SignInRefused(
            f"this browser has begun no attempt to sign in within {minutes} minutes: try again"
        ) from None
