"""The stream of metrics against a real server: what is told when, to whom, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import httpx
import psutil
import pytest
import sqlalchemy as sa

from hms_floor.auth import tokens
from hms_floor.auth.tokens import Role
from hms_oms.api import sse
from hms_oms.api.sse import Frame
from hms_oms.recipes.recipes import Recipe
from tests.api.conftest import ApiServer, faults
from tests.conftest import wait_until

#: A frame of this many values, each with a name so long, is more than all buffers on its way can hold.
MANY, LONG = 1500, 2000


@contextmanager
def listening(
    api_server: ApiServer, path: str = "/stream", last: str | None = None, badge: str | None = None
) -> Iterator[Iterator[Frame]]:
    """The frames of a stream."""
    headers = {"Authorization": f"Bearer {badge or api_server.badge(Role.VIEWER)}"}
    if last is not None:
        headers["Last-Event-ID"] = last
    with (
        httpx.Client(timeout=15.0, verify=False) as client,
        client.stream("GET", api_server.url + path, headers=headers) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield sse.read(answer.iter_raw())


def measured(engine: sa.Engine, value: float, name: str = "queue.oldestAge", queue: str = "shop") -> None:
    """The watch has measured something now."""
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into ops.metrics (name, queue, subject, value, source, at)"
                " values (:name, :queue, '', :value, 'ledger', oms.now())"
                " on conflict (name, queue, subject) do update set value = excluded.value, at = excluded.at"
            ),
            {"name": name, "queue": queue, "value": value},
        )


def values(frame: Frame) -> dict[tuple[str, str], float]:
    """What a frame tells."""
    return {
        (metric["name"], metric["queue"]): metric["value"] for metric in json.loads(frame.data)["metrics"]
    }


def lines_to(api_server: ApiServer) -> int:
    """How many connections the server has to others than its database."""
    port = int(api_server.url.rpartition(":")[2])
    connections_now = psutil.Process(api_server.process.pid).net_connections("tcp")
    return sum(line.laddr.port == port and line.status == psutil.CONN_ESTABLISHED for line in connections_now)


def test_first_all_that_is_then_what_changes(api_server: ApiServer, engine: sa.Engine) -> None:
    """A watcher is told the newest values, then each change alone, under rising numbers."""
    measured(engine, 1.0)
    measured(engine, 2.0, queue="returns")
    with listening(api_server) as stream:
        first = next(stream)
        assert first.event == "metrics"
        assert values(first) == {("queue.oldestAge", "shop"): 1.0, ("queue.oldestAge", "returns"): 2.0}
        (answer, _) = json.loads(first.data)["metrics"]
        assert answer.keys() == {"name", "queue", "subject", "value", "source", "at"}
        measured(engine, 3.0)
        second = next(stream)
        assert values(second) == {("queue.oldestAge", "shop"): 3.0}
        assert int(second.id) > int(first.id)


def test_a_stream_of_one_queue(api_server: ApiServer, engine: sa.Engine, shop: Recipe) -> None:
    """Who watches one queue hears of no other one; a queue that does not exist is none."""
    measured(engine, 1.0)
    measured(engine, 2.0, queue="returns")
    with listening(api_server, f"/stream/{shop.queue}") as stream:
        assert values(next(stream)) == {("queue.oldestAge", "shop"): 1.0}
        measured(engine, 4.0, queue="returns")
        measured(engine, 5.0)
        assert values(next(stream)) == {("queue.oldestAge", "shop"): 5.0}
    refused = api_server.ask("GET", "/stream/nowhere", None, Role.VIEWER)
    assert refused.status_code == 404
    assert faults(refused) == {}


def test_who_comes_back_is_told_what_was_missed(
    api_server: ApiServer,
    engine: sa.Engine,
    forward: Callable[[timedelta], None],
    open_api: Callable[..., ApiServer],
) -> None:
    """After Last-Event-ID only what has changed since comes, from the same process; from another one all."""
    measured(engine, 1.0)
    measured(engine, 2.0, queue="returns")
    with listening(api_server) as steady:
        next(steady)
        # What was seen in the last second may come again: let it be longer ago.
        forward(timedelta(minutes=1))
        measured(engine, 2.5)
        last = next(steady).id
        forward(timedelta(minutes=1))
        measured(engine, 3.0)
        missed = next(steady)
        with listening(api_server, last=last) as stream:
            assert values(next(stream)) == values(missed) == {("queue.oldestAge", "shop"): 3.0}
        other = open_api()
        with listening(other, last=missed.id) as stream:
            again = next(stream)
            assert values(again)[("queue.oldestAge", "shop")] == 3.0
            assert int(again.id) >= int(missed.id) - 1
        for strange in ("", "x", "9" * 17, "9" * 400):
            with listening(api_server, last=strange) as stream:
                assert len(values(next(stream))) == 2


def test_heartbeats(api_server: ApiServer) -> None:
    """Where nothing changes, a comment every ten seconds shows that the stream is there."""
    with httpx.Client(timeout=15.0, verify=False) as client:
        headers = {"Authorization": f"Bearer {api_server.badge(Role.VIEWER)}"}
        with client.stream("GET", f"{api_server.url}/stream", headers=headers) as answer:
            began = time.monotonic()
            observed = b""
            for chunk in answer.iter_raw():
                observed += chunk
                if b": heartbeat\n\n" in observed:
                    break
            assert 8 < time.monotonic() - began < 14


def test_who_hangs_up_is_gone_at_once(api_server: ApiServer) -> None:
    """The server does not wait for the next frame to see that nobody reads any more."""
    # Connections that rest between two requests are none of these.
    before = lines_to(api_server)
    with listening(api_server) as stream:
        next(stream)
        assert lines_to(api_server) == before + 1
    wait_until(lambda: lines_to(api_server) == before, "the connection to be closed", 0.9)


def test_a_badge_that_is_taken_back_ends_its_streams(api_server: ApiServer) -> None:
    """The stream of a badge that is revoked ends in good order within seconds; others go on."""
    badge = tokens.issue(api_server.settings, actor="eve", roles=[Role.VIEWER], queues=[], hours=1)
    with listening(api_server) as other, listening(api_server, badge=badge.token) as stream:
        next(other), next(stream)
        assert api_server.ask("POST", f"/badges/{badge.badge.jti}/revoke").status_code == 200
        began = time.monotonic()
        assert list(stream) == []
        assert time.monotonic() - began < 5
        refused = api_server.ask("GET", "/stream", badge=badge.token)
        assert refused.status_code == 401


def test_a_badge_that_runs_out_ends_its_streams(api_server: ApiServer) -> None:
    """Nobody goes on watching after the end of a badge, the leeway of clocks included."""
    badge = tokens.issue(api_server.settings, actor="eve", roles=[Role.VIEWER], queues=[], hours=1 / 3600)
    with listening(api_server, badge=badge.token) as stream:
        next(stream)
        assert list(stream) == []
        # The end that a token names is a whole second.
        assert -1 <= time.time() - badge.badge.expires_at - tokens.LEEWAY_SECONDS < 5


@pytest.fixture
def wide(engine: sa.Engine) -> Callable[[int], None]:
    """Measure a floor so wide that a frame fills every buffer on its way."""

    def measure(value: int) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "insert into ops.metrics (name, queue, subject, value, source, at)"
                f" select 'step.time', 'shop', rpad(n::text, {LONG}, 'x'), {value}, 'ledger', oms.now()"
                f" from generate_series(1, {MANY}) as n"
                " on conflict (name, queue, subject) do update set value = excluded.value, at = excluded.at"
            )

    return measure


def test_a_slow_reader_misses_values_and_not_the_newest(
    api_server: ApiServer, wide: Callable[[int], None]
) -> None:
    """What somebody does not read is not kept: the values in between are left out, the last ones come."""
    server = psutil.Process(api_server.process.pid)
    wide(0)
    with ExitStack() as stack, listening(api_server) as quick:
        slow, *_ = [stack.enter_context(_stalled(api_server)) for _ in range(10)]
        next(quick)
        wide(1)
        next(quick)
        before = server.memory_info().rss
        for value in range(2, 6):
            wide(value)
            frame = next(quick)
        assert values(frame) == {("step.time", "shop"): 5.0}
        # Of the four frames that ten of them do not read none is kept: they would be twice this.
        assert server.memory_info().rss - before < 20 * MANY * LONG
        lines = [set(values(item).values()) for item in _until(sse.read(_pieces(slow)), frame.id)]
    assert lines[0] == {0.0}
    assert lines[-1] == {5.0}
    assert len(lines) < 5


def test_the_api_closes_all_streams(open_api: Callable[..., ApiServer], wide: Callable[[int], None]) -> None:
    """When the server stops, streams end in good order, and one that nobody reads does not keep it."""
    api_server = open_api()
    wide(0)
    with _stalled(api_server), listening(api_server) as stream:
        next(stream)
        began = time.monotonic()
        api_server.process.send_signal(signal.SIGTERM)
        assert list(stream) == []
        assert api_server.process.wait(10) in (0, -signal.SIGTERM)
        assert time.monotonic() - began < 4


@contextmanager
def _stalled(api_server: ApiServer) -> Iterator[socket.socket]:
    """A watcher who does not read."""
    host, _, port = api_server.url.removeprefix("http://").partition(":")
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(15.0)
        line.connect((host, int(port)))
        badge = api_server.badge(Role.VIEWER)
        head = f"GET /stream HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {badge}\r\n\r\n"
        line.sendall(head.encode())
        yield line


def _pieces(line: socket.socket) -> Iterator[bytes]:
    """The body of a chunked answer on a bare line."""
    with line.makefile("rb") as file:
        while file.readline() != b"\r\n":
            pass
        while size := int(file.readline(), 16):
            yield file.read(size)
            file.readline()


def _until(output: Iterator[Frame], number: str) -> Iterator[Frame]:
    for frame in output:
        yield frame
        if int(frame.id) >= int(number):
            return


def test_what_goes_wrong_with_the_ledger_ends_no_stream(api_server: ApiServer, engine: sa.Engine) -> None:
    """While the metrics cannot be read the stream stays, and goes on as soon as they can."""
    measured(engine, 1.0)
    with listening(api_server) as stream:
        next(stream)
        with engine.begin() as connection:
            connection.exec_driver_sql("alter table ops.metrics rename to metrics_away")
        try:
            wait_until(lambda: "cannot be read" in _log(api_server), "the API to complain")
        finally:
            with engine.begin() as connection:
                connection.exec_driver_sql("alter table ops.metrics_away rename to metrics")
        measured(engine, 2.0)
        assert values(next(stream)) == {("queue.oldestAge", "shop"): 2.0}


def _log(api_server: ApiServer) -> Any:
    return (api_server.settings.home / "floor.log").read_text()
