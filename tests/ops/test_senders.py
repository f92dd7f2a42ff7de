"""The senders: what each can tell for sure about a text that it handed over."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hms_oms.messages.records import Dispatch
from hms_oms.runtime import settings
from hms_oms.runtime.errors import ConfigError
from hms_ops.paging import outcomes as attempts
from hms_ops.paging import senders
from hms_ops.paging.senders import LookUpFailed, Result, exchange
from hms_ops.paging.senders.exchange import AnswerLost, Exchange, NotSent
from hms_ops.paging.senders.log import Log
from hms_ops.paging.senders.twilio import Twilio, classify
from hms_ops.paging.senders.webhook import Webhook, signature
from tests.provider import ACCOUNT, NUMBER, TOKEN, faults
from tests.provider.driver import Provider

SECRET = "a-secret-of-sixteen"


def text(**more: Any) -> Dispatch:
    """A text under our lease."""
    given: dict[str, Any] = {"id": 1, "fence": 1, "attempt": 1, "tries": 1, "token": "one", "page": True}
    given |= {"kind": "page", "reference": "K7", "recipient": "+12025550142", "body": "HMS #K7 late."}
    given |= {"resend": False, "sid": None, "write_by": time.monotonic() + 30}
    return Dispatch(**{**given, **more})


@contextmanager
def server(answer: Callable[[BaseHTTPRequestHandler, bytes], None]) -> Iterator[str]:
    """A server that answers each POST this way; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer(self, self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()


def answering(status: int, **headers: str) -> Callable[[BaseHTTPRequestHandler, bytes], None]:
    """Answer with this status."""

    def answer(request: BaseHTTPRequestHandler, body: bytes) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """One provider for all tests of this module."""
    with Provider.start(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
def provider(process: Provider) -> Provider:
    """The provider, with everything forgotten."""
    process.reset()
    process.webhooks()
    return process


def twilio(provider: Provider, public_url: str | None = None) -> Twilio:
    """The sender of the product, pointed at the provider."""
    return Twilio(ACCOUNT, TOKEN, NUMBER, provider.url, public_url)


def test_nothing_is_written_when_the_time_is_over() -> None:
    """The clock is asked after connecting and before the first byte."""
    received: list[bytes] = []
    with server(lambda request, body: received.append(body)) as url, pytest.raises(NotSent):
        Exchange().request("POST", url, content=b"x", write_by=time.monotonic() - 0.001)
    assert received == []


def test_no_one_there_is_not_sent_and_silence_is_lost() -> None:
    """A refused connection and a name that does not exist are sure; a connection that is closed is not."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(NotSent):
            Exchange().request("POST", nowhere)
    with pytest.raises(NotSent):
        Exchange().request("POST", "http://no-such-host.invalid/")
    with server(lambda request, body: request.connection.close()) as url, pytest.raises(AnswerLost):
        Exchange().request("POST", url, content=b"x")


def test_a_handshake_that_fails_is_not_sent() -> None:
    """Without TLS nothing of the request was written."""
    with server(answering(200)) as url, pytest.raises(NotSent):
        Exchange().request("POST", url.replace("http:", "https:"))


def test_an_answer_that_drips_in_is_ended() -> None:
    """No limit for a silence ends it, so the whole exchange has one."""
    over = threading.Event()

    def drip(request: BaseHTTPRequestHandler, body: bytes) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not over.wait(0.02):
            try:
                request.wfile.write(b".")
            except OSError:
                return

    with server(drip) as url, pytest.raises(AnswerLost):
        Exchange(total_seconds=0.3).request("POST", url, content=b"x")
    over.set()


def test_twilio_says_which_attempt_a_callback_is_about(provider: Provider) -> None:
    """The callback's address names text and attempt; a page is kept by Twilio for minutes, not for hours."""
    (taken,) = twilio(provider, "https://hms.example.org").send([text(id=7, attempt=2)])
    assert (taken.result, taken.status, taken.http_status) == (Result.TAKEN, "accepted", 201)
    (request,) = provider.requests("POST")
    assert request["form"]["StatusCallback"] == "https://hms.example.org/twilio/status?n=7&a=2"
    assert request["form"]["ValidityPeriod"] == "300"


def test_twilio_without_a_public_address_has_no_callback(provider: Provider) -> None:
    """Where the world cannot reach us, statuses are asked for; an applicant's text may wait for hours."""
    twilio(provider).send([text(page=False)])
    (request,) = provider.requests("POST")
    assert "StatusCallback" not in request["form"]
    assert int(request["form"]["ValidityPeriod"]) > 3600


def test_a_callback_address_that_is_not_taken_is_left_out(provider: Provider) -> None:
    """21609: the same text once more without it, and without it from then on."""
    provider.fault(faults.refused(21609))
    sender = twilio(provider, "https://hms.example.org")
    (taken,) = sender.send([text()])
    assert taken.result is Result.TAKEN
    sender.send([text(token="two")])
    assert ["StatusCallback" in request["form"] for request in provider.requests("POST")] == [
        True,
        False,
        False,
    ]


def test_twilio_finds_a_text_by_sid_or_by_its_words(provider: Provider) -> None:
    """By its sid where it is known, else the phone's texts of exactly these words."""
    sender = twilio(provider)
    (taken,) = sender.send([text()])
    sender.send([text(token="two", body="something else. HMS #K7 late.")])
    assert [item.sid for item in sender.look_up(text())] == [taken.sid]
    (by_sid,) = sender.look_up(text(sid=taken.sid, body="?"))
    assert by_sid.status in ("sent", "delivered")
    assert by_sid.created_at is not None
    provider.fault(faults.list_down())
    with pytest.raises(LookUpFailed):
        sender.look_up(text())
    provider.clear()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, "20429", Result.BUSY),
        (400, "21611", Result.BUSY),
        (401, "20003", Result.MISCONFIGURED),
        (403, None, Result.MISCONFIGURED),
        (400, "20003", Result.MISCONFIGURED),
        (400, "21610", Result.OPTED_OUT),
        (400, "21211", Result.REFUSED),
        (400, "99999", Result.REFUSED),
        (400, None, Result.REFUSED),
        (408, None, Result.UNKNOWN),
        (500, "21211", Result.UNKNOWN),
        (502, "502", Result.UNKNOWN),
        (503, "20503", Result.UNKNOWN),
        (307, None, Result.UNKNOWN),
        (None, None, Result.UNKNOWN),
    ],
)
def test_each_answer_has_its_class(status: int | None, code: str | None, expected: Result) -> None:
    """The status speaks first, then the code; codes that nobody knows are a plain no."""
    assert classify(status, code, {}).result is expected


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), (None, None), ("soon", None), ("Mon, 04 May 2020 08:00:00 GMT", 0.0), ("²", None)],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    """Both forms are read, anything else is none."""
    assert exchange.retry_after(header) == seconds


