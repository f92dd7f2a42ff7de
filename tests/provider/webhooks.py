"""What the provider calls back: signed as the real one signs, in the order and as often as a fault says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import queue
import threading
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.provider import ACCOUNT, NUMBER, TOKEN
from tests.provider.exchange import Message
from tests.provider.faults import Fault

#: Seconds that a webhook may take to answer, as with the real provider.
PATIENCE = 15.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
Call = tuple[str, dict[str, str], str]


def signature(url: str, form: Mapping[str, str], token: str = TOKEN) -> str:
    """The value of X-Twilio-Signature for a form posted to `url`."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


class Webhooks:
    """Posts callbacks one after the other from a thread of its own, and remembers how each was answered.

    They are signed for the address that the sender gave; with `forward` they are taken to that server
    instead, as a proxy would. An address beyond this machine is never called.
    """

    def __init__(self) -> None:
        self.forward: str | None = None
        self.token = TOKEN
        self.calls: list[dict[str, Any]] = []
        self._held: list[Call] = []
        self._line: queue.Queue[Call] = queue.Queue()
        threading.Thread(target=self._work, daemon=True).start()

    def reset(self) -> None:
        """Forget what was called and what is held."""
        self._line.join()
        self.calls, self._held = [], []

    def release(self) -> None:
        """Let the held callbacks go."""
        held, self._held = self._held, []
        for call in held:
            self._line.put(call)

    def report(self, message: Message, fault: Fault, early: bool) -> None:
        """Call back about a text: all that is due before its POST is answered (`early`), or after."""
        if message.callback is None or fault.when == "never" or early != (fault.when == "early"):
            return
        for status, code in fault.life if fault.callbacks is None else fault.callbacks:
            # A repeated call has the same token, by which it is known.
            call = (message.callback, status_form(message, status, code), str(uuid.uuid4()))
            for _ in range(fault.copies):
                if early:
                    self.call(*call)
                elif fault.when == "held":
                    self._held.append(call)
                else:
                    self._line.put(call)

    def call(self, url: str, form: dict[str, str], token: str) -> dict[str, Any]:
        """Post one form, signed, and tell how it was answered."""
        url = url.partition("#")[0]
        answer = {"url": url, "form": form, "token": token, **self._post(url, form, token)}
        self.calls.append(answer)
        return answer

    def _work(self) -> None:
        while True:
            call = self._line.get()
            try:
                self.call(*call)
            finally:
                self._line.task_done()

    def _post(self, url: str, form: Mapping[str, str], token: str) -> dict[str, Any]:
        signed, target = urlsplit(url), urlsplit(self.forward or url)
        if target.hostname not in _LOOPBACK:
            return {"status": None, "body": "not called: beyond this machine"}
        kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
        connection = kind(target.hostname, target.port, timeout=PATIENCE)
        path = f"{signed.path or '/'}{'?' + signed.query if signed.query else ''}"
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "Host": signed.netloc,
            "I-Twilio-Idempotency-Token": token,
            "X-Twilio-Signature": signature(url, form, self.token),
        }
        try:
            connection.request("POST", path, urlencode(form), headers)
            response = connection.getresponse()
            return {"status": response.status, "body": response.read().decode("utf-8", "replace")}
        except (OSError, http.client.HTTPException) as error:
            return {"status": None, "body": f"{type(error).__name__}: {error}"}
        finally:
            connection.close()


def status_form(message: Message, status: str, code: int | None) -> dict[str, str]:
    """What a status callback tells."""
    return {
        "AccountSid": ACCOUNT,
        "ApiVersion": "2010-04-01",
        "From": message.sender or NUMBER,
        "MessageSid": message.sid,
        "MessageStatus": status,
        "SmsSid": message.sid,
        "SmsStatus": status,
        "To": message.to,
        **({} if code is None else {"ErrorCode": str(code)}),
    }


def reply_form(message: Message) -> dict[str, str]:
    """What an inbound text tells."""
    return {
        "AccountSid": ACCOUNT,
        "ApiVersion": "2010-04-01",
        "Body": message.body,
        "From": message.sender or "",
        "FromCountry": "US",
        "MessageSid": message.sid,
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsMessageSid": message.sid,
        "SmsSid": message.sid,
        "SmsStatus": "received",
        "To": message.to,
        "ToCountry": "US",
    }
