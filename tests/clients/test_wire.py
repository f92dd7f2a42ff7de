"""The wire: what is tried again and what is not, what a failure is called, where API and badge are found."""

from __future__ import annotations

import json
import logging
import socket
import time
from pathlib import Path

import pytest

from hms_act import ActClient
from hms_floor.local import processes
from hms_oms import OmsClient
from hms_oms.api import endpoint, errors, sse
from hms_oms.api.errors import (
    ApiError,
    Forbidden,
    InvalidRequest,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from hms_oms.api.http import Wire
from hms_oms.runtime.errors import ConfigError
from hms_ops import OpsClient
from tests.clients.bad_line import breaks_off, playing, says, streams
from tests.support.api import free_port

BADGE = "head.body.hunter2"
NONE: dict[str, list[object]] = {"workers": []}
STARTED: dict[str, object] = {
    "jobId": "job-1",
    "type": "t",
    "queue": "q",
    "status": "waiting",
    "sla": "2026-11-23T08:00:00Z",
}
STARTED |= {"slaMinutes": 10.0, "key": "k", "created": True}


def test_what_only_reads_is_tried_again() -> None:
    """A connection that breaks off, a 503 and a 429 are passed over, and the answer after them is given."""
    script = [breaks_off, says(503, {"detail": "busy"}), says(429, {}, Retry_After="0"), says(200, NONE)]
    with playing(*script) as line, OmsClient(line.url, BADGE) as oms:
        assert oms.workers() == []
        assert [method for method, _, _ in line.received] == ["GET"] * 4


def test_trying_again_ends() -> None:
    """After four tries the failure is told, with what the API has said."""
    with (
        playing(*[says(503, {"detail": "the database is away"})] * 9) as line,
        OmsClient(line.url, BADGE) as oms,
    ):
        with pytest.raises(Unavailable, match="the database is away") as raised:
            oms.workers()
        assert (len(line.received), raised.value.status) == (4, 503)
        assert not raised.value.maybe_done


def test_a_change_whose_answer_is_lost_is_not_made_twice() -> None:
    """It may have been carried out, and the caller is told so; with a key a start is sent again."""
    with playing(breaks_off, breaks_off, breaks_off, says(200, STARTED)) as line:
        act = ActClient(line.url, BADGE)
        with pytest.raises(Unavailable) as raised:
            act.start_job("t", {})
        assert (raised.value.maybe_done, len(line.received)) == (True, 1)
        with pytest.raises(Unavailable) as raised:
            act.pause("q")
        assert (raised.value.maybe_done, len(line.received)) == (True, 2)
        assert act.start_job("t", {}, key="k").id == "job-1"
        assert len(line.received) == 4
        act.close()


def test_a_change_that_was_turned_away_is_made_later() -> None:
    """After a 429 with Retry-After it is sent again, not before; a very long one is told instead."""
    paused = {"queue": "q", "status": "paused", "recalled": 2}
    script = [
        says(429, {}, Retry_After="1"),
        says(200, paused),
        says(429, {"detail": "slow"}, Retry_After="90"),
    ]
    with playing(*script) as line, ActClient(line.url, BADGE) as act:
        began = time.monotonic()
        assert act.pause("q").recalled == 2
        assert time.monotonic() - began >= 1
        with pytest.raises(TooManyRequests, match="slow") as raised:
            act.pause("q")
        assert (raised.value.retry_after, len(line.received)) == (90, 3)


def test_an_api_that_is_not_there_is_told() -> None:
    """Nobody listens: nothing was done, and the address is named."""
    port = free_port()
    with (
        ActClient(f"http://127.0.0.1:{port}", BADGE) as act,
        pytest.raises(Unavailable, match=str(port)) as raised,
    ):
        act.pause("q")
    assert not raised.value.maybe_done


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (413, InvalidRequest),
        (422, InvalidRequest),
        (307, Unavailable),
    ],
)
def test_each_failure_has_its_name(status: int, kind: type[ApiError]) -> None:
    """The status decides what is raised, the problem's words are its message, and the badge is in neither."""
    problem = {"title": "No", "detail": f"it is {status}", "errors": [{"field": "a.b", "reason": "is odd"}]}
    location = "http://127.0.0.1:1/elsewhere"
    with playing(says(status, problem, Location=location)) as line, OmsClient(line.url, BADGE) as oms:
        with pytest.raises(kind) as raised:
            oms.job("job-1")
        assert raised.value.status == status
        assert "hunter2" not in str(raised.value) + repr(oms) + repr(vars(oms))
        assert len(line.received) == 1
    if isinstance(raised.value, InvalidRequest):
        assert raised.value.faults == (("a.b", "is odd"),)


