"""Where the floor listens, who answers there, and the badge that is shown there."""

from __future__ import annotations

import json
import socket
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from hms_floor import private_files
from hms_floor.auth import local_token, tokens
from hms_floor.local import listening, processes
from hms_oms.api.http import Wire
from hms_oms.runtime import settings
from hms_oms.runtime.errors import ConfigError
from hms_oms.runtime.settings import Settings


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("127.0.0.2", "http://127.0.0.2:80"),
        ("", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("[::1]", "http://[::1]:80"),
        ("localhost", "http://localhost:80"),
    ],
)
def test_the_url_of_an_address(host: str, url: str) -> None:
    """An IPv6 address stands in brackets; all of this machine is reached at its loopback."""
    assert listening.url(host, 80) == url
    with listening.listen(host, 0) as bound:
        port = bound.getsockname()[1]
        reached = listening.url(host, port).removeprefix("http://").rpartition(":")[0].strip("[]")
        socket.create_connection((reached, port), 5).close()


def test_all_of_ipv6_is_all_of_ipv4_too() -> None:
    """`::` is reached at the URL that is told."""
    with listening.listen("::", 0) as bound:
        port = bound.getsockname()[1]
        reached = listening.url("::", port).removeprefix("http://").rpartition(":")[0].strip("[]")
        socket.create_connection((reached, port), 5).close()


def test_an_address_of_another_machine_is_told_once() -> None:
    """The setting, the address and the system's reason: no traceback, and nothing twice."""
    with pytest.raises(ConfigError) as refused:
        listening.listen("192.0.2.1", 80)
    fault = "192.0.2.1 port 80 cannot be used: Cannot assign requested address"
    assert refused.value.faults == (f"HMS_FLOOR_HOST, HMS_FLOOR_PORT: {fault}",)


def test_a_port_that_a_stranger_has_is_never_ours(tmp_path: Path) -> None:
    """The port of the last time is left to the person who has it now; a chosen one is insisted on."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        (tmp_path / "floor.port").write_text(str(taken))
        with listening.bound(Settings(home=tmp_path, floor_port=0), tmp_path) as ours:
            port = ours.getsockname()[1]
            assert port != taken
            assert (tmp_path / "floor.port").read_text() == str(port)
        with pytest.raises(ConfigError, match="HMS_FLOOR_PORT"):
            listening.bound(Settings(home=tmp_path, floor_port=taken), tmp_path)
    with listening.bound(Settings(home=tmp_path, floor_port=0), tmp_path) as again:
        assert again.getsockname()[1] == port


def test_an_address_of_another_machine_is_refused_at_once(tmp_path: Path) -> None:
    """Not after a minute of waiting."""
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1 port 8123"):
        listening.bound(Settings(home=tmp_path, floor_host="192.0.2.1", floor_port=8123), tmp_path)


def test_the_port_of_a_killed_floor_is_not_believed(tmp_path: Path) -> None:
    """Its servers are known still; its address only while the process lives that holds the port."""
    result = {
        "database_url": "postgresql://a/b",
        "broker_url": "redis://c",
        "floor_url": "http://127.0.0.1:1",
    }
    (tmp_path / settings.SERVERS_FILE).write_text(json.dumps(result))
    here = {"HMS_HOME": str(tmp_path)}
    with processes.hold(tmp_path):
        assert settings.load(here).floor_url == "http://127.0.0.1:1"
    assert settings.load(here).floor_url is None
    assert settings.load(here).database_url == "postgresql://a/b"


def test_the_badge_of_this_machine_holds_for_hours_and_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was made for a year is replaced, and so is one that is half over."""
    configured = Settings(home=tmp_path)
    tokens.make_key(tmp_path)
    long = tokens.issue(configured, actor="me", roles=tuple(tokens.Role), hours=tokens.MOST_HOURS)
    private_files.write_private(tmp_path / tokens.BADGE_FILE, long.token)
    first = local_token.make(tmp_path, configured)
    assert first != long.token
    left = tokens.checker(configured).check(first).expires_at - time.time()
    assert left <= 12 * 3600
    assert local_token.make(tmp_path, configured) == first
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7 * 3600)
    assert local_token.make(tmp_path, configured) != first


def test_a_client_takes_up_the_renewed_badge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anyone who watches for longer than a badge holds goes on with the next one."""
    shown: list[str] = []

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers["Authorization"])
            self.send_response(200 if shown[-1] == "Bearer new" else 401)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    for name in ("HMS_URL", "HMS_BADGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HMS_HOME", str(tmp_path))
    private_files.write_private(tmp_path / "badge", "old")
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as running:
        Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        wire = Wire(f"http://127.0.0.1:{running.server_address[1]}")
        private_files.write_private(tmp_path / "badge", "new")
        assert wire.get("/me") == {}
        wire.close()
        running.shutdown()
    assert shown == ["Bearer old", "Bearer new"]
