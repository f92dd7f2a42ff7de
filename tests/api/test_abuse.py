"""Those who mean no good, or know no better: a clear answer, and the API stays open for the others."""

from __future__ import annotations

import http.client
import json
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import psutil
import pytest
import sqlalchemy as sa

from hms_floor.api.transport import problems
from hms_floor.api.transport.connection import MOST_CONNECTIONS, MOST_EACH, SLACK
from hms_floor.api.transport.shares import BOUNDS
from hms_floor.auth.tokens import Role
from hms_oms.database.connections import engine as engine_of
from tests.api.conftest import ApiServer, counted, faults, receive_all
from tests.conftest import wait_until


@pytest.fixture(autouse=True)
def still_open(standing_api: ApiServer) -> Iterator[None]:
    """After each of these the API still answers."""
    yield
    assert standing_api.lives()


def status(answer: bytes) -> int:
    """The status of an answer as it came over the line."""
    assert answer.startswith(b"HTTP/1.1 "), answer[:100]
    return int(answer[9:12])


@pytest.mark.drill
def test_heads_that_never_end_are_hung_up_on(api_server: ApiServer) -> None:
    """Fifty connections that send a line now and then are told 408, while others are served."""
    lines = [api_server.connect(30.0) for _ in range(50)]
    for line in lines:
        line.sendall(b"GET /me HTTP/1.1\r\nHost: API\r\n")
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.5):
            for line in lines:
                try:
                    line.sendall(b"X-A: b\r\n")
                except OSError:
                    return

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        assert api_server.lives()
        assert status(receive_all(lines[0])) == 408
        assert api_server.lives()
    finally:
        over.set()
        dripping.join()
        for line in lines:
            line.close()


@pytest.mark.drill
def test_a_body_that_drips_is_ended(api_server: ApiServer) -> None:
    """A JSON body has some seconds to come, however it drips."""
    with api_server.connect(30.0) as line:
        head = f"POST /jobs HTTP/1.1\r\nHost: API\r\nAuthorization: Bearer {api_server.badge()}\r\n"
        line.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{".encode())
        assert status(receive_all(line)) == 408


def test_a_gigabyte_is_refused_before_it_is_sent(api_server: ApiServer) -> None:
    """413 by the length that is told, with hardly a byte taken in; and by what comes, where none is told."""
    head = f"POST /jobs HTTP/1.1\r\nHost: API\r\nAuthorization: Bearer {api_server.badge()}\r\n"
    head += "Content-Type: application/json\r\n"
    answer = api_server.send(f"{head}Content-Length: 1073741824\r\n\r\n".encode() + b"x" * 1000)
    assert status(answer) == 413
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer = api_server.send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + 17 * chunk)
    assert status(answer) == 413
    assert b"application/problem+json" in answer


def test_a_gigabyte_of_rows_is_refused(api_server: ApiServer) -> None:
    """A file has its limit, too, and is not read to the end to find out."""
    head = "POST /cycles?jobType=shop:order:v1 HTTP/1.1\r\nHost: API\r\n"
    head += f"Authorization: Bearer {api_server.badge()}\r\n"
    answer = api_server.send(f"{head}Content-Type: text/csv\r\nContent-Length: 1073741824\r\n\r\n".encode())
    assert status(answer) == 413