def test_what_is_not_the_api_is_told() -> None:
    """A page where JSON should be does not end in a riddle."""
    page = says(200, b"<html>It works!</html>")
    with (
        playing(page) as line,
        OmsClient(line.url, BADGE) as oms,
        pytest.raises(Unavailable, match="not the API"),
    ):
        oms.queues()


def test_the_badge_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """Even a log of everything does not hold it."""
    caplog.set_level(logging.DEBUG)
    with playing(says(200, NONE)) as line, OmsClient(line.url, BADGE) as oms:
        oms.workers()
        assert line.received[0][2]["Authorization"] == f"Bearer {BADGE}"
    assert "hunter2" not in caplog.text


def test_a_name_cannot_lead_astray() -> None:
    """Whatever a queue is called, it stays one part of the address."""
    with playing(says(200, {"jobs": []})) as line, OmsClient(line.url, BADGE) as oms:
        oms.peek("../jobs?x=#/é")
        assert line.received[0][1] == "/queues/..%2Fjobs%3Fx%3D%23%2F%C3%A9/peek?limit=20"


def frame(number: int, value: float, queue: str = "shop") -> bytes:
    """One frame of measurements."""
    metric = {"name": "queue.waiting", "queue": queue, "value": value, "source": "ledger", "subject": None}
    data = json.dumps({"at": "2026-11-23T08:00:00Z", "metrics": [metric | {"at": "2026-11-23T08:00:00Z"}]})
    return f"id: {number}\nevent: metrics\ndata: {data}\n\n".encode()


def test_a_stream_goes_on_where_it_was_cut() -> None:
    """After a break the next connection names the last frame; half a frame is not taken for one."""
    script = [
        streams(b": heartbeat\n\n", frame(1, 1), frame(2, 2)[:-20]),
        breaks_off,
        says(503, {"detail": "starting"}),
        streams(frame(2, 2), b"event: other\ndata: {}\n\n", frame(3, 3)),
        says(403, {"detail": "the badge does not name it"}),
    ]
    with playing(*script) as line, OpsClient(line.url, BADGE) as ops:
        stream = ops.stream("shop")
        received = [next(stream).value for _ in range(3)]
        with pytest.raises(Forbidden):
            next(stream)
        assert received == [1, 2, 3]
        assert [path for _, path, _ in line.received] == ["/stream/shop"] * 5
        assert [output.get("Last-Event-ID") for _, _, output in line.received] == [None, "1", "1", "1", "3"]


def test_a_stream_that_never_was_is_told() -> None:
    """Nobody waits for an API that has not answered yet."""
    with OpsClient(f"http://127.0.0.1:{free_port()}", BADGE) as ops, pytest.raises(Unavailable):
        next(ops.stream())


def test_callbacks_hear_their_metric_and_queue() -> None:
    """Each is called for what it asked for, until one of them has had enough."""
    received: list[tuple[str, float | None]] = []

    def enough(metric: object) -> None:
        raise StopIteration

    with (
        playing(streams(frame(1, 1), frame(2, 5, "annex"), frame(3, 7))) as line,
        OpsClient(line.url, BADGE) as ops,
    ):
        ops.on_metric("queue.waiting", lambda metric: received.append(("all", metric.value)))
        ops.on_metric("queue.waiting", lambda metric: received.append(("annex", metric.value)), queue="annex")
        ops.on_metric("queue.late", enough)
        ops.on_metric("queue.waiting", lambda metric: enough(metric) if metric.value == 7 else None)
        with pytest.raises(StopIteration):
            ops.listen()
    assert received == [("all", 1), ("all", 5), ("annex", 5), ("all", 7)]


