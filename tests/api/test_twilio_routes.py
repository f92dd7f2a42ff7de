"""What the provider calls: believed when it is signed for our public address, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import httpx
import psycopg2.extensions
import pytest
import sqlalchemy as sa

from hms_floor.auth.tokens import Role
from hms_oms.database import health
from hms_oms.messages import delivery, outbox
from hms_oms.messages.records import OutgoingText
from hms_ops.findings import Finding
from hms_ops.incidents import actions, signals, store, thresholds
from hms_ops.oncall import oncall
from tests.api.conftest import ApiServer
from tests.provider import ACCOUNT, NUMBER, TOKEN
from tests.provider.webhooks import signature

PUBLIC = "https://hms.example.org/API"
PHONE = "+12025550142"
SLOW = Finding("slow", "shop", 3600.0, facts={"sla_minutes": 30})
SID = "SM" + "1" * 32


@pytest.fixture(scope="module")
def standing_api(open_api: Callable[..., ApiServer]) -> ApiServer:
    """An API that the provider can reach at a public address."""
    return open_api(
        HMS_TWILIO_ACCOUNT_SID=ACCOUNT,
        HMS_TWILIO_AUTH_TOKEN=TOKEN,
        HMS_TWILIO_FROM=NUMBER,
        HMS_PUBLIC_URL=PUBLIC,
    )


def call(
    api_server: ApiServer,
    target: str,
    form: Mapping[str, str],
    *,
    signed_for: str | None = None,
    token: str = TOKEN,
    **headers: str,
) -> httpx.Response:
    """The provider posts a form, signed for our public address unless told otherwise."""
    signed = signature(signed_for or PUBLIC + target, form, token)
    return api_server.client.post(
        target,
        content=urlencode(form),
        headers={
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Twilio-Signature": signed,
            **headers,
        },
    )


@pytest.fixture
def paged(api_server: ApiServer, engine: sa.Engine, raw: psycopg2.extensions.connection) -> str:
    """An open incident about which somebody was texted; its reference."""
    with engine.begin() as connection:
        now = health.clock(connection)
        document = {
            "timezone": "UTC",
            "recipients": {"Ann": PHONE},
            "steps": [{"after_minutes": 0, "notify": ["Ann"]}],
        }
        oncall.set_document(connection, document, "ann", None)
        store.begin(
            connection,
            signals.follow(
                {},
                [Finding("slow", "shop", 3600.0, facts={"sla_minutes": 30})],
                (),
                now,
                thresholds.limits(connection),
            ),
            now,
            False,
        )
        (pending,) = actions.find(connection, ("pending",))
        opened = store.change(
            connection, pending, now, "opened", state="open", reference="K7", opened_at=now, page_seq=1
        )
        outbox.put_page(
            connection,
            token="page:1",
            incident=opened.id,
            kind="page",
            reference="K7",
            recipient=PHONE,
            body="HMS #K7",
        )
        number = connection.scalar(sa.text("select id from oms.messages"))
    delivery.begin(raw, [OutgoingText(number, 0)], "twilio")
    return "K7"


def state(engine: sa.Engine) -> str:
    """What became of the only text."""
    with engine.connect() as connection:
        return str(connection.scalar(sa.text("select state from oms.messages")))


def rows(engine: sa.Engine, table: str) -> int:
    """How many rows a table has."""
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(f"select count(*) from {table}")) or 0)


@pytest.mark.usefixtures("paged")
def test_a_status_is_taken_in_once(api_server: ApiServer, engine: sa.Engine) -> None:
    """A signed status reaches its text by the numbers in its address; the same call again changes nothing."""
    with engine.connect() as connection:
        number = connection.scalar(sa.text("select id from oms.messages"))
    target = f"/twilio/status?n={number}&a=1"
    form = {"MessageSid": SID, "MessageStatus": "delivered", "AccountSid": ACCOUNT}
    before = rows(engine, "oms.callbacks")
    for _ in range(2):
        answer = call(api_server, target, form, **{"I-Twilio-Idempotency-Token": f"once-{number}"})
        assert answer.status_code == 204, answer.text
    assert state(engine) == "delivered"
    assert rows(engine, "oms.callbacks") == before + 1


@pytest.mark.usefixtures("paged")
@pytest.mark.parametrize(
    "spoiled",
    [
        {"signed_for": "http://hms.example.org/API/twilio/status?n=1&a=1"},
        {"signed_for": "https://evil.example.org/twilio/status?n=1&a=1"},
        {"signed_for": f"{PUBLIC}/twilio/status?n=2&a=1"},
        {"signed_for": f"{PUBLIC}/twilio/reply"},
        {"token": "another token"},
        {"X-Twilio-Signature": ""},
        {"Host": "hms.example.org", "X-Twilio-Signature": "AAAA"},
    ],
)
def test_what_is_not_signed_for_us_does_nothing(
    api_server: ApiServer, engine: sa.Engine, spoiled: dict[str, str]
) -> None:
    """Another address, another token or no signature: 403, and nothing is kept."""
    before = rows(engine, "oms.callbacks")
    form = {"MessageSid": SID, "MessageStatus": "delivered"}
    answer = call(api_server, "/twilio/status?n=1&a=1", form, **spoiled)  # type: ignore[arg-type]
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert rows(engine, "oms.callbacks") == before
    assert state(engine) == "sending"


@pytest.mark.usefixtures("database")
def test_a_changed_form_is_refused(api_server: ApiServer) -> None:
    """Not a field may be added, changed, or taken away once it is signed."""
    form = {"From": PHONE, "Body": "ACK K7"}
    signed = {"X-Twilio-Signature": signature(f"{PUBLIC}/twilio/reply", form)}
    for other in ({**form, "Body": "CLOSE K7"}, {**form, "x": "y"}, {"From": PHONE}, {}):
        assert call(api_server, "/twilio/reply", other, **signed).status_code == 403
    assert call(api_server, "/twilio/reply", form, **signed).status_code == 200


def test_a_reply_acknowledges(api_server: ApiServer, engine: sa.Engine, paged: str) -> None:
    """ACK K7 from a phone that was paged takes the incident on, in TwiML, and stands in the trail."""
    answer = call(api_server, "/twilio/reply", {"From": PHONE, "Body": f"ack #{paged}", "MessageSid": SID})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    assert "<Response><Message>HMS: acknowledged #K7" in answer.text
    document = api_server.get(f"/incidents/{paged}", Role.VIEWER)
    assert (document["state"], document["acknowledgedBy"]) == ("acknowledged", "Ann")
    (entry,) = api_server.get("/audit?action=POST%20/twilio/reply", Role.ADMIN)["entries"]
    assert entry["actor"] == f"***{PHONE[-4:]}"
    assert "#K7" in entry["detail"]["answer"]


@pytest.mark.usefixtures("database")
def test_a_stranger_is_not_answered(api_server: ApiServer) -> None:
    """A phone that was never paged gets an empty answer, whatever it says."""
    answer = call(api_server, "/twilio/reply", {"From": "+12025550199", "Body": "ACK <ALL> & more"})
    assert answer.status_code == 200
    assert answer.text == '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'


def test_where_no_provider_is_set_up_there_is_nothing(open_api: Callable[..., ApiServer]) -> None:
    """Without a token and a public address nothing can be believed: there is no such address."""
    form = {"From": PHONE, "Body": "ACK K7"}
    api_server = open_api()
    for target in ("/twilio/reply", "/twilio/status?n=1&a=1"):
        assert call(api_server, target, form).status_code == 404
        assert call(api_server, target, form, signed_for=api_server.url + target, token="").status_code == 404


def test_a_form_of_very_many_fields_is_not_taken_apart(api_server: ApiServer) -> None:
    """Nobody knows yet who has sent it."""
    form = {f"a{number}": "" for number in range(1000)}
    assert call(api_server, "/twilio/reply", form).status_code == 400
