"""The provider of the tests is itself held to account, by the real client of the API that it speaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.conftest import wait_until
from tests.provider import ACCOUNT, NUMBER, TOKEN, faults, webhooks
from tests.provider.driver import Provider
from tests.provider.exchange import segments
from tests.provider.site import Hook, Site

PHONE = "+12025550142"


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


@pytest.fixture
def client(provider: Provider) -> Client:
    """Twilio's own client, pointed at the provider."""
    return pointed(provider, TOKEN)


def pointed(provider: Provider, token: str) -> Client:
    """A client with this secret."""
    made = Client(ACCOUNT, token, http_client=TwilioHttpClient(timeout=0.4))
    made.api.base_url = provider.url
    return made


def send(client: Client, body: str = "Hello", **more: Any) -> Any:
    """Send a text to the phone."""
    return client.messages.create(to=PHONE, from_=NUMBER, body=body, **more)


class Receiver:
    """Takes webhooks and checks their signatures as a receiver must."""

    def __init__(self) -> None:
        self.hooks: list[Hook] = []
        self._site = Site(self._take)
        self.url, self.close = self._site.url, self._site.close

    def statuses(self) -> list[str]:
        """The statuses called back so far."""
        return [hook.form["MessageStatus"] for hook in self.hooks]

    def valid(self) -> list[bool]:
        """Whether each call was signed for the address that it came to."""
        validator = RequestValidator(TOKEN)
        return [validator.validate(hook.url, hook.form, hook.signature) for hook in self.hooks]

    def tokens(self) -> set[str]:
        """The idempotency tokens that the calls carried."""
        return {hook.token for hook in self.hooks}

    def _take(self, hook: Hook) -> int:
        self.hooks.append(hook)
        return 204


@pytest.fixture
def site() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    made = Receiver()
    yield made
    made.close()


def test_a_text_goes_out(provider: Provider, client: Client) -> None:
    """The answer has all that the client reads, and the handset shows the text once."""
    before = datetime.now(UTC)
    message = send(client, "Queue farm-grant is late #K7")
    assert (message.status, message.num_segments, message.error_code) == ("queued", "1", None)
    assert (message.to, message.from_, message.direction) == (PHONE, NUMBER, "outbound-api")
    assert message.sid.startswith("SM")
    assert len(message.sid) == 34
    assert abs((message.date_created - before).total_seconds()) < 60
    [text] = provider.handsets()
    assert (text.to, text.body, text.sid) == (PHONE, "Queue farm-grant is late #K7", message.sid)
    assert before <= text.at <= datetime.now(UTC)
    fetched = client.messages(message.sid).fetch()
    assert (fetched.status, fetched.body) == ("delivered", message.body)
    assert set(provider.messages()[0]) == {
        name.rstrip("_") for name in vars(message) if not name.startswith("_")
    }


def test_a_messaging_service_has_no_sender_yet(provider: Provider, client: Client) -> None:
    """Through a service a text is accepted, without a sender and without segments at first."""
    message = client.messages.create(to=PHONE, messaging_service_sid="MG" + "0" * 32, body="Hello")
    assert (message.status, message.num_segments, message.from_) == ("accepted", "0", None)
    assert client.messages(message.sid).fetch().from_ == NUMBER


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"to": "0202555"}, 21211),
        ({"to": "+15005550009"}, 21614),
        ({"from_": "+12025550199"}, 21606),
        ({"from_": "HMS"}, 21212),
        ({"body": ""}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"status_callback": "https://my_host.example.org/x"}, 21609),
        ({"status_callback": "nonsense"}, 21609),
        ({"validity_period": 36_001}, 21624),
    ],
)
def test_wrong_parameters_are_refused(
    provider: Provider, client: Client, parameters: dict[str, Any], code: int
) -> None:
    """What the real one would refuse is refused with its code, and no handset rings."""
    with pytest.raises(TwilioRestException) as caught:
        client.messages.create(**{"to": PHONE, "from_": NUMBER, "body": "Hello", **parameters})
    assert (caught.value.status, caught.value.code) == (400, code)
    assert provider.handsets() == []