def test_frames_are_read_as_they_are_written() -> None:
    """Any line end, data of several lines, and separators inside JSON that are no line ends."""
    stream = b"data: a\r\ndata: \xe2\x80\xa8b\r\nid: 7\r\n\r\nid\rdata:c\r\revent: x\n\ndata: cut"
    for size in (1, 2, 5, len(stream)):
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        assert list(sse.read(pieces)) == [
            sse.Frame("message", "a\n\u2028b", "7"),
            sse.Frame("message", "c", ""),
        ]


def test_the_api_of_a_running_floor_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless something is said, the servers file and the badge of the home are taken."""
    for name in ("HMS_URL", "HMS_BADGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HMS_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="hms up"):
        endpoint.find()
    (tmp_path / "servers.json").write_text(json.dumps({"floor_url": "http://127.0.0.1:8080/"}))
    # A floor that was killed leaves it behind: anyone who listens there now is shown nothing.
    with pytest.raises(ConfigError, match="hms up"):
        endpoint.find()
    with processes.hold(tmp_path):
        _found_in(tmp_path, monkeypatch)


def _found_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unauthorized, match="badge"):
        endpoint.find()
    badge = tmp_path / "badge"
    badge.write_text(f"{BADGE}\n")
    badge.chmod(0o644)
    with pytest.raises(Unauthorized, match="chmod 600"):
        endpoint.find()
    badge.chmod(0o600)
    result = endpoint.find()
    assert (result.url, result.badge) == ("http://127.0.0.1:8080", BADGE)
    assert "hunter2" not in repr(result)
    monkeypatch.setenv("HMS_URL", "https://hms.example.gov/api")
    with pytest.raises(Unauthorized, match=r"hms\.example\.gov"):
        endpoint.find()
    monkeypatch.setenv("HMS_BADGE", "another")
    assert endpoint.find() == endpoint.Address("https://hms.example.gov/api", "another")
    assert endpoint.find("http://[::1]:80", "third").badge == "third"


@pytest.mark.parametrize("badge", ["two words", "a\r\nX-Role: admin", "é", "a\x00"])
def test_what_cannot_be_a_badge_is_not_sent(badge: str) -> None:
    """Nothing but one plain word goes into the header, and the refusal does not repeat it."""
    with pytest.raises(Unauthorized) as raised:
        OmsClient("http://127.0.0.1:1", badge)
    assert badge not in str(raised.value)


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://[bad", "localhost:8080"])
def test_what_is_no_address_is_told(url: str) -> None:
    """The API's URL must be one."""
    with pytest.raises(ConfigError):
        OmsClient(url, BADGE)


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The badge of a local floor goes to the local floor, whatever proxy there is."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with playing(says(200, NONE)) as line, OmsClient(line.url, BADGE) as oms:
        assert oms.workers() == []


def test_a_silent_api_does_not_hold_forever() -> None:
    """What never answers is given up after the time that an answer has."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        line = Wire(f"http://127.0.0.1:{silent.getsockname()[1]}", BADGE)
        with pytest.raises(Unavailable, match="too long") as raised:
            line.send("POST", "/jobs", json={}, answer_seconds=0.1)
        line.close()
    assert raised.value.maybe_done


def test_a_retry_after_that_makes_no_sense_is_left_out() -> None:
    """Only a number of seconds counts."""
    for written, seconds in (("5", 5.0), ("nan", None), ("-1", None), ("Mon, 01 Jan", None), ("inf", None)):
        assert errors.retry_after({"retry-after": written}) == seconds
