"""Callbacks of the provider: kept first, then applied once it is known which text they are about.

The same call twice is known by its token, or by what it says; calls that come in the wrong order move a text
up or not at all; one that comes before the answer to the POST is found by the numbers in its address, or
waits for that answer.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from hms_oms.messages import delivery, inbound
from hms_oms.messages.inbound import Callback
from hms_ops.paging import outcomes
from hms_ops.paging.senders.statuses import STATUSES

log = logging.getLogger(__name__)


def status(
    connection: Connection, params: Mapping[str, str], now: datetime, token: str | None = None
) -> None:
    """Take in a status callback: the form that was posted, with `n` and `a` of its address.

    `token` is its I-Twilio-Idempotency-Token, if it has one.
    """
    callback = Callback(
        token=token or _digest(params),
        message=_number(params.get("n")),
        attempt=_number(params.get("a")),
        sid=params.get("MessageSid") or params.get("SmsSid") or None,
        status=(params.get("MessageStatus") or params.get("SmsStatus") or "")[:40],
        code=params.get("ErrorCode") or None,
    )
    kept = inbound.keep(connection, callback, now)
    if kept is None:
        return
    ours = STATUSES.get(callback.status)
    if ours is None:
        log.warning("callback %d has the unknown status %r", kept, callback.status)
        return
    attempt = _attempt(connection, callback)
    if attempt is not None:
        outcomes.reported(connection, *attempt, ours, callback.sid, callback.code)
        inbound.applied(connection, kept, now)


def valid(token: str | None, public_url: str | None, target: str, params: Any, signature: str | None) -> bool:
    """Whether a call to `target` (path and query) was signed with our token for our public address.

    Neither the Host header nor any other word of the caller counts. False where anything is missing.
    """
    if not token or not public_url or not signature:
        return False
    # Here, since who has no account there has no need of its library.
    from twilio.request_validator import RequestValidator

    try:
        return bool(RequestValidator(token).validate(public_url.rstrip("/") + target, params, signature))
    except (ValueError, TypeError, AttributeError):
        return False


def _attempt(connection: Connection, callback: Callback) -> tuple[int, int] | None:
    """The attempt that a callback is about: by its address if that is a known attempt, else by its sid."""
    if callback.message is not None and callback.attempt is not None:
        named = delivery.has_attempt(connection, callback.message, callback.attempt)
        return (callback.message, callback.attempt) if named else None
    return delivery.attempt_of(connection, callback.sid) if callback.sid else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


def _digest(params: Mapping[str, str]) -> str:
    said = json.dumps(sorted(params.items()))
    return "sha256:" + hashlib.sha256(said.encode()).hexdigest()
