"""Who may do what at the door: the one table, and the guard that every route stands behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from hms_floor.api import problems
from hms_floor.api.problems import Problem, unprocessable
from hms_floor.api.reading import StrictRequest
from hms_floor.badges import LEEWAY_SECONDS, Badge, BadgeRefused, Checker, Role
from hms_oms.audit import Act

Roles = frozenset[Role]

_VIEWER, _OPERATOR, _MANAGER = Role.VIEWER, Role.OPERATOR, Role.MANAGER
READERS = frozenset({_VIEWER, _OPERATOR, _MANAGER, Role.ONCALL, Role.ADMIN})
STARTERS = frozenset({_OPERATOR, _MANAGER})
MANAGERS = frozenset({_MANAGER})
CALLED = frozenset({Role.ONCALL, _MANAGER})
AGENTS = frozenset({Role.AGENT})
ADMINS = frozenset({Role.ADMIN})
ANYBODY = frozenset(Role)
#: No badge is asked for.
OPEN: Roles = frozenset()
#: Who sees payloads and results; to the others they are masked.
SEERS = frozenset({_OPERATOR, _MANAGER})

#: Every route, and the roles of which a badge needs one.
TABLE: Mapping[str, Roles] = {
    "POST /jobs": STARTERS,
    "GET /jobs": READERS,
    "POST /jobs/bulk": STARTERS,
    "GET /jobs/{id}": READERS,
    "GET /jobs/{id}/explain": READERS,
    "POST /jobs/{id}/cancel": STARTERS,
    "POST /jobs/{id}/retry": STARTERS,
    "POST /jobs/{id}/promote": MANAGERS,
    "POST /jobs/{id}/move": MANAGERS,
    "POST /jobs/{id}/priority": MANAGERS,
    "POST /jobs/{id}/delay": MANAGERS,
    "POST /cycles": STARTERS,
    "GET /cycles": READERS,
    "GET /cycles/{id}": READERS,
    "GET /queues": READERS,
    "GET /queues/{queue}/peek": READERS,
    "POST /queues/{queue}/pause": MANAGERS,
    "POST /queues/{queue}/resume": MANAGERS,
    "POST /queues/{queue}/limit": MANAGERS,
    "PUT /queues/{queue}/sla": MANAGERS,
    "GET /queues/{queue}/sla": READERS,
    "GET /sla": READERS,
    "POST /queues/{queue}/reserve": AGENTS,
    "POST /reservations/{id}/extend": AGENTS,
    "POST /reservations/{id}/report": AGENTS,
    "GET /workers": READERS,
    "GET /recipes": READERS,
    "GET /stream": READERS,
    "GET /stream/{queue}": READERS,
    "GET /metrics": READERS,
    "GET /incidents": READERS,
    "GET /incidents/{id}": READERS,
    "POST /incidents/{id}/ack": CALLED,
    "POST /incidents/{id}/resolve": CALLED,
    "GET /silences": READERS,
    "POST /silences": MANAGERS,
    "POST /silences/{id}/end": MANAGERS,
    "GET /oncall": READERS,
    "PUT /oncall": MANAGERS,
    "GET /thresholds": READERS,
    "PUT /thresholds/{rule}/{parameter}": MANAGERS,
    "GET /ops": READERS,
    "GET /sla/report": READERS,
    "POST /texts": MANAGERS,
    "POST /test-pages": MANAGERS,
    "POST /twilio/status": OPEN,
    "POST /twilio/reply": OPEN,
    "GET /audit": MANAGERS | ADMINS,
    "POST /badges": ADMINS,
    "GET /badges": ADMINS,
    "POST /badges/{jti}/revoke": ADMINS,
    "GET /me": ANYBODY,
    "GET /openapi.json": ANYBODY,
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
}

#: Taken-back badges are refused after this long at the latest, in seconds.
REVOCATION_SECONDS = 1.0
#: So many checked badges are remembered.
_REMEMBERED = 2000

if TYPE_CHECKING:
    from hms_floor.api.door import Door


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, for what, and from where."""

    badge: Badge
    action: str
    source: str | None

    @property
    def actor(self) -> str:
        """In whose name it is done."""
        return self.badge.actor

    @property
    def sees_payloads(self) -> bool:
        """Whether payloads and results are shown unmasked."""
        return bool(self.badge.roles & SEERS)

    def act(
        self,
        subject: str | None,
        *,
        status: int = 200,
        reason: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> Act:
        """What is done now, as a line of the audit trail."""
        roles = sorted(self.badge.roles)
        return Act(self.actor, roles, self.action, subject, status, self.source, reason, detail)

    def require(self, action: str) -> None:
        """Raise Problem unless the badge allows another route, too."""
        if not self.badge.roles & TABLE[action]:
            raise _forbidden(action, TABLE[action])

    def require_queue(self, queue: str) -> None:
        """Raise Problem unless the badge names a queue."""
        if not self.badge.names(queue):
            raise Problem(403, f"the badge does not name the queue {queue}")


class Gate:
    """Lets badges in: checked once, remembered, and held against the register of those taken back."""

    def __init__(self, checker: Checker, revoked: Callable[[], frozenset[str]]) -> None:
        self._checker, self._revoked = checker, revoked
        self._known: dict[str, Badge] = {}
        self._taken_back: frozenset[str] = frozenset()
        self._looked = float("-inf")
        self._turn = asyncio.Lock()

    async def admit(self, header: str | None) -> Badge:
        """The badge in an Authorization header. Raises Problem where there is none that holds."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized("a badge is needed: Authorization: Bearer TOKEN")
        badge = self._known.get(token)
        if badge is None or badge.expires_at + LEEWAY_SECONDS <= time.time():
            badge = await self._check(token)
        await self._refresh()
        if badge.jti in self._taken_back:
            raise _unauthorized("the badge is refused: it was taken back", "invalid_token")
        return badge

    async def _check(self, token: str) -> Badge:
        self._known.pop(token, None)
        try:
            badge = await run_in_threadpool(self._checker.check, token)
        except BadgeRefused as error:
            raise _unauthorized(f"the badge is refused: {error}", "invalid_token") from None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[token] = badge
        return badge

    async def _refresh(self) -> None:
        if time.monotonic() - self._looked < REVOCATION_SECONDS:
            return
        async with self._turn:
            now = time.monotonic()
            if now - self._looked >= REVOCATION_SECONDS:
                self._taken_back = await run_in_threadpool(self._revoked)
                self._looked = now


class Guarded(APIRoute):
    """A route behind the guard. Without an entry in the table it cannot be made."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, after badge, rate, role and form are in order; what fails is told as a problem."""
        inner = super().get_route_handler()
        (method,) = sorted(self.methods or ())
        action = f"{method} {self.path_format}"
        roles = TABLE[action]
        takes_json = self.body_field is not None
        known = {field.alias for field in get_flat_params(self.dependant)}

        async def handle(request: Request) -> Response:
            door: Door = request.app.state.door
            caller: Caller | None = None
            source = request.client.host if request.client else None
            try:
                if roles:
                    caller = Caller(await _admitted(door, request, source), action, source)
                    request.state.caller = caller
                    door.rates.take(caller.badge.jti)
                    if not caller.badge.roles & roles:
                        raise _forbidden(action, roles)
                else:
                    door.rates.take(f"from {source}")
                _check_form(request, known, takes_json=takes_json)
                return await inner(StrictRequest(request.scope, request.receive))
            except Exception as error:  # noqa: BLE001 -- told to the caller, and logged where it is our fault
                problem = problems.of(error)
            if caller is not None and method != "GET" and problem.status_code != 429:
                await door.note_refusal(caller, request.path_params, problem)
            return problem.response()

        return handle


def caller_of(request: Request) -> Caller:
    """Who asks, as a dependency of routes that want a badge."""
    caller: Caller = request.state.caller
    return caller


async def _caller(request: Request) -> Caller:
    return caller_of(request)


#: What a route declares to know who asks.
Who = Annotated[Caller, Depends(_caller)]


async def _admitted(door: Door, request: Request, source: str | None) -> Badge:
    headers = request.headers.getlist("authorization")
    try:
        return await door.gate.admit(headers[0] if len(headers) == 1 else None)
    except Problem as problem:
        if problem.status_code == 401:
            door.rates.take(f"from {source}")
        raise


def _check_form(request: Request, known: set[str], *, takes_json: bool) -> None:
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        told = f"is no parameter of this address; known are {', '.join(sorted(known)) or 'none'}"
        raise unprocessable(*((name, told) for name in dict.fromkeys(unknown)))
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    if takes_json and has_body and request.headers.get("content-length") != "0":
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Problem(415, "the body must be JSON: Content-Type: application/json")


def _unauthorized(detail: str, error: str | None = None) -> Problem:
    challenge = 'Bearer realm="hms"' + (f', error="{error}"' if error else "")
    return Problem(401, detail, headers={"WWW-Authenticate": challenge})


def _forbidden(action: str, roles: Roles) -> Problem:
    return Problem(403, f"{action} needs a badge with one of the roles {', '.join(sorted(roles))}")
