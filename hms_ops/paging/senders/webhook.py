"""Texts as signed JSON to an address of the operator's own.

The receiver checks `X-HMS-Signature`: `t=<seconds since 1970>,v1=<HMAC-SHA256 of "t.body" under the shared
secret, in hex>`, and knows a text that comes again by `Idempotency-Key`. Any 2xx says that it has the text.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Sequence

from hms_oms.messages.records import Dispatch
from hms_oms.runtime.settings import Settings
from hms_ops.paging.senders import Outcome, Result, Sighting
from hms_ops.paging.senders.exchange import AnswerLost, Exchange, NotSent, retry_after

#: Answers that are about the address or our secret, not about the text.
_MISCONFIGURED = (401, 403, 404, 405, 410)


class Webhook:
    """Posts each text to `url`, signed with `secret`."""

    name = "webhook"
    local = False
    repeatable = True
    at_once = 1
    remark = None

    def __init__(self, url: str, secret: str, per_second: float = 10.0) -> None:
        self.per_second = per_second
        self._url = url
        self._secret = secret
        self._exchange = Exchange()

    @classmethod
    def of(cls, settings: Settings) -> Webhook:
        """The sender that the settings describe."""
        assert settings.webhook_url is not None
        assert settings.webhook_secret is not None
        return cls(settings.webhook_url, settings.webhook_secret, settings.texts_per_second)

    def send(self, texts: Sequence[Dispatch]) -> list[Outcome]:
        """Hand over one text."""
        (text,) = texts
        body = json.dumps(
            {
                "token": text.token,
                "kind": text.kind,
                "page": text.page,
                "reference": text.reference,
                "to": text.recipient,
                "text": text.body,
            }
        ).encode()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": text.token,
            "X-HMS-Signature": signature(self._secret, int(time.time()), body),
        }
        try:
            answer = self._exchange.request(
                "POST", self._url, write_by=text.write_by, content=body, headers=headers
            )
        except NotSent as error:
            return [Outcome(Result.NOT_SENT, fault=str(error))]
        except AnswerLost as error:
            return [Outcome(Result.UNKNOWN, fault=str(error))]
        return [classify(answer.status_code, answer.headers.get("Retry-After"))]

    def look_up(self, text: Dispatch) -> list[Sighting]:  # noqa: ARG002
        """Nothing: the receiver is not asked, it gets the text again."""
        return []


def signature(secret: str, at: int, body: bytes) -> str:
    """The value of X-HMS-Signature for a body sent at `at` (seconds since 1970)."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


def classify(status: int, wait: str | None = None) -> Outcome:
    """What an answer means; `wait` is its Retry-After header."""
    if 200 <= status < 300:
        return Outcome(Result.TAKEN, status="delivered", http_status=status)
    fault = f"HTTP {status}"
    if status == 429:
        return Outcome(Result.BUSY, http_status=status, fault=fault, retry_after=retry_after(wait))
    if status in _MISCONFIGURED:
        return Outcome(Result.MISCONFIGURED, http_status=status, fault=fault)
    if 400 <= status < 500 and status != 408:
        return Outcome(Result.REFUSED, http_status=status, fault=fault)
    return Outcome(Result.UNKNOWN, http_status=status, fault=fault)