@pytest.mark.parametrize(
    "body",
    ["[" * 10_000 + "]" * 10_000, '{"a":' * 10_000 + "1" + "}" * 10_000],
    ids=["lists", "objects"],
)
def test_depths_are_not_descended_into(api_server: ApiServer, body: str) -> None:
    """10,000 levels are one answer, not a stack."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {api_server.badge()}"}
    answer = api_server.client.post("/jobs", content=body, headers=headers)
    assert answer.status_code == 400
    assert "deeper than 64" in answer.json()["detail"]


def test_brackets_in_words_are_no_depth(api_server: ApiServer) -> None:
    """Only those that nest count."""
    payload = {"number": 1, "note": '[{"' * 500, "list": [[1]] * 200}
    assert (
        api_server.ask("POST", "/jobs", {"jobType": "shop:order:v1", "payload": payload}).status_code == 201
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"9" * 5000,
        b"[]",
        b"null",
        b'"x"',
    ],
)
def test_what_is_no_request_is_told_so(api_server: ApiServer, body: bytes) -> None:
    """Unreadable or of another shape: 400 or 422, and the field where there is one."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {api_server.badge()}"}
    answer = api_server.client.post("/jobs", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text


def test_a_line_of_a_file_is_not_descended_into_either(api_server: ApiServer) -> None:
    """It is refused, and nobody's list of jobs holds what cannot be shown."""
    deep = '{"number": 1, "deep": ' + "[" * 64 + "]" * 64 + "}"
    fits = '{"number": 2, "deep": ' + "[" * 63 + "]" * 63 + "}"
    headers = {"Content-Type": "application/x-ndjson"}
    answer = api_server.ask(
        "POST", "/cycles?jobType=shop:order:v1", content=f"{deep}\n{fits}", headers=headers
    )
    assert answer.json()["refusedRows"] == [
        {"line": 1, "field": "line", "reason": "is nested deeper than 64 levels"}
    ]
    for role in (Role.VIEWER, Role.OPERATOR):
        assert [job["key"] for job in api_server.get("/jobs", role)["jobs"]] == ["2"]


def test_no_more_faults_are_told_than_anybody_reads(api_server: ApiServer) -> None:
    """A megabyte of wrong fields is no larger an answer."""
    answer = api_server.ask("POST", "/jobs", {f"a{number}": 1 for number in range(50_000)})
    assert len(faults(answer)) == 100
    assert len(answer.content) < 20_000


def test_another_kind_of_body_is_refused(api_server: ApiServer) -> None:
    """JSON is asked for, and said so."""
    headers = {"Content-Type": "text/plain", "Authorization": f"Bearer {api_server.badge()}"}
    assert api_server.client.post("/jobs", content=b"{}", headers=headers).status_code == 415
    assert api_server.ask("POST", "/cycles?jobType=shop:order:v1", {}).status_code == 415


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/../badges",
        "/jobs/%2e%2e/badges",
        "/jobs/%2e%2e%2fbadges",
        "//badges",
        "/BADGES",
        "/jobs/job-1%00",
        "/queues/%00/peek",
        "/jobs?payload=a%00=b",
        "/queues/farm-grant'%3Bdrop table oms.jobs/peek".replace(" ", "%20"),
        "/queues/' or 1=1 --/peek".replace(" ", "%20"),
        "/jobs/1 union select 1".replace(" ", "%20"),
        "/jobs/9999999999999999999999",
        "/jobs/-1",
        "/jobs/%D9%A1",
        "/..%5c..%5cetc/passwd",
        "/etc/passwd",
        "/jobs/job-1/",
        "/metrics.json",
        "/.env",
        "/docs/../badges",
        "/docs/nowhere",
        "/redoc",
    ],
)
def test_tricks_in_an_address_lead_nowhere(api_server: ApiServer, path: str) -> None:
    """No trick reaches another route or the ledger: 4xx, whatever the role."""
    connection = http.client.HTTPConnection(api_server.url.removeprefix("http://"), timeout=10)
    connection.putrequest("GET", path, skip_host=False)
    connection.putheader("Authorization", f"Bearer {api_server.badge(Role.VIEWER)}")
    connection.endheaders()
    answer = connection.getresponse()
    document = json.loads(answer.read())
    assert 400 <= answer.status < 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["status"] == answer.status


def test_what_is_asked_cannot_become_a_header(api_server: ApiServer) -> None:
    """Line ends in a query, a body or a header never come back as headers."""
    document = {"jobType": "shop:order:v1", "payload": {"number": 1}, "key": "a\r\nX-Evil: 1"}
    answers = [
        api_server.ask("GET", "/jobs?queue=%0d%0aX-Evil:%201"),
        api_server.ask("POST", "/jobs", document),
        api_server.ask("GET", "/queues/a%0d%0aX-Evil:1/peek"),
    ]
    for answer in answers:
        assert answer.status_code in (404, 422)
        assert "x-evil" not in answer.headers


def test_heads_that_are_too_large_or_none_at_all(api_server: ApiServer) -> None:
    """A head of 100 KB, an address of 10 KB, and bytes that are no HTTP."""
    large = b"GET /healthz HTTP/1.1\r\nHost: API\r\nX-Large: " + b"x" * 100_000 + b"\r\n\r\n"
    assert status(api_server.send(large)) == 431
    many = b"GET /healthz HTTP/1.1\r\nHost: API\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(5000))
    assert status(api_server.send(many + b"\r\n")) == 431
    assert api_server.client.get("/healthz?" + "x" * 10_000).status_code == 414
    for junk in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 100 + b"\r\n\r\n"):
        assert status(api_server.send(junk + b"\r\n\r\n")) == 400
    split = b"POST /jobs HTTP/1.1\r\nHost: API\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert status(api_server.send(split + b"0\r\n\r\n")) == 400


