"""Send texts by the Twilio Messages API. It has no idempotency key: unknown outcomes are reported so."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from twilio.base.exceptions import TwilioException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from hms_oms.messages.records import Dispatch
from hms_oms.runtime.settings import Settings
from hms_ops.paging.senders import LookUpFailed, Outcome, Result, Sighting
from hms_ops.paging.senders.exchange import AnswerLost, Exchange, NotSent, retry_after
from hms_ops.paging.senders.statuses import STATUSES

log = logging.getLogger(__name__)

#: How long Twilio may keep a page, or an applicant's text, that it cannot pass on; in seconds. A page must
#: not surface after the one that replaced it; the texts of a morning may stand in Twilio's queue for hours.
PAGE_VALIDITY = 300
TEXT_VALIDITY = 4 * 3600
#: How many of a phone's texts are looked through for one whose answer was lost.
LIST_SIZE = 100

_BAD_CREDENTIALS = ("20003",)
_OPTED_OUT = "21610"
_BAD_CALLBACK = "21609"
_QUEUE_FULL = ("21611", "30001")
#: Which say nothing about whether the text was taken.
_LOST = (408,)
#: Which are about us, not about the text: 404 is an account or an address that is not there.
_MISCONFIGURED = (401, 403, 404)


class Twilio:
    """Hands texts to Twilio, each with a callback address where the world can reach us."""

    name = "twilio"
    local = False
    repeatable = False
    at_once = 1
    remark = None

    def __init__(
        self,
        account: str,
        token: str,
        number: str,
        api_url: str,
        public_url: str | None = None,
        per_second: float = 10.0,
        exchange: Exchange | None = None,
    ) -> None:
        self.per_second = per_second
        self._account = account
        self._token = token
        self._number = number
        self._api_url = api_url
        self._public_url = public_url
        self._exchange = exchange or Exchange()

    @classmethod
    def of(cls, settings: Settings) -> Twilio:
        """The sender that the settings describe."""
        account, token, number = (
            settings.twilio_account_sid, settings.twilio_auth_token, settings.twilio_from,
        )  # fmt: skip
        assert account is not None
        assert token is not None
        assert number is not None
        return cls(
            account, token, number, settings.twilio_api_url, settings.public_url, settings.texts_per_second
        )

    def send(self, texts: Sequence[Dispatch]) -> list[Outcome]:
        """Hand over one text."""
        (text,) = texts
        outcome = self._post(text, self._public_url)
        if outcome.code == _BAD_CALLBACK and self._public_url is not None:
            # It was surely not taken. Without callbacks, the statuses are asked for.
            log.error("Twilio does not take %s for its callbacks; it is asked instead", self._public_url)
            self._public_url = None
            outcome = self._post(text, None)
        return [outcome]

    def look_up(self, text: Dispatch) -> list[Sighting]:
        """Ask Twilio for the text. Raises LookUpFailed."""
        http = _Http(self._exchange, self._api_url)
        messages = self._client(http).messages
        try:
            if text.sid is not None:
                return _sightings([messages(text.sid).fetch()])
            listed = messages.list(
                to=text.recipient, from_=self._number, limit=LIST_SIZE, page_size=LIST_SIZE
            )
            return _sightings(message for message in listed if _says(message.body, text.body))
        except (TwilioException, NotSent, AnswerLost, ValueError, KeyError, TypeError) as error:
            raise LookUpFailed(f"HTTP {http.status}" if http.status else type(error).__name__) from None

    def _post(self, text: Dispatch, public_url: str | None) -> Outcome:
        http = _Http(self._exchange, self._api_url, text.write_by)
        parameters: dict[str, Any] = {
            "to": text.recipient,
            "from_": self._number,
            "body": text.body,
            "validity_period": PAGE_VALIDITY if text.page else TEXT_VALIDITY,
        }
        if public_url is not None:
            # Whatever becomes of the answer, a callback tells which attempt it is about.
            parameters["status_callback"] = f"{public_url}/twilio/status?n={text.id}&a={text.attempt}"
        try:
            message = self._client(http).messages.create(**parameters)
        except NotSent as error:
            return Outcome(Result.NOT_SENT, fault=str(error))
        except AnswerLost as error:
            return Outcome(Result.UNKNOWN, fault=str(error))
        except TwilioException as error:
            code = getattr(error, "code", None)
            return classify(http.status, None if code is None else str(code), http.headers)
        except (ValueError, KeyError, TypeError, AttributeError):
            return _unreadable(http.status)
        if not message.sid:
            return _unreadable(http.status)
        status = STATUSES.get(str(message.status), "accepted")
        code = None if message.error_code is None else str(message.error_code)
        if status in ("failed", "undelivered"):
            return Outcome(
                Result.REFUSED, sid=message.sid, http_status=http.status, code=code, fault=_fault(code)
            )
        return Outcome(Result.TAKEN, status=status, sid=message.sid, http_status=http.status)

    def _client(self, http: HttpClient) -> Any:
        return Client(self._account, self._token, http_client=http)


class _Http(HttpClient):  # type: ignore[misc]
    """Twilio's plug point for HTTP: exchanges at our own address; keeps status and headers of the last."""

    def __init__(self, exchange: Exchange, api_url: str, write_by: float = float("inf")) -> None:
        super().__init__(log, is_async=False)
        self._exchange = exchange
        self._api_url = api_url
        self._write_by = write_by
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002 (the exchange has its own)
        allow_redirects: bool = False,  # noqa: ARG002 (never)
    ) -> Response:
        parts = urlsplit(url)
        answer: httpx.Response = self._exchange.request(
            method,
            self._api_url + parts.path + (f"?{parts.query}" if parts.query else ""),
            write_by=self._write_by,
            params=params or None,
            data=data or None,
            headers=headers,
            auth=auth,
        )
        self.status = answer.status_code
        self.headers = answer.headers
        return Response(answer.status_code, answer.text, answer.headers)


def classify(status: int | None, code: str | None, headers: Mapping[str, str]) -> Outcome:
    """What an answer that is no 2xx means: by its HTTP status, then by Twilio's code, where that is known."""
    facts: dict[str, Any] = {"http_status": status, "code": code, "fault": _fault(code, status)}
    if status == 429:
        return Outcome(Result.BUSY, **facts, retry_after=retry_after(headers.get("Retry-After")))
    if status is None or not 400 <= status < 500 or status in _LOST:
        return Outcome(Result.UNKNOWN, **facts)
    if status in _MISCONFIGURED or code in _BAD_CREDENTIALS:
        return Outcome(Result.MISCONFIGURED, **facts)
    if code in _QUEUE_FULL:
        return Outcome(Result.BUSY, **facts, retry_after=retry_after(headers.get("Retry-After")))
    return Outcome(Result.OPTED_OUT if code == _OPTED_OUT else Result.REFUSED, **facts)


def _sightings(messages: Any) -> list[Sighting]:
    return [
        Sighting(
            message.sid,
            STATUSES.get(str(message.status), "accepted"),
            None if message.error_code is None else str(message.error_code),
            message.date_created if isinstance(message.date_created, datetime) else None,
        )
        for message in messages
        if message.sid
    ]


def _says(answer: object, body: str) -> bool:
    # A trial account puts words of its own in front.
    return str(answer) == body or str(answer).endswith(f" - {body}")


def _unreadable(status: int | None) -> Outcome:
    return Outcome(Result.UNKNOWN, http_status=status, fault="the answer cannot be read")


def _fault(code: str | None, status: int | None = None) -> str:
    http = f"HTTP {status}" if status is not None else "Twilio"
    return f"{http}, code {code}" if code and code != str(status) else http
