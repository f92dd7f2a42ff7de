"""Signing in at an OpenID provider: to it and back, refused precisely, and a session like any other."""

from __future__ import annotations

import html
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, expect

from hms_floor.auth.oidc.provider import Flow, Provider, ProviderAway
from hms_oms.database import connections
from hms_oms.runtime import settings
from hms_oms.runtime.errors import ConfigError
from tests.pages.conftest import CALM
from tests.support import openid
from tests.support.api import RunningApi, standing
from tests.support.openid import OpenId

ROLES = "hms-admins=admin+manager; CN=field,OU=x=agent@farm-grant+road-damage; staff=viewer"


@pytest.fixture(scope="module")
def running() -> Iterator[OpenId]:
    """One provider for all tests of this module; to a browser it is another site than the floor."""
    with openid.provider() as stranger:
        yield stranger


@pytest.fixture
def provider(running: OpenId) -> OpenId:
    """The provider as at first, with Ann among the staff."""
    running.forget()
    running.person["groups"] = ["staff"]
    return running


@pytest.fixture(scope="module")
def api_server(
    module_database: str, running: OpenId, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningApi]:
    """An API with pages that knows the provider."""
    home = tmp_path_factory.mktemp("api") / "home"
    names = {
        "HMS_OIDC_ISSUER": running.issuer,
        "HMS_OIDC_CLIENT_ID": openid.CLIENT,
        "HMS_OIDC_CLIENT_SECRET": openid.SECRET,
        "HMS_OIDC_NAME": "Example Gov",
        "HMS_OIDC_ROLES_CLAIM": "groups",
        "HMS_OIDC_ROLES": ROLES,
    }
    with standing(module_database, "redis://127.0.0.1:1/0", home, **names) as opened:
        yield opened


@pytest.fixture
def client(api_server: RunningApi) -> Iterator[httpx.Client]:
    """A browser without eyes: it keeps cookies and follows nothing."""
    with httpx.Client(base_url=api_server.url, trust_env=False, timeout=20, verify=False) as result:
        yield result


def sign_in(client: httpx.Client, where: str = "/floor/") -> httpx.Response:
    """Go to the provider and come back."""
    return client.get(sent_back(client, where))


def sent_back(client: httpx.Client, where: str = "/floor/") -> str:
    """Go to the provider; the address that it sends the browser back to."""
    begun = client.get("/sign-in", params={"next": where})
    assert begun.status_code == 303, begun.text
    answer = httpx.get(begun.headers["location"], trust_env=False)
    return str(answer.headers["location"])


def fault(answer: httpx.Response) -> str:
    """What is said to somebody who is not let in."""
    match = re.search(r'<p role="alert">(.*?)</p>', answer.text)
    assert match is not None, answer.text
    assert "hms_badge" not in answer.headers.get("set-cookie", "")
    return html.unescape(match[1])


def row(api_server: RunningApi, query: str) -> Any:
    """The one row that a query gives."""
    assert api_server.settings.database_url is not None
    with connections.engine(api_server.settings.database_url).connect() as connection:
        return connection.execute(sa.text(query)).one()


def me(client: httpx.Client) -> Any:
    """What the API says of the badge in the cookie."""
    headers = {"Authorization": f"Bearer {client.cookies['hms_badge']}"}
    answer = client.get("/me", headers=headers)
    return answer.json() if answer.is_success else answer.status_code


