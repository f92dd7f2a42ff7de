"""The provider's memory: the texts it took, what their handsets show, who has opted out."""

from __future__ import annotations

import json
import math
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.provider import ACCOUNT, NUMBER
from tests.provider.faults import FAILED, Fault
from tests.provider.validation import Refusal, fault_of

STOP = frozenset(("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"))
START = frozenset(("START", "YES", "UNSTOP"))
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE = frozenset("^{}\\[~]|€\f")
_ORDER = ("accepted", "queued", "sending", "sent", "delivered", "undelivered", "failed")


@dataclass
class Message:
    """A text as the provider holds it: either to a phone or, `inbound`, from one."""

    sid: str
    sender: str | None
    to: str
    body: str
    at: datetime
    status: str
    service: str | None = None
    callback: str | None = None
    code: int | None = None
    inbound: bool = False
    lag: int = 0

    def document(self) -> dict[str, Any]:
        """The twenty fields of a message, in the provider's words."""
        uri = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{self.sid}"
        early = self.status in ("accepted", "queued")
        return {
            "account_sid": ACCOUNT,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": _date(self.at),
            "date_sent": None if early else _date(self.at),
            "date_updated": _date(self.at),
            "direction": "inbound" if self.inbound else "outbound-api",
            "error_code": self.code,
            "error_message": None if self.code is None else f"Error {self.code}",
            "from": self.sender,
            "messaging_service_sid": self.service,
            "num_media": "0",
            "num_segments": "0" if self.status == "accepted" else str(segments(self.body)),
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": self.to,
            "uri": f"{uri}.json",
        }


class Exchange:
    """Takes texts and hands them to the handsets, whose truth is a file of JSON lines under `folder`."""

    def __init__(self, folder: Path) -> None:
        self._truth = folder / "handsets.jsonl"
        self._lock = threading.RLock()
        self._shift = timedelta(0)
        self.reset()

    def reset(self) -> None:
        """Forget everything, the handsets' truth too."""
        with self._lock:
            self._messages: dict[str, Message] = {}
            self._opted_out: set[str] = set()
            self._truth.write_text("")

    def forward(self, seconds: float) -> None:
        """Move the clock by which messages are dated; the handsets' truth stays in real time."""
        self._shift += timedelta(seconds=seconds)

    def take(self, form: Mapping[str, str], fault: Fault) -> tuple[Message, dict[str, Any]] | Refusal:
        """Take a text, and hand it to its handset if it gets there; with its document as it was then."""
        with self._lock:
            refusal = fault_of(form, frozenset(self._opted_out))
            if refusal is not None:
                return refusal
            service = form.get("MessagingServiceSid")
            message = Message(
                sid="SM" + secrets.token_hex(16),
                sender=form.get("From"),
                to=form["To"],
                body=form["Body"],
                at=self._now(),
                status="accepted" if service else "queued",
                service=service,
                callback=form.get("StatusCallback"),
                lag=fault.lag,
            )
            taken = message.document()
            self._messages[message.sid] = message
            if fault.reaches:
                self._ring(message)
            message.sender = message.sender or NUMBER
            for status, code in fault.life:
                if _ORDER.index(status) >= _ORDER.index(message.status):
                    message.status = status
                    message.code = code if status in FAILED else None
            return message, taken

    def receive(self, phone: str, body: str) -> Message:
        """A text that a phone sends to us; STOP and START are heeded as the provider does."""
        with self._lock:
            word = body.strip().upper()
            if word in STOP:
                self._opted_out.add(phone)
            elif word in START:
                self._opted_out.discard(phone)
            sid = "SM" + secrets.token_hex(16)
            message = Message(sid, phone, NUMBER, body, self._now(), "received", inbound=True)
            self._messages[sid] = message
            return message

    def fetch(self, sid: str) -> dict[str, Any] | None:
        """The document of one message."""
        with self._lock:
            message = self._messages.get(sid)
            return None if message is None else message.document()

    def list(self, filters: Mapping[str, str]) -> dict[str, Any]:
        """A page of messages, newest first; those that lag behind are passed over, once less."""
        with self._lock:
            rows = [message for message in reversed(self._messages.values()) if _matches(message, filters)]
            shown = [message.document() for message in rows if message.lag == 0]
            for message in rows:
                message.lag = max(0, message.lag - 1)
        size, page = min(int(filters.get("PageSize", 50)), 1000), int(filters.get("Page", 0))
        start = page * size
        return _page(shown, start, size, page, filters)

    def documents(self) -> Sequence[dict[str, Any]]:
        """All messages, oldest first, for the tests."""
        with self._lock:
            return [message.document() for message in self._messages.values()]

    def _now(self) -> datetime:
        return datetime.now(UTC) + self._shift

    def _ring(self, message: Message) -> None:
        line = {"at": time.time(), "sid": message.sid, "to": message.to, "body": message.body}
        with self._truth.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def segments(body: str) -> int:
    """How many short messages a text takes: 160 characters of GSM 7-bit (153 when joined), or 70 (67)."""
    if all(letter in _GSM or letter in _GSM_TWICE for letter in body):
        length, alone, joined = len(body) + sum(letter in _GSM_TWICE for letter in body), 160, 153
    else:
        length, alone, joined = len(body.encode("utf-16-le")) // 2, 70, 67
    return 1 if length <= alone else math.ceil(length / joined)


def _matches(message: Message, filters: Mapping[str, str]) -> bool:
    return all(
        filters.get(name) in (None, value) for name, value in (("To", message.to), ("From", message.sender))
    )


def _page(
    shown: Sequence[dict[str, Any]], start: int, size: int, page: int, filters: Mapping[str, str]
) -> dict[str, Any]:
    base = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"

    def address(number: int) -> str:
        return f"{base}?{urlencode({**filters, 'PageSize': size, 'Page': number})}"

    chosen = shown[start : start + size]
    return {
        "messages": chosen,
        "page": page,
        "page_size": size,
        "start": start,
        "end": start + max(len(chosen) - 1, 0),
        "uri": address(page),
        "first_page_uri": address(0),
        "next_page_uri": address(page + 1) if start + size < len(shown) else None,
        "previous_page_uri": address(page - 1) if page else None,
    }


def _date(moment: datetime) -> str:
    return format_datetime(moment)
