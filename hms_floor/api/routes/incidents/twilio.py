"""Callbacks of Twilio, authenticated by signature instead of a badge."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from hms_floor import subpath
from hms_floor.api.access import visible
from hms_floor.api.access.guard import Guarded
from hms_floor.api.app_state import AppState, TheAppState
from hms_floor.api.transport.problems import Problem
from hms_oms.access import audit
from hms_oms.access.audit import Act
from hms_oms.database import health, plain_text
from hms_ops.paging import callbacks, replies

router = APIRouter(route_class=Guarded, include_in_schema=False)

#: What is asked without a badge costs little until its signature is known to be right.
MOST_FIELDS = 200

#: What the address of a status callback says: the numbers of the text and of its attempt.
Number = Annotated[str | None, Query()]


@router.post("/twilio/status", status_code=204)
async def status(request: Request, app_state: TheAppState, n: Number = None, a: Number = None) -> Response:
    """Take in what became of a text."""
    form = await _signed(request, app_state)
    form |= {name: value for name, value in (("n", n), ("a", a)) if value is not None}
    token = request.headers.get("i-twilio-idempotency-token")

    def keep() -> None:
        with app_state.writing() as connection:
            callbacks.status(connection, form, health.clock(connection), token)

    await run_in_threadpool(keep)
    return Response(status_code=204)


@router.post("/twilio/reply")
async def reply(request: Request, app_state: TheAppState) -> Response:
    """Take in what somebody has texted, and answer it."""
    form = await _signed(request, app_state)
    phone, said = form.get("From", ""), form.get("Body", "")
    source = request.client.host if request.client else None

    def answer() -> str:
        with app_state.writing() as connection:
            words = replies.reply(connection, phone, said, health.clock(connection))
            detail = {"answer": words} if words else None
            act = Act(visible.phone(phone), [], "POST /twilio/reply", None, 200, source, None, detail)
            audit.write(connection, [act])
        return words

    words = await run_in_threadpool(answer)
    message = f"<Message>{escape(words)}</Message>" if words else ""
    body = f'<?xml version="1.0" encoding="UTF-8"?><Response>{message}</Response>'
    return Response(body, media_type="text/xml")


async def _signed(request: Request, app_state: AppState) -> dict[str, str]:
    """The form that was posted. Raises Problem unless it is signed for our public address."""
    token, public_url = app_state.settings.twilio_auth_token, app_state.settings.public_url
    if not token or not public_url:
        raise Problem(404, "no provider of texts is set up here: it takes its token and HMS_PUBLIC_URL")
    body = (await request.body()).decode("utf-8", "replace")
    try:
        fields = parse_qsl(body, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Problem(400, f"the form has more than {MOST_FIELDS} fields") from None
    target = request.scope["raw_path"].decode("latin-1").removeprefix(subpath.root(request.scope))
    if request.scope["query_string"]:
        target += "?" + request.scope["query_string"].decode("latin-1")
    # All values of a field count for the signature, one of them is taken in.
    form = _Form()
    for name, value in fields:
        form.setdefault(name, []).append(value)
    signature = request.headers.get("x-twilio-signature")
    if not callbacks.valid(token, public_url, target, form, signature):
        raise Problem(403, "the signature is missing or wrong")
    return {name: plain_text.plain(values[-1]) for name, values in form.items()}


class _Form(dict[str, list[str]]):
    """A form as the validator reads it: several values of a field are all signed."""

    def getall(self, name: str) -> list[str]:
        """All values of a field."""
        return self[name]