def test_somebody_is_let_in(api_server: RunningApi, client: httpx.Client, provider: OpenId) -> None:
    """With the roles of the groups, for twelve hours; the register and the trail have it."""
    assert "Sign in with Example Gov" in client.get("/enter").text
    provider.person["groups"] = ["hms-admins", "CN=field,OU=x", "others"]
    answer = sign_in(client, "/floor/jobs?status=open")
    assert (answer.status_code, answer.headers["refresh"]) == (200, "0; url=/floor/jobs?status=open")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    said = me(client)
    assert (said["actor"], said["roles"]) == ("ann@example.gov", ["admin", "agent", "manager"])
    assert said["queues"] == ["farm-grant", "road-damage"]
    badge = row(
        api_server,
        "select actor, issued_by, expires_at, oms.now() as now from oms.badges order by id desc limit 1",
    )
    assert (badge.actor, badge.issued_by) == ("ann@example.gov", provider.issuer)
    assert 11.9 < (badge.expires_at - badge.now).total_seconds() / 3600 <= 12
    act = row(api_server, "select actor, action, detail from oms.audit order by id desc limit 1")
    assert (act.actor, act.action, act.detail["sub"]) == ("ann@example.gov", "GET /signed-in", "248289")


def test_signing_out_ends_the_session(client: httpx.Client, provider: OpenId) -> None:
    """Its badge is taken back: anyone who had a copy has nothing."""
    sign_in(client)
    token = client.cookies["hms_badge"]
    assert client.post("/leave").headers["location"] == "/enter"
    client.cookies.set("hms_badge", token)
    deadline = time.monotonic() + 10
    while me(client) != 401:
        assert time.monotonic() < deadline
    assert client.get("/floor/").headers["location"].startswith("/enter")


@pytest.mark.parametrize(
    ("instead", "says"),
    [
        ({"iss": "https://evil.example"}, "The ID token comes from another issuer."),
        ({"aud": "another"}, "The ID token is for another client."),
        ({"aud": ["hms-floor", "another"], "azp": "another"}, "The ID token is for another client."),
        ({"nonce": "of-another"}, "The ID token was made for another attempt to sign in."),
        ({"nonce": None}, "The ID token lacks nonce."),
        ({"exp": 1_000_000_000}, "The ID token has expired."),
        ({"sub": None}, "The ID token lacks sub."),
        ({"groups": ["others"]}, "ann@example.gov has no role here: nothing in the claim groups gives one."),
        ({"groups": None}, "ann@example.gov has no role here: nothing in the claim groups gives one."),
    ],
)
def test_what_is_refused_says_why(
    client: httpx.Client, provider: OpenId, instead: dict[str, Any], says: str
) -> None:
    """Each fault by its name; nobody gets a cookie."""
    provider.instead = instead
    answer = sign_in(client)
    words = fault(answer)
    assert (answer.status_code, words[0].upper() + words[1:]) == (403, says[0].upper() + says[1:])


def test_a_signature_must_be_of_the_provider(client: httpx.Client, provider: OpenId) -> None:
    """A new key of the provider's is fetched; its public key as a secret is no signature."""
    provider.rotate()
    provider.algorithm = "HS256"
    assert "is signed wrongly" in fault(sign_in(client))
    provider.algorithm = "RS256"
    deadline = time.monotonic() + 20
    while sign_in(client).status_code != 200:
        assert time.monotonic() < deadline


def test_an_answer_belongs_to_the_browser_that_asked(client: httpx.Client, provider: OpenId) -> None:
    """Nobody is let in by the code, the state or the cookie of somebody else, nor by the same code twice."""
    address = sent_back(client)
    with httpx.Client(base_url=str(client.base_url), trust_env=False) as other:
        assert "begun no attempt" in fault(other.get(address))
        sent_back(other)
        assert "another attempt" in fault(other.get(address))
        other.cookies.set("hms_sign_in", "forged")
        assert "begun no attempt" in fault(other.get(address))
    code, state = (parse_qs(urlsplit(address).query)[name][0] for name in ("code", "state"))
    assert "another attempt" in fault(client.get("/signed-in", params={"code": code, "state": "x"}))
    sent_back(client)
    provider.denies = True
    assert "access_denied" in fault(sign_in(client))
    provider.denies = False
    used = sent_back(client)
    kept = client.cookies["hms_sign_in"]
    assert client.get(used).status_code == 200
    client.cookies.set("hms_sign_in", kept)
    assert "does not take the code: invalid_grant" in fault(client.get(used))
    assert state


