"""Guard of every route: checks badge, rate, role and parameters before the route runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute

from hms_floor.api.access.authenticator import Authenticator
from hms_floor.api.access.roles import MANAGERS, SEERS, TABLE, Roles
from hms_floor.api.transport import problems
from hms_floor.api.transport.json_reading import StrictRequest
from hms_floor.api.transport.limits import Rates
from hms_floor.api.transport.problems import Problem, unprocessable
from hms_floor.auth.tokens import Badge
from hms_oms.access.audit import Act


class Threshold(Protocol):
    """The parts of the API's state that the guard uses."""

    authenticator: Authenticator
    rates: Rates

    def require_ledger(self) -> None:
        """Raise Problem while PostgreSQL is silent."""

    async def note_refusal(self, caller: Caller, path: Mapping[str, Any], problem: Problem) -> None:
        """Keep that somebody with a badge has tried a change that was refused."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated caller of a request, with the route and the client's address."""

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

    @property
    def sees_phones(self) -> bool:
        """Whether the phones of the people on call are shown whole."""
        return bool(self.badge.roles & MANAGERS)

    def act(
        self,
        subject: str | None,
        *,
        status: int = 200,
        reason: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> Act:
        """An entry of the audit trail for this request."""
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
            app_state: Threshold = request.app.state.app_state
            caller: Caller | None = None
            source = request.client.host if request.client else None
            try:
                if roles:
                    app_state.require_ledger()
                    caller = Caller(await _admitted(app_state, request, source), action, source)
                    request.state.caller = caller
                    app_state.rates.take(caller.badge.jti)
                    if not caller.badge.roles & roles:
                        raise _forbidden(action, roles)
                else:
                    app_state.rates.take(f"from {source}")
                _check_form(request, known, takes_json=takes_json)
                return await inner(StrictRequest(request.scope, request.receive))
            except Exception as error:  # noqa: BLE001 -- told to the caller, and logged where it is our fault
                problem = problems.of(error)
            if caller is not None and method != "GET" and problem.status_code != 429:
                await app_state.note_refusal(caller, request.path_params, problem)
            return problem.response()

        return handle


def caller_of(request: Request) -> Caller:
    """Dependency that gives routes their caller."""
    caller: Caller = request.state.caller
    return caller


async def _caller(request: Request) -> Caller:
    return caller_of(request)


#: What a route declares to know who asks.
Who = Annotated[Caller, Depends(_caller)]


async def _admitted(app_state: Threshold, request: Request, source: str | None) -> Badge:
    headers = request.headers.getlist("authorization")
    try:
        return await app_state.authenticator.admit(headers[0] if len(headers) == 1 else None)
    except Problem as problem:
        if problem.status_code == 401:
            app_state.rates.take(f"from {source}")
        raise


def _check_form(request: Request, known: set[str], *, takes_json: bool) -> None:
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        reason = f"is no parameter of this address; known are {', '.join(sorted(known)) or 'none'}"
        raise unprocessable(*((name, reason) for name in dict.fromkeys(unknown)))
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    if takes_json and has_body and request.headers.get("content-length") != "0":
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Problem(415, "the body must be JSON: Content-Type: application/json")


def _forbidden(action: str, roles: Roles) -> Problem:
    return Problem(403, f"{action} needs a badge with one of the roles {', '.join(sorted(roles))}")