@pytest.mark.drill
def test_agents_who_wait_leave_room_for_the_others(api_server: ApiServer) -> None:
    """A thousand may wait, of one badge a quarter; the next is told so, and others are served."""
    bound = BOUNDS["wait"]
    with ExitStack() as lines:
        for number in range(4):
            badge = api_server.badge(Role.AGENT, actor=f"desk-{number}")
            head = _head("POST", "/queues/returns-desk/reserve", badge)
            head += 'Content-Type: application/json\r\nContent-Length: 12\r\n\r\n{"wait": 30}'
            for _ in range(bound.badge):
                line = api_server.connect(source=f"127.0.0.{number // 2 + 2}")
                lines.enter_context(line).sendall(head.encode())
            if number == 0:
                _waits(api_server, badge, 429)
        _waits(api_server, api_server.badge(), 503)
        assert api_server.get("/queues")["queues"]


def _waits(api_server: ApiServer, badge: str, status: int) -> None:
    """Wait until nobody more may wait with this badge."""

    def refused() -> bool:
        answer = api_server.ask("POST", "/queues/returns-desk/reserve", {"wait": 0.001}, badge=badge)
        return answer.status_code == status and int(answer.headers["retry-after"]) > 0

    wait_until(refused, f"another one to be told {status}", 60)


def test_one_badge_cannot_take_all_streams(api_server: ApiServer) -> None:
    """It has its share, and is told 429; another badge watches. What is open and refused is counted."""
    greedy, patient = api_server.badge(Role.VIEWER), api_server.badge(Role.VIEWER, actor="bob")
    asking = f"{_head('GET', '/stream', greedy)}\r\n".encode()
    before = counted(api_server)
    with ExitStack() as lines:
        for _ in range(BOUNDS["stream"].badge):
            lines.enter_context(api_server.connect()).sendall(asking)
        held = 'hms_open{kind="stream"}'
        wait_until(lambda: counted(api_server)[held] == BOUNDS["stream"].badge, "all streams to be open")
        answer = api_server.ask("GET", "/stream", badge=greedy)
        assert (answer.status_code, answer.json()["detail"]) == (429, "this badge has 250 streams already")
        with api_server.connect() as line:
            line.sendall(f"{_head('GET', '/stream', patient)}\r\n".encode())
            assert status(line.recv(1000)) == 200
        refused = 'hms_refused_requests_total{status="429"}'
        assert counted(api_server)[refused] == before[refused] + 1
    wait_until(lambda: counted(api_server)[held] == 0, "nobody to watch")


def test_one_badge_cannot_take_all_places_for_files(api_server: ApiServer) -> None:
    """Two files that do not end keep their places; a third is told 429, and another badge is served."""
    greedy, patient = api_server.badge(), api_server.badge(actor="bob")
    head = _head("POST", "/cycles?jobType=shop:order:v1", greedy)
    head += "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n"
    headers = {"Content-Type": "application/x-ndjson"}
    file: dict[str, Any] = {"content": b'{"number": 1}', "headers": headers}
    with ExitStack() as lines:
        for _ in range(BOUNDS["upload"].badge):
            lines.enter_context(api_server.connect()).sendall(head.encode())
        wait_until(lambda: counted(api_server)['hms_open{kind="upload"}'] == 2, "both files to come in")
        assert (
            api_server.ask("POST", "/cycles?jobType=shop:order:v1", badge=greedy, **file).status_code == 429
        )
        assert (
            api_server.ask("POST", "/cycles?jobType=shop:order:v1", badge=patient, **file).status_code == 201
        )


def _head(method: str, path: str, badge: str) -> str:
    return f"{method} {path} HTTP/1.1\r\nHost: API\r\nAuthorization: Bearer {badge}\r\n"


def test_more_connections_than_there_is_room_for(api_server: ApiServer) -> None:
    """An address that has its share is told 429 while others are served; when all are taken, others 503."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, MOST_CONNECTIONS + 500)), hard))
    api_server.client.close()
    api_server.client = httpx.Client(base_url=api_server.url, timeout=60.0, verify=False)
    asking = b"GET /livez HTTP/1.1\r\nHost: API\r\nConnection: close\r\n\r\n"
    with ExitStack() as lines:
        for number in range(MOST_EACH + SLACK):
            lines.enter_context(api_server.connect())
            if number == MOST_EACH - 1:
                assert status(api_server.send(asking)) == 429
        assert api_server.send(asking) == b""
        assert status(api_server.send(asking, source="127.0.0.2")) == 200
        for number in range(MOST_CONNECTIONS - MOST_EACH - SLACK):
            lines.enter_context(api_server.connect(source=f"127.0.0.{2 + number % 2}"))
        answer = api_server.send(asking, source="127.0.0.4")
        assert status(answer) == 503
        assert b"application/problem+json" in answer
        assert b"Retry-After: " in answer
    wait_until(api_server.lives, "room")


def test_what_is_looked_for_stands_in_no_log(api_server: ApiServer, order: Callable[..., str]) -> None:
    """A page asks the API in its reader's name, and nobody writes down what for."""
    order(1, phone="515-555-0142")
    headers = {"Cookie": f"hms_badge={api_server.badge(Role.OPERATOR)}"}
    answer = api_server.client.get("/floor/jobs", params={"payload": "phone=515-555-0142"}, headers=headers)
    assert "job-1" in answer.text
    assert "0142" not in (api_server.settings.home / "floor.log").read_text()