def test_the_webhook_signs_and_names_each_text() -> None:
    """The receiver checks the signature over time and body, and knows a repeated text by its key."""
    posts: list[tuple[dict[str, str], bytes]] = []

    def take(request: BaseHTTPRequestHandler, body: bytes) -> None:
        posts.append((dict(request.headers), body))
        answering(204)(request, body)

    with server(take) as url:
        sender = Webhook(url, SECRET)
        (first,) = sender.send([text()])
        sender.send([text()])
    assert (first.result, first.status) == (Result.TAKEN, "delivered")
    headers, body = posts[0]
    assert json.loads(body)["text"] == "HMS #K7 late."
    at = int(headers["X-HMS-Signature"].partition(",")[0].removeprefix("t="))
    mac = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["X-HMS-Signature"] == signature(SECRET, at, body) == f"t={at},v1={mac}"
    assert [post["Idempotency-Key"] for post, _ in posts] == ["one", "one"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (429, Result.BUSY),
        (503, Result.UNKNOWN),
        (500, Result.UNKNOWN),
        (401, Result.MISCONFIGURED),
        (404, Result.MISCONFIGURED),
        (422, Result.REFUSED),
        (302, Result.UNKNOWN),
    ],
)
def test_the_webhook_takes_only_2xx_for_a_yes(status: int, expected: Result) -> None:
    """Everything else is sorted as for a provider."""
    with server(answering(status, Retry_After="3")) as url:
        (outcome,) = Webhook(url, SECRET).send([text()])
    assert outcome.result is expected
    assert outcome.retry_after == (3.0 if expected is Result.BUSY else None)


