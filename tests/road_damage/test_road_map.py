"""The map of the example of road damage: what is not signed, or no event, is refused in words of HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import HTTPServer
from pathlib import Path

import httpx
import pytest

from tests.road_damage.test_road_steps import EXAMPLE

KEY = b"k" * 32


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a map that keeps its events in a folder of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAP_SECRET", "whsec_" + base64.b64encode(KEY).decode())
    spec = importlib.util.spec_from_file_location("road_map", EXAMPLE / "road_map.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = HTTPServer(("127.0.0.1", 0), module.Map)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def signed(body: bytes, sent_at: str | None = None) -> dict[str, str]:
    """The headers of a body that is signed."""
    stamp = str(int(time.time())) if sent_at is None else sent_at
    mac = base64.b64encode(hmac.digest(KEY, f"1.{stamp}.".encode() + body, hashlib.sha256)).decode()
    return {"Webhook-Id": "1", "webhook-timestamp": stamp, "webhook-signature": f"v1,bad v1,{mac}"}


def test_an_event_is_kept_once(url: str, tmp_path: Path) -> None:
    """However often it is sent."""
    body = json.dumps({"id": "e-1", "data": {"outcome": "noted"}}).encode()
    answers = [httpx.post(url, content=body, headers=signed(body)).status_code for _ in range(2)]
    assert answers == [204, 204]
    [line] = (tmp_path / "map.jsonl").read_text().splitlines()
    assert json.loads(line) == {"id": "e-1", "outcome": "noted"}


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'{"id": 1, "data": {}}', b'{"id": "e-1"}'])
def test_what_is_no_event_is_refused(url: str, body: bytes) -> None:
    """It is signed, so it is told what is wrong with it."""
    assert httpx.post(url, content=body, headers=signed(body)).status_code == 400


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-signature": None},
        {"webhook-signature": "v1,Aa+/ v2 é"},
        {"webhook-id": None},
        {"Webhook-Id": "2"},
        {"webhook-timestamp": None},
        {"webhook-timestamp": "today"},
        {"webhook-timestamp": "9" * 5000},
    ],
    ids=lambda changed: "-".join(map(str, *changed.items()))[:40],
)
def test_what_is_not_signed_is_refused(url: str, changed: dict[str, str | None]) -> None:
    """Whatever is missing or wrong, the answer is the same."""
    names = {name.lower() for name in changed}
    kept = {name: value for name, value in signed(b"{}").items() if name.lower() not in names}
    headers = kept | {name: value.encode() for name, value in changed.items() if value is not None}
    assert httpx.post(url, content=b"{}", headers=headers).status_code == 401


def test_an_old_signature_is_refused(url: str) -> None:
    """One of an hour ago."""
    headers = signed(b"{}", sent_at=str(int(time.time()) - 3600))
    assert httpx.post(url, content=b"{}", headers=headers).status_code == 401


@pytest.mark.parametrize("length", [b"", b"Content-Length: -1\r\n", b"Content-Length: much\r\n"])
def test_a_request_without_a_length_is_refused(url: str, length: bytes) -> None:
    """It is not waited for."""
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: map\r\n" + length + b"\r\n")
        assert b" 401 " in line.recv(4096)