def test_an_error_in_the_log_quotes_nobody(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the values of a statement nor the row that the database names."""
    query = sa.text("insert into oms.badges (jti, actor, roles) values (:jti, :actor, null)")
    values = {"jti": "1", "actor": "Ann Lee"}
    with engine_of(database).connect() as connection, pytest.raises(sa.exc.IntegrityError) as raised:
        connection.execute(query, values)
    assert problems.of(raised.value).status_code == 500
    assert "NotNullViolation" in caplog.text
    assert "test_abuse" in caplog.text
    assert "Ann Lee" not in caplog.text


def test_every_answer_is_safe_and_tells_nothing_of_the_server(api_server: ApiServer) -> None:
    """No server name, no sniffing, no frame, no other origin, no cache; also where nothing is found."""
    for path in ("/healthz", "/me", "/nowhere"):
        answer = api_server.client.get(path, headers={"Origin": "https://evil.example"})
        assert "server" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    asked = api_server.client.options("/jobs", headers={"Origin": "https://evil.example"})
    assert asked.status_code == 405
    assert asked.headers["allow"] == "GET, POST"


def test_a_method_that_an_address_does_not_know_is_named_so(api_server: ApiServer) -> None:
    """Though another address, with a number in that place, knows it."""
    asked = api_server.client.get("/cycles/preview")
    assert (asked.status_code, asked.headers["allow"]) == (405, "POST")


def test_a_badge_that_asks_too_often_is_told_to_wait(
    open_api: Callable[..., ApiServer], database: str
) -> None:
    """429 with Retry-After for that badge, while another one is served."""
    api_server = open_api(HMS_FLOOR_RATE="5")
    greedy, patient = api_server.badge(), api_server.badge(actor="bob")
    answers = [api_server.ask("GET", "/me", badge=greedy) for _ in range(20)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1
    assert api_server.ask("GET", "/me", badge=patient).status_code == 200
    wait_until(
        lambda: api_server.ask("GET", "/me", badge=greedy).status_code == 200, "the badge to be served again"
    )


def test_a_caller_who_hangs_up_leaves_nothing_behind(api_server: ApiServer) -> None:
    """A hundred who go before their answer: the next one is served."""
    head = f"GET /jobs HTTP/1.1\r\nHost: API\r\nAuthorization: Bearer {api_server.badge()}\r\n\r\n".encode()
    for _ in range(100):
        line = api_server.connect()
        line.sendall(head)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        line.close()
    assert api_server.get("/jobs")["jobs"] == []


def test_requests_without_a_badge_spoil_no_log_and_cost_no_memory(api_server: ApiServer) -> None:
    """A thousand with odd paths and sessions: the log is short and printable, memory stays bounded."""
    log = api_server.settings.home / "floor.log"
    process = psutil.Process(api_server.process.pid)
    odd = "%1b%5b2J%0d%0aERROR%20forged%00"
    paths = [
        f"/jobs/{odd}",
        f"/floor/{odd}",
        "/floor",
        f"/enter?code={odd}",
        f"/floor/_nicegui_ws/socket.io/?EIO=4&transport=polling&sid={odd}",
        "/floor/_nicegui_ws/socket.io/?EIO=4&transport=polling",
        f"/nowhere/{'x' * 2000}",
    ]

    def burst(times: int) -> None:
        for number in range(times):
            for path in paths:
                with api_server.connect() as line:
                    head = f"Host: x\r\nUser-Agent: a{number}\r\nX-Forwarded-For: b\r\nConnection: close\r\n"
                    line.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
                    receive_all(line)

    burst(20)
    size, memory = log.stat().st_size, process.memory_info().rss
    burst(150)
    grown = log.read_bytes()[size:]
    assert len(grown) < 100_000
    assert all(byte >= 0x20 or byte == 0x0A for byte in log.read_bytes())
    assert process.memory_info().rss - memory < 20 << 20
