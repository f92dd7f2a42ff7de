"""What the provider of texts calls back: no badge, but a signature for our own public address."""

from __future__ import annotations

from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from hms_floor.api.access import Guarded
from hms_floor.api.door import Door, TheDoor
from hms_floor.api.problems import Problem
from hms_oms import health, ledger
from hms_ops import callbacks, replies

router = APIRouter(route_class=Guarded, include_in_schema=False)


@router.post("/twilio/status", status_code=204)
async def status(request: Request, door: TheDoor) -> Response:
    """Take in what became of a text."""
    params = await _signed(request, door)
    token = request.headers.get("i-twilio-idempotency-token")

    def keep() -> None:
        with door.writing() as connection:
            told = {**params, **dict(parse_qsl(request.url.query))}
            callbacks.status(connection, told, health.clock(connection), token)

    await run_in_threadpool(keep)
    return Response(status_code=204)


@router.post("/twilio/reply")
async def reply(request: Request, door: TheDoor) -> Response:
    """Take in what somebody has texted, and answer it."""
    params = await _signed(request, door)

    def answer() -> str:
        with door.writing() as connection:
            phone, said = params.get("From", ""), params.get("Body", "")
            return replies.reply(connection, phone, said, health.clock(connection))

    words = await run_in_threadpool(answer)
    message = f"<Message>{escape(words)}</Message>" if words else ""
    body = f'<?xml version="1.0" encoding="UTF-8"?><Response>{message}</Response>'
    return Response(body, media_type="text/xml")


async def _signed(request: Request, door: Door) -> dict[str, str]:
    """The form that was posted. Raises Problem unless it is signed for our public address."""
    form = parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    target = request.scope["raw_path"].decode("ascii")
    if request.url.query:
        target += f"?{request.url.query}"
    settings = door.settings
    signature = request.headers.get("x-twilio-signature")
    # All values of a field count for the signature, one of them is taken in.
    signed: dict[str, list[str]] = {}
    for name, value in form:
        signed.setdefault(name, []).append(value)
    if not callbacks.valid(
        settings.twilio_auth_token, settings.public_url, target, _Form(signed), signature
    ):
        raise Problem(403, "the signature is missing or wrong")
    return {name: ledger.plain(values[-1]) for name, values in signed.items()}


class _Form(dict[str, list[str]]):
    """A form as the validator reads it: several values of a field are all signed."""

    def getall(self, name: str) -> list[str]:
        """All values of a field."""
        return self[name]