def test_an_unknown_parameter_is_refused(provider: Provider) -> None:
    """A misspelt parameter does not go unnoticed, neither in a text nor in a list."""
    url = f"{provider.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    form = {"To": PHONE, "From": NUMBER, "Body": "Hello", "StatusCallBack": "https://example.org"}
    refused = requests.post(url, form, auth=(ACCOUNT, TOKEN), timeout=5)
    assert (refused.status_code, refused.json()["code"]) == (400, 20001)
    assert set(refused.json()) == {"code", "message", "more_info", "status"}
    listed = requests.get(url, {"to": PHONE}, auth=(ACCOUNT, TOKEN), timeout=5)
    assert listed.json()["code"] == 20001
    assert requests.get(f"{provider.url}/other", auth=(ACCOUNT, TOKEN), timeout=5).status_code == 404


def test_a_wrong_secret_is_refused(provider: Provider) -> None:
    """Basic auth is checked, for reading too."""
    for act in (send, lambda client: client.messages("SM" + "0" * 32).fetch()):
        with pytest.raises(TwilioRestException) as caught:
            act(pointed(provider, "wrong"))
        assert (caught.value.status, caught.value.code) == (401, 20003)


def test_the_list_is_filtered_and_paged(provider: Provider, client: Client) -> None:
    """Newest first, by recipient and sender, over as many pages as it takes."""
    for number in range(5):
        send(client, f"text {number}")
    client.messages.create(to="+12025550143", from_=NUMBER, body="another phone")
    listed = client.messages.list(to=PHONE, from_=NUMBER, page_size=2)
    assert [message.body for message in listed] == [f"text {number}" for number in (4, 3, 2, 1, 0)]
    assert client.messages.list(to=PHONE, from_="+12025550199") == []
    assert len(client.messages.list(limit=1)) == 1


@pytest.mark.parametrize(
    ("fault", "error", "rings"),
    [
        (faults.dropped(), requests.ConnectionError, 1),
        (faults.dropped(accepted=False), requests.ConnectionError, 0),
        (faults.reset(), requests.ConnectionError, 1),
        (faults.held(accepted=True), requests.ReadTimeout, 1),
        (faults.held(accepted=False), requests.ReadTimeout, 0),
        (faults.garbled(), json.JSONDecodeError, 1),
    ],
)
def test_no_answer(
    provider: Provider, client: Client, fault: faults.Fault, error: type[Exception], rings: int
) -> None:
    """The client is left without an answer; whether a handset rang is another matter."""
    provider.fault(fault)
    with pytest.raises(error):
        send(client)
    provider.release(hang_up=True)
    assert len(provider.handsets()) == rings
    assert [request["form"]["Body"] for request in provider.requests()] == ["Hello"]
    assert send(client).sid


@pytest.mark.parametrize(
    ("fault", "status", "code", "rings"),
    [
        (faults.broken(), 500, 20500, 1),
        (faults.broken(accepted=False), 500, 20500, 0),
        (faults.bad_gateway(accepted=True), 502, 502, 1),
        (faults.bad_gateway(accepted=False), 502, 502, 0),
        (faults.too_many(3), 429, 20429, 0),
        (faults.unavailable(), 503, 20503, 0),
        (faults.unauthorized(), 401, 20003, 0),
        (faults.refused(21610), 400, 21610, 0),
        (faults.refused(21611), 400, 21611, 0),
    ],
)
def test_errors(
    provider: Provider, client: Client, fault: faults.Fault, status: int, code: int, rings: int
) -> None:
    """An error says nothing about the handset, in status and code as the client has them."""
    provider.fault(fault)
    with pytest.raises(TwilioRestException) as caught:
        send(client)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert len(provider.handsets()) == rings