def test_the_log_knows_what_others_wrote_and_mends_a_torn_line(tmp_path: Path) -> None:
    """A leader that takes over reads what the one before wrote; a half-written text is written again."""
    path = tmp_path / "handset.log"
    first, second = Log(path), Log(path)
    first.send([text()])
    second.send([text(), text(token="two")])
    with path.open("a") as file:
        file.write('{"at": "2026-')
    first.send([text(token="two"), text(token="three")])
    assert [json.loads(line)["token"] for line in path.read_text().splitlines()] == ["one", "two", "three"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [item.status for item in first.look_up(text())] == ["delivered"]
    assert first.look_up(text(token="four")) == []


def test_a_log_that_cannot_be_written_leaves_the_texts_unknown(tmp_path: Path) -> None:
    """The disk may hold some of the lines: they are tried again, and not written twice."""
    folder = tmp_path / "there"
    outcomes = Log(folder / "handset.log").send([text()])
    assert [outcome.result for outcome in outcomes] == [Result.UNKNOWN]
    folder.mkdir()
    assert Log(folder / "handset.log").send([text()])[0].status == "delivered"


def test_the_settings_choose_the_sender(tmp_path: Path) -> None:
    """Twilio where its credentials are set, the log where nothing is, or what is asked for."""
    home = {"HMS_HOME": str(tmp_path)}
    credentials = {
        "HMS_TWILIO_ACCOUNT_SID": ACCOUNT,
        "HMS_TWILIO_AUTH_TOKEN": TOKEN,
        "HMS_TWILIO_FROM": NUMBER,
    }
    webhook = {"HMS_WEBHOOK_URL": "https://example.org/?key=hunter2", "HMS_WEBHOOK_SECRET": SECRET}
    chosen = [
        senders.make(settings.load({**home, **more})).name
        for more in (
            {},
            credentials,
            {**credentials, "HMS_SENDER": "log"},
            {**webhook, "HMS_SENDER": "webhook"},
        )
    ]
    assert chosen == ["log", "twilio", "log", "webhook"]
    shown = repr(settings.load({**home, **credentials, **webhook}))
    assert TOKEN not in shown
    assert SECRET not in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"HMS_TWILIO_ACCOUNT_SID": ACCOUNT}, "HMS_TWILIO_AUTH_TOKEN and HMS_TWILIO_FROM"),
        ({"HMS_SENDER": "twilio"}, "the twilio sender needs HMS_TWILIO_ACCOUNT_SID and"),
        ({"HMS_SENDER": "webhook", "HMS_WEBHOOK_SECRET": SECRET}, "needs HMS_WEBHOOK_URL as well: set it"),
        ({"HMS_TWILIO_FROM": "call me"}, "HMS_TWILIO_FROM: must be a number in E.164"),
        ({"HMS_SENDER": "pigeon"}, "HMS_SENDER: must be one of log, twilio, webhook"),
        ({"HMS_PUBLIC_URL": "hms.example.org"}, "HMS_PUBLIC_URL: must be an http or https URL"),
        ({"HMS_PUBLIC_URL": "https://hms.example.org/?a=1"}, "without a user, a query or a fragment"),
        ({"HMS_TEXTS_PER_SECOND": "0"}, "HMS_TEXTS_PER_SECOND: must be a number from 0.01 to 1000"),
    ],
)
def test_an_incomplete_set_is_told_precisely(given: dict[str, str], expected: str) -> None:
    """What is missing or malformed is named, with what to do."""
    with pytest.raises(ConfigError, match=expected):
        settings.load(given)


def test_a_secret_is_not_repeated_by_its_fault() -> None:
    """A malformed secret is refused without being quoted."""
    with pytest.raises(ConfigError) as refused:
        settings.load({"HMS_WEBHOOK_SECRET": "hunter2", "HMS_TWILIO_AUTH_TOKEN": "hun ter2"})
    assert "hunter2" not in str(refused.value)
    assert "hun ter2" not in str(refused.value)


def test_the_label_stays_within_the_segment() -> None:
    """A text of one segment stays one when it is marked; a longer one is only marked."""
    assert attempts.labelled("HMS #K7 late.") == "HMS #K7 late. (resend)"
    full = attempts.labelled("x" * 160)
    assert (len(full), full.endswith("x (resend)")) == (160, True)
    assert attempts.labelled("x" * 170) == "x" * 170 + " (resend)"
    assert attempts.labelled("Żółć") == "Żółć (resend)"


def test_a_log_of_another_program_is_not_needed_to_hand_over(tmp_path: Path) -> None:
    """A log that was moved away is begun again."""
    path = tmp_path / "handset.log"
    log = Log(path)
    log.send([text()])
    os.replace(path, tmp_path / "handset.log.1")  # noqa: PTH105
    log.send([text(token="two")])
    assert [json.loads(line)["token"] for line in path.read_text().splitlines()] == ["two"]