def test_the_way_back_leads_to_the_floor_alone(client: httpx.Client, provider: OpenId) -> None:
    """Whatever an address asks for, nobody is sent to another site."""
    assert sign_in(client, "https://evil.example/").headers["refresh"] == "0; url=/floor/"


def test_groups_may_be_told_elsewhere(client: httpx.Client, provider: OpenId) -> None:
    """Where the ID token says nothing of groups, the user information is asked, of the same person."""
    del provider.person["groups"]
    provider.more = {"groups": "staff"}
    assert sign_in(client).status_code == 200
    assert me(client)["roles"] == ["viewer"]
    provider.more = {"groups": "hms-admins", "sub": "somebody else"}
    assert "has no role here" in fault(sign_in(client))


def test_an_address_that_is_not_verified_is_no_name(client: httpx.Client, provider: OpenId) -> None:
    """Anybody may give an address of somebody else."""
    provider.person |= {"email_verified": False, "preferred_username": "mallory"}
    sign_in(client)
    assert me(client)["actor"] == "mallory"


def test_a_provider_without_an_answer_is_left_alone_for_a_while() -> None:
    """Who presses the button meanwhile is told at once, and keeps no thread waiting."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        issuer = f"http://127.0.0.1:{silent.getsockname()[1]}"
        given = {"HMS_OIDC_ISSUER": issuer, "HMS_OIDC_CLIENT_ID": "x", "HMS_OIDC_ROLES": ROLES}
        away = Provider(settings.load(given))
        threading.Thread(target=lambda: silent.accept()[0].close(), daemon=True).start()
        with pytest.raises(ProviderAway, match="does not answer"):
            away.address(Flow.new(), "http://127.0.0.1/signed-in")
        with pytest.raises(ProviderAway, match="a moment ago"):
            away.address(Flow.new(), "http://127.0.0.1/signed-in")


def test_what_is_set_wrongly_is_told_at_the_start() -> None:
    """All three settings or none; an issuer is reached by https; a mapping has its form; roles exist."""
    good = {"HMS_OIDC_ISSUER": "https://id.example.gov", "HMS_OIDC_CLIENT_ID": "x", "HMS_OIDC_ROLES": ROLES}
    assert settings.load(good).oidc_roles[1].value == "CN=field,OU=x"
    for wrong, why in (
        ({"HMS_OIDC_ROLES": ""}, "HMS_OIDC_ROLES is empty"),
        ({"HMS_OIDC_ROLES": "staff"}, "VALUE=ROLE"),
        ({"HMS_OIDC_ISSUER": "http://id.example.gov"}, "https"),
        ({"HMS_OIDC_CLIENT_ID": None}, "HMS_OIDC_CLIENT_ID must be set as well"),
    ):
        given = {name: value for name, value in {**good, **wrong}.items() if value is not None}
        with pytest.raises(ConfigError, match=why):
            settings.load(given)
    from hms_floor.auth.oidc import grants

    with pytest.raises(ConfigError, match="there is no role 'wizard'"):
        grants.require_roles(settings.load(good | {"HMS_OIDC_ROLES": "a=wizard"}).oidc_roles)


def test_in_a_browser(browser: Browser, api_server: RunningApi, provider: OpenId) -> None:
    """From the button by a page of another site to the page that was asked for, and out again."""
    with browser.new_context(**CALM) as context:
        page = context.new_page()
        provider.asks = True
        page.goto(f"{api_server.url}/floor/oncall")
        page.get_by_role("link", name="Sign in with Example Gov").click()
        page.get_by_role("link", name="Go on").click()
        expect(page.get_by_role("heading", name="On call now")).to_be_visible()
        assert urlsplit(page.url).path == "/floor/oncall"
        expect(page.get_by_text("ann@example.gov")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("link", name="Sign in with Example Gov")).to_be_visible()