def test_a_callback_that_is_refused(provider: Provider, client: Client) -> None:
    """A fault of the callback's address strikes only a request that has one."""
    provider.fault(faults.refused(21609))
    assert send(client).sid
    with pytest.raises(TwilioRestException) as caught:
        send(client, status_callback="https://floor.example.org/status")
    assert caught.value.code == 21609


def test_when_to_come_again(provider: Provider) -> None:
    """429 and 503 carry Retry-After where they are told to."""
    provider.fault(faults.too_many(7), faults.unavailable(9), faults.unavailable())
    url = f"{provider.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    form = {"To": PHONE, "From": NUMBER, "Body": "Hello"}
    answers = [requests.post(url, form, auth=(ACCOUNT, TOKEN), timeout=5) for _ in range(3)]
    assert [answer.headers.get("Retry-After") for answer in answers] == ["7", "9", None]


def test_an_empty_201(provider: Provider, client: Client) -> None:
    """Taken, but the client learns of no sid."""
    provider.fault(faults.empty())
    assert send(client).sid is None
    assert len(provider.handsets()) == 1


def test_a_slow_drip(provider: Provider, client: Client) -> None:
    """Each byte is in time for the client's read time-out, the answer as a whole is not in time at all."""
    provider.fault(faults.dripping(0.002))
    began = datetime.now(UTC)
    assert send(client).sid
    assert (datetime.now(UTC) - began).total_seconds() > 0.4
    assert len(provider.handsets()) == 1


def test_a_held_request(provider: Provider, client: Client) -> None:
    """A request is kept exactly until it is released, and then answered as if nothing had been."""
    client.api.base_url = provider.url
    client.http_client.timeout = 20
    for accepted in (False, True):
        provider.reset()
        provider.fault(faults.held(accepted))
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(send, client)
            wait_until(provider.held, "the request to be held")
            assert len(provider.handsets()) == accepted
            assert provider.release() == 1
            assert sending.result().sid
        assert len(provider.handsets()) == 1


def test_a_closed_api(provider: Provider, client: Client) -> None:
    """Connections are refused, the pooled ones ended; at the same address it opens again."""
    send(client, "before")
    provider.close()
    with pytest.raises(requests.ConnectionError):
        send(client, "meanwhile")
    provider.open()
    send(client, "after")
    assert [text.body for text in provider.handsets()] == ["before", "after"]


def test_faults_in_their_order(provider: Provider, client: Client) -> None:
    """Faults strike one after the other, for a while or for one phone only, and can be taken back."""
    provider.fault(
        faults.broken(accepted=False, to="+12025550143", times=None),
        faults.refused(21211, times=2),
    )
    codes = []
    for _ in range(2):
        with pytest.raises(TwilioRestException) as caught:
            send(client)
        codes.append(caught.value.code)
    assert codes == [21211, 21211]
    assert provider.lurking() == 1
    assert send(client).sid
    with pytest.raises(TwilioRestException):
        client.messages.create(to="+12025550143", from_=NUMBER, body="Hello")
    provider.clear()
    assert client.messages.create(to="+12025550143", from_=NUMBER, body="Hello").sid


def test_a_list_that_fails_or_lags(provider: Provider, client: Client) -> None:
    """The list may be unavailable, or not show a text yet."""
    provider.fault(faults.list_down(times=1), faults.Fault(lag=2))
    send(client)
    with pytest.raises(Exception, match="Unable to fetch page"):
        client.messages.list(to=PHONE)
    assert [len(client.messages.list(to=PHONE)) for _ in range(3)] == [0, 0, 1]


def test_callbacks(provider: Provider, client: Client, site: Receiver) -> None:
    """Statuses are called back, signed so that the real validator passes them, each with a token."""
    message = send(client, status_callback=f"{site.url}/status?n=1&a=2#rc=2")
    wait_until(lambda: len(provider.calls()) == 2, "both callbacks")
    assert site.statuses() == ["sent", "delivered"]
    assert all(site.valid())
    assert {hook.url for hook in site.hooks} == {f"{site.url}/status?n=1&a=2"}
    assert {hook.form["MessageSid"] for hook in site.hooks} == {message.sid}
    assert len(site.tokens()) == 2
    assert [call["status"] for call in provider.calls()] == [204, 204]


