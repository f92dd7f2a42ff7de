"""Who gets in: the guard before the pages and their line, the one-time link, the cookie, the way out."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Iterator

import httpx
import nicegui
import pytest

from hms_floor.auth import sign_in_link
from tests.support.api import RunningApi, standing

LINE = "/floor/_nicegui_ws/socket.io/?EIO=4&transport="


@pytest.fixture(scope="module")
def api_server(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """An API with pages, for all tests of this module."""
    home = tmp_path_factory.mktemp("api") / "home"
    with standing(module_database, "redis://127.0.0.1:1/0", home) as opened:
        yield opened


@pytest.fixture
def client(api_server: RunningApi) -> Iterator[httpx.Client]:
    """A browser without eyes: it keeps cookies and follows nothing."""
    with httpx.Client(base_url=api_server.url, trust_env=False, timeout=20, verify=False) as result:
        yield result


def sign_in(api_server: RunningApi, client: httpx.Client, *roles: str) -> str:
    """Show a badge at the form; returns it."""
    badge = api_server.badge(*(roles or ("viewer",)))
    assert client.post("/enter", data={"badge": badge, "next": "/floor/"}).status_code == 303
    return badge


def handshake(api_server: RunningApi, **headers: str) -> str:
    """Ask for a websocket of the pages, and return the status line of the answer."""
    host, _, port = api_server.url.removeprefix("http://").partition(":")
    sent = {
        "Host": f"{host}:{port}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(f"GET {LINE}websocket HTTP/1.1\r\n{lines}\r\n".encode())
        return line.makefile("rb").readline().decode()


@pytest.mark.parametrize("path", ["/floor/", "/floor/jobs?status=open", "/floor/queues/shop", "/floor/no"])
def test_a_page_without_a_badge_leads_to_the_way_in(client: httpx.Client, path: str) -> None:
    """It comes back to the same page afterwards, and nothing of the page is told before."""
    answer = client.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/enter?next=/floor/")
    assert answer.content == b""
    client.cookies.set("hms_badge", "no.badge.atall")
    assert client.get(path).status_code == 303


def test_the_line_of_a_page_is_for_our_own_pages_with_a_badge(
    api_server: RunningApi, client: httpx.Client
) -> None:
    """Without a badge, or from another site, neither a websocket nor polling gets a line."""
    badge = sign_in(api_server, client)
    cookie, host = f"hms_badge={badge}", api_server.url.removeprefix("http://")
    assert " 403 " in handshake(api_server)
    assert " 403 " in handshake(api_server, Origin=api_server.url)
    assert " 403 " in handshake(api_server, Cookie=cookie, Origin="http://evil.example")
    assert " 403 " in handshake(api_server, Cookie=cookie, Origin="null")
    assert " 403 " in handshake(api_server, Cookie=cookie, Origin=api_server.url, Sec_Fetch_Site="cross-site")
    assert " 403 " in handshake(api_server, Cookie="hms_badge=x.y.z", Origin=api_server.url)
    assert " 101 " in handshake(api_server, Cookie=cookie, Origin=f"http://{host}")
    client.cookies.clear()
    assert client.get(f"{LINE}polling").status_code == 403
    client.cookies.set("hms_badge", badge)
    assert client.get(f"{LINE}polling", headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.get(f"{LINE}polling", headers={"Origin": api_server.url}).status_code == 200


def test_a_file_from_another_site_is_refused(api_server: RunningApi, client: httpx.Client) -> None:
    """Whatever writes to a page must come from a page of ours, even with the cookie."""
    sign_in(api_server, client, "manager")
    place = f"/floor/_nicegui/client/{uuid.uuid4()}/upload/7"
    assert client.post(place, files={"a": b"x"}, headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.post(place, files={"a": b"x"}, headers={"Sec-Fetch-Site": "same-site"}).status_code == 403
    large = {"a": b"x" * 3_000_000}  # larger than any JSON may be
    assert client.post(place, files=large, headers={"Origin": api_server.url}).status_code == 404


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(
    api_server: RunningApi, client: httpx.Client
) -> None:
    """HttpOnly, SameSite=Strict, as long as the badge holds; Secure where the API is behind TLS."""
    answer = client.post("/enter", data={"badge": api_server.badge("viewer"), "next": "/floor/jobs"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/floor/jobs")
    flags = answer.headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=strict" in flags
    assert "secure" not in flags
    assert 3000 < int(flags.partition("max-age=")[2].partition(";")[0]) <= 3600
    assert client.get("/here").status_code == 204


@pytest.mark.parametrize(
    "where",
    ["https://evil.example/", "//evil.example", "/floor/\\evil", "/floor/\r\nX: y", "/leave", "floor", ""],
)
def test_nobody_is_led_elsewhere(api_server: RunningApi, client: httpx.Client, where: str) -> None:
    """Whatever an address asks for, signing in leads to the floor."""
    answer = client.post("/enter", data={"badge": api_server.badge("viewer"), "next": where})
    assert (answer.status_code, answer.headers["location"]) == (303, "/floor/")
    code = sign_in_link.make_code(api_server.settings.home, time.time())
    answer = client.get("/enter", params={"code": code, "next": where})
    assert (answer.status_code, answer.headers["location"]) == (303, "/floor/")


def test_a_link_is_good_once_and_not_for_ever(api_server: RunningApi, client: httpx.Client) -> None:
    """Used, wrong or ended it says so, and sets no cookie."""
    code = sign_in_link.make_code(api_server.settings.home, time.time())
    assert client.get("/enter", params={"code": "wrong"}).status_code == 403
    assert client.get("/enter", params={"code": code}).status_code == 303
    client.cookies.clear()
    used = client.get("/enter", params={"code": code})
    assert used.status_code == 403
    assert "has been used already, or has ended" in used.text
    assert "set-cookie" not in used.headers
    ended = sign_in_link.make_code(api_server.settings.home, time.time() - sign_in_link.SECONDS - 1)
    assert client.get("/enter", params={"code": ended}).status_code == 403


def test_a_wrong_badge_and_a_form_from_elsewhere_are_refused(
    api_server: RunningApi, client: httpx.Client
) -> None:
    """The reason is told as text, never as markup."""
    answer = client.post("/enter", data={"badge": "<script>", "next": '"><script>'})
    assert answer.status_code == 403
    assert "<script" not in answer.text
    badge = {"badge": api_server.badge("viewer")}
    assert client.post("/enter", data=badge, headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.post("/enter", data=badge, headers={"Origin": "null"}).status_code == 403
    own = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/enter", data=badge, headers=own).status_code == 303


def test_whoever_signs_out_is_out(api_server: RunningApi, client: httpx.Client) -> None:
    """The cookie is gone, and other sites cannot have it removed."""
    sign_in(api_server, client)
    assert client.post("/leave", headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.get("/here").status_code == 204
    assert client.post("/leave").headers["location"] == "/enter"
    assert client.get("/here").status_code == 403
    assert client.get("/floor/").status_code == 303


def test_a_page_says_what_it_may_load(api_server: RunningApi, client: httpx.Client) -> None:
    """Nothing from elsewhere, no frame around it; assets are the same for all and may be kept."""
    sign_in(api_server, client)
    page = client.get("/floor/")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    for rule in ("default-src 'self'", "frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"):
        assert rule in policy
    assert page.headers["x-frame-options"] == "DENY"
    assert "no-store" in page.headers["cache-control"]
    assert "//" not in page.text.partition("<body>")[0].replace("http://www.w3.org", "").replace("*/", "")
    client.cookies.clear()
    asset = client.get(f"/floor/_nicegui/{nicegui.__version__}/static/nicegui.js")
    assert asset.status_code == 200
    assert "max-age" in asset.headers["cache-control"]


def test_a_jobs_task_is_found_in_flower_where_there_is_one(
    api_server: RunningApi, client: httpx.Client
) -> None:
    """Here there is none, and what is no ticket leads nowhere."""
    assert client.get("/flower-link/job-7.1.pick").status_code == 404
    assert client.get("/flower-link/evil").status_code == 404
