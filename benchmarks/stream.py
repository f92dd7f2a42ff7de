"""The stream of metrics: what it costs the API to tell two hundred who watch, a frame a second each."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from benchmarks.api import ApiServer, api_server
from benchmarks.results import Result
from benchmarks.rounds import say
from hms_oms.database import connections, health
from hms_ops.forecast.snapshot import Forecast, HostSnapshot, QueueSnapshot, Snapshot, StepSeen, Waits
from hms_ops.metrics import metrics

WATCHERS = 200
#: Of one core, in percent.
BAR = 15.0
#: No value is written more often than once a second.
TURN_SECONDS = metrics.LEAST_SECONDS + 0.03
QUEUES = ("farm-grant", "appeal-review", "notify")
STEPS = ("validate", "inspect", "notify")


def measure(folder: Path, seconds: float) -> list[Result]:
    """Let them watch for so many seconds while every metric changes each second."""
    with api_server(folder) as opened:
        assert opened.settings.database_url is not None
        engine = connections.engine(opened.settings.database_url)
        asked = json.dumps({"port": opened.port, "badge": opened.badge("watcher"), "seconds": seconds + 3.0})
        _publish(engine, 0)
        command = [sys.executable, "-m", "benchmarks.stream"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watchers:
            assert watchers.stdin is not None
            assert watchers.stdout is not None
            watchers.stdin.write(asked)
            watchers.stdin.close()
            # All have had their first frame.
            assert watchers.stdout.readline() == "all there\n"
            share = _watched(opened, engine, seconds)
            frames, size = json.loads(watchers.stdout.readline())
        engine.dispose()
    say(f"stream: {share:.1f} % of a core, {frames:,} frames, {size / 1e6:.0f} MB")
    assert frames >= 0.75 * WATCHERS * seconds, "the watchers were not told each second"
    return [
        Result(
            "stream",
            f"{WATCHERS} watch the stream, one frame a second each",
            share,
            "% of a core",
            bar=BAR,
            at_most=True,
            detail={"frames": frames, "bytes": size},
        )
    ]


def _watched(opened: ApiServer, engine: sa.Engine, seconds: float) -> float:
    """How much of a core the server takes, in percent."""
    server = psutil.Process(opened.pid)
    before, began = _spent(server), time.monotonic()
    turn = 1
    while (passed := time.monotonic() - began) < seconds:
        if passed >= (turn - 1) * TURN_SECONDS:
            _publish(engine, turn)
            turn += 1
        time.sleep(0.01)
    return 100 * (_spent(server) - before) / (time.monotonic() - began)


def _spent(server: psutil.Process) -> float:
    times = server.cpu_times()
    return float(times.user + times.system)


def _publish(engine: sa.Engine, turn: int) -> None:
    with engine.begin() as connection:
        now = health.clock(connection)
        queue = QueueSnapshot(
            name="",
            sla_minutes=60,
            waiting=3000 - turn,
            running=16,
            workers=2,
            slots=16,
            at_risk=turn,
            oldest_waiting=now,
            waits=Waits(turn, turn, turn, turn, turn, "events"),
            finished=turn,
            failed=1,
            forecast=Forecast(turn, now, now, now, 0.1 + turn, turn),
            left=turn,
            steps=[StepSeen(step, turn, turn, turn, turn) for step in STEPS],
            ended_today=turn + 1,
            on_time_today=turn,
        )
        queues = [replace(queue, name=name) for name in QUEUES]
        hosts = [HostSnapshot("here", turn, turn, 2)]
        metrics.publish(connection, Snapshot(now=now, queues=queues, hosts=hosts, workers=2, counted_at=now))


async def _watch_all(asked: dict[str, Any]) -> None:
    counts: list[tuple[int, int]] = []
    there = asyncio.Barrier(WATCHERS + 1)
    watchers = [asyncio.create_task(_watch(asked, there, counts)) for _ in range(WATCHERS)]
    await there.wait()
    print("all there", flush=True)
    await asyncio.gather(*watchers)
    print(json.dumps([sum(frames for frames, _ in counts), sum(size for _, size in counts)]), flush=True)


async def _watch(asked: dict[str, Any], there: asyncio.Barrier, counts: list[tuple[int, int]]) -> None:
    """Count the frames after the first one, and their bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", asked["port"], limit=1 << 20)
    head = f"GET /stream HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {asked['badge']}\r\n\r\n"
    writer.write(head.encode())
    await reader.readuntil(b"event: metrics\n")
    await there.wait()
    frames = size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(asked["seconds"]):
            while piece := await reader.readuntil(b"event: metrics\n"):
                frames, size = frames + 1, size + len(piece)
    counts.append((frames, size))
    writer.close()


if __name__ == "__main__":
    asyncio.run(_watch_all(json.load(sys.stdin)))
