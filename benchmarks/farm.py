"""The farm cycle: applications from their file to their end, watch and Flower on; what each costs."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import text

from benchmarks.cpu import Cpu, Meter
from benchmarks.processes import ROOT, Setup, await_workers, pids, poll_until, running, server_pids
from benchmarks.results import Result
from benchmarks.rounds import say
from benchmarks.written import Written, result
from hms_act import cycle, dispatcher
from hms_floor.cli.installation import db
from hms_floor.local import embedded
from hms_oms.database import connections
from hms_oms.recipes import recipes
from tests.support.api import free_port
from workers.farm_grant import sample

RECIPES = ROOT / "workers" / "recipes"
APPLICATIONS = 6_000
#: Milliseconds of CPU time, and KiB of the log of PostgreSQL, that an application may take.
CPU_BAR, CPU_AIM = 3.5, 2.5
WAL_BAR, WAL_AIM = 8.0, 6.0
#: Two workers as `hms up` starts them.
WORKERS = Setup("threads", slots=8, processes=2)
#: Applications done before the clock starts.
WARM_UP = 100
CYCLE_SECONDS = 300.0


def measure(folder: Path, applications: int, rounds: int) -> list[Result]:
    """Run cycles one after the other on one floor."""
    with embedded.serving(folder / "farm") as servers:
        floor = _Floor(folder / "farm", servers)
        runs = floor.cycles(applications, rounds)
    speeds = [run["speed"] for run in runs]
    cpu = _medians([run["cpu"] for run in runs])
    written = _medians([run["written"] for run in runs])
    detail = {"applicationsPerSecond": [round(speed, 1) for speed in speeds], "cpuMsPerJob": cpu, **written}
    about = f"a cycle of {applications:,} with the watch and Flower on"
    return [
        Result(
            "farm-cpu",
            f"CPU time of an application, {about}",
            sum(cpu.values()),
            "ms",
            bar=CPU_BAR,
            aim=CPU_AIM,
            at_most=True,
            note=f"{median(speeds):,.0f} applications/s",
            detail=detail,
        ),
        result(
            "farm-wal",
            f"log of PostgreSQL that an application writes, {about}",
            written,
            WAL_BAR,
            WAL_AIM,
        ),
    ]


class _Floor:
    """A floor without pages: dispatcher, watch, Flower and workers."""

    def __init__(self, home: Path, servers: embedded.Servers) -> None:
        assert servers.database_url is not None
        assert servers.broker_url is not None
        self._home, self._servers = home, servers
        known = recipes.load_folder(RECIPES)
        db.prepare(servers.database_url, known.values())
        self._recipe = known["farm:grant:v1"]
        self._engine = connections.engine(servers.database_url)
        self._app = dispatcher.make_app(servers.broker_url)
        self._number = 0
        self._environment = {
            "HMS_HOME": str(home),
            "HMS_DATABASE_URL": servers.database_url,
            "HMS_BROKER_URL": servers.broker_url,
            "HMS_RECIPES": str(RECIPES),
            "HMS_LOG_LEVEL": "WARNING",
        }

    def cycles(self, applications: int, rounds: int) -> list[dict[str, Any]]:
        """Run so many cycles, after a small one; the speed and the cost of each."""
        hms, port = [sys.executable, "-m", "hms_floor"], free_port()
        flower = [sys.executable, "-m", "celery", "-A", "workers", "flower", "--address=127.0.0.1"]
        commands = {
            "act": [*hms, "act", "run"],
            "ops": [*hms, "ops", "run"],
            "flower": [*flower, f"--port={port}"],
        }
        for number in range(WORKERS.processes):
            commands[f"worker-{number}"] = WORKERS.command("workers", number)
        with running(self._home, commands, self._environment) as children:
            act, ops, flower_itself, *workers = children
            await_workers(self._app, children, WORKERS.processes)
            groups = {
                "workers": pids(workers),
                "dispatcher": pids([act]),
                "watch": pids([ops]),
                "flower": pids([flower_itself]),
                **server_pids(self._servers),
            }
            self._cycle(WARM_UP)
            return [self._measured(groups, applications) for _ in range(rounds)]

    def _measured(self, groups: Mapping[str, Sequence[int]], applications: int) -> dict[str, Any]:
        meter, written = Meter(groups), Written(self._engine)
        speed = self._cycle(applications)
        say(f"farm: {speed:.0f} applications a second")
        return {
            "speed": speed,
            "cpu": meter.ms_per_job(applications),
            "written": written.per_job(applications),
        }

    def _cycle(self, applications: int) -> float:
        """Applications a second, from the first byte of the file to the last application's end."""
        self._number += 1
        file = io.StringIO()
        sample.write(file, applications, self._number, date(2026, 11, 1))
        began = time.perf_counter()
        stream = io.BytesIO(file.getvalue().encode())
        for _ in cycle.accept_file(self._engine, self._recipe, stream, name="farm.csv", requested_by="bench"):
            pass
        return applications / (poll_until(self._is_over, "applications are open", CYCLE_SECONDS) - began)

    def _is_over(self) -> bool:
        query = "select not exists (select from oms.jobs where finished_at is null)"
        with self._engine.connect() as connection:
            return bool(connection.scalar(text(query)))


def _medians(runs: Sequence[Cpu]) -> dict[str, float]:
    return {name: round(median(run[name] for run in runs), 2) for name in runs[0]}