def test_the_documented_signature() -> None:
    """The example in Twilio's documents has this signature."""
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert webhooks.signature(url, form, "12345") == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_callbacks_in_disorder(provider: Provider, client: Client, site: Receiver) -> None:
    """Early, doubled with the same token, reordered, late, never: as the fault says."""
    url = f"{site.url}/status"
    provider.fault(faults.Fault(when="early", copies=2))
    send(client, status_callback=url)
    assert site.statuses() == ["sent", "sent", "delivered", "delivered"]
    assert len(site.tokens()) == 2

    site.hooks.clear()
    provider.fault(
        faults.Fault(callbacks=(("delivered", None), ("sent", None))),
        faults.Fault(when="held"),
        faults.Fault(when="never"),
    )
    for _ in range(3):
        send(client, status_callback=url)
    wait_until(lambda: len(site.hooks) == 2, "the reordered callbacks")
    assert site.statuses() == ["delivered", "sent"]
    provider.release_callbacks()
    wait_until(lambda: len(site.hooks) == 4, "the late callbacks")


def test_a_text_that_does_not_arrive(provider: Provider, client: Client, site: Receiver) -> None:
    """A failing code is called back and can be fetched; the handset never rang."""
    provider.fault(faults.failing(30003), faults.failing(30008, reached=True))
    lost, doubtful = (send(client, status_callback=f"{site.url}/status") for _ in range(2))
    wait_until(lambda: len(site.hooks) == 4, "the callbacks")
    assert site.hooks[1].form["ErrorCode"] == "30003"
    fetched = client.messages(lost.sid).fetch()
    assert (fetched.status, fetched.error_code) == ("undelivered", 30003)
    assert [text.sid for text in provider.handsets()] == [doubtful.sid]


def test_replies(provider: Provider, client: Client, site: Receiver) -> None:
    """A handset's reply is called in, signed; after STOP nothing goes to it until START."""
    assert provider.reply(PHONE, "ACK K7", f"{site.url}/reply")["status"] == 204
    form = site.hooks[0].form
    assert (form["From"], form["To"], form["Body"]) == (PHONE, NUMBER, "ACK K7")
    assert site.valid() == [True]
    provider.reply(PHONE, " stop ", f"{site.url}/reply")
    with pytest.raises(TwilioRestException) as caught:
        send(client)
    assert caught.value.code == 21610
    provider.reply(PHONE, "START", f"{site.url}/reply")
    assert send(client).sid


def test_a_public_address_behind_a_proxy(provider: Provider, client: Client, site: Receiver) -> None:
    """A callback is signed for the public address but taken to a local server; nobody else is called."""
    public = "https://floor.example.org/status"
    send(client, status_callback=public)
    wait_until(lambda: len(provider.calls()) == 2, "callbacks to nowhere")
    assert {call["status"] for call in provider.calls()} == {None}
    provider.webhooks(forward=site.url, token="another secret")
    send(client, status_callback=public)
    wait_until(lambda: len(site.hooks) == 2, "the callbacks")
    assert provider.calls()[-1]["url"] == public
    # The site believes that it is reached by http: it must refuse, and so it would the wrong secret.
    assert not any(site.valid())


@pytest.mark.parametrize(
    ("body", "count"),
    [("x" * 160, 1), ("x" * 161, 2), ("€" * 80, 1), ("€" * 81, 2), ("\u00a0" * 70, 1), ("“" * 71, 2)],
)
def test_segments(body: str, count: int) -> None:
    """Texts are counted in segments as the carriers count them."""
    assert segments(body) == count


def test_it_ends_with_its_starter(tmp_path: Path) -> None:
    """The process ends by itself when its standard input does."""
    provider = Provider.start(tmp_path)
    assert provider.process.stdin is not None
    provider.process.stdin.close()
    assert provider.process.wait(timeout=20) == 0
    provider.stop()
