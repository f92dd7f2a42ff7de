"""The sides of the race: each does so many jobs of three no-op steps, and tells its jobs per second.

All start from a backlog that exists before the clock starts, on the same servers, under the same worker
command.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from celery import Celery
from sqlalchemy import Engine, text

from benchmarks import bare
from benchmarks.cpu import Cpu, Meter
from benchmarks.processes import (
    ROOT,
    Setup,
    await_workers,
    frozen,
    pids,
    poll_until,
    running,
    server_pids,
    surroundings,
)
from benchmarks.product import Product
from benchmarks.written import Written
from hms_floor.local.embedded import Servers
from hms_oms.database import connections

#: Jobs done before the clock starts: connections are opened, statements prepared, modules loaded.
WARM_UP = 64
#: Nothing waiting, nothing unacknowledged for this long: then the last chain is done, in seconds.
QUIET_SECONDS = 0.5
#: Seconds that a run may take.
RUN_SECONDS = 300.0


class BareSide:
    """Celery as it comes: Redis broker, results ignored."""

    name = "bare"

    def __init__(self, home: Path, servers: Servers, results_url: str | None = None) -> None:
        assert servers.broker_url is not None
        broker_url = servers.broker_url
        self._home, self._servers = home, servers
        #: What each run has cost.
        self.cpu: list[Cpu] = []
        self._environment = bare.environment(broker_url, results_url)
        self.app: Celery = bare.make_app(broker_url, results_url)

    @cached_property
    def redis(self) -> Any:
        """A client of the broker's own server."""
        return self.app.connection_for_read().default_channel.client

    def run(self, setup: Setup, jobs: int) -> float:
        """Publish while the workers are frozen, let them go, and time them."""
        self.clear()
        commands = {
            f"{self.name}-{number}": setup.command("benchmarks.bare", number)
            for number in range(setup.processes)
        }
        with running(self._home, commands, self._environment) as workers:
            await_workers(self.app, workers, setup.processes)
            self.publish(WARM_UP)
            self.await_done(WARM_UP)
            with frozen(workers):
                self.publish(jobs)
                meter = Meter({"workers": pids(workers), **server_pids(self._servers)})
                started = time.perf_counter()
            seconds = self.await_done(WARM_UP + jobs) - started
            self.cpu.append(meter.ms_per_job(jobs))
            self._check(setup, WARM_UP + jobs)
        return jobs / seconds

    def publish(self, jobs: int) -> float:
        """Publish that many chains, and return how many seconds that took.

        In a process of its own: the product gives kombu a leaner Redis transport, so in this one Celery
        is not bare any more.
        """
        command = [sys.executable, "-m", "benchmarks.bare", str(jobs)]
        environment = surroundings(self._environment)
        done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)
        return float(done.stdout)

    def clear(self) -> None:
        """Forget every earlier run."""
        self.redis.flushall()

    def await_done(self, jobs: int) -> float:  # noqa: ARG002 -- bare Celery keeps no record to count
        """Wait until the queue stays empty, and return since when it has been."""
        deadline = time.perf_counter() + RUN_SECONDS
        while time.perf_counter() < deadline:
            empty = poll_until(self.drained, "chains are still queued", RUN_SECONDS)
            while self.drained():
                if time.perf_counter() - empty > QUIET_SECONDS:
                    return empty
                time.sleep(QUIET_SECONDS / 50)
        raise TimeoutError(f"chains are still running after {RUN_SECONDS:g} s")

    def drained(self) -> bool:
        """Whether no message waits in Redis or in the hands of a worker."""
        return not any(self.redis.pipeline().llen(bare.QUEUE).hlen("unacked").execute())

    def _check(self, setup: Setup, jobs: int) -> None:
        stats = self.app.control.inspect(limit=setup.processes).stats() or {}
        ran = sum(worker["total"].get(bare.TASK, 0) for worker in stats.values())
        if ran != 3 * jobs:
            raise RuntimeError(f"{self.name}: {ran} steps were run, not {3 * jobs}")


class DurableSide(BareSide):
    """Celery with the PostgreSQL result backend: what is done is on record there."""

    name = "durable"

    def __init__(self, home: Path, servers: Servers) -> None:
        assert servers.database_url is not None
        scheme, _, rest = servers.database_url.partition("://")
        assert scheme == "postgresql"
        super().__init__(home, servers, f"db+postgresql+psycopg2://{rest}")
        self._engine: Engine = connections.engine(servers.database_url)
        # Two workers that make the tables at the same time would fall over each other.
        self.app.backend.ResultSession().close()

    def clear(self) -> None:
        """Forget every earlier run."""
        super().clear()
        with self._engine.begin() as connection:
            connection.execute(text("truncate celery_taskmeta"))

    def await_done(self, jobs: int) -> float:
        """Wait until the result of each step is stored."""
        return poll_until(lambda: self._stored() == 3 * jobs, "results are still missing", RUN_SECONDS)

    def _stored(self) -> int:
        if not self.drained():
            return 0
        with self._engine.connect() as connection:
            return connection.scalar(text("select count(*) from celery_taskmeta")) or 0


class ProductSide:
    """The product: dispatcher and workers over the ledger."""

    name = "product"

    def __init__(self, home: Path, servers: Servers) -> None:
        assert servers.database_url is not None
        assert servers.broker_url is not None
        self._servers = servers
        #: What each run has cost, and what it has written.
        self.cpu: list[Cpu] = []
        self.written: list[Mapping[str, float]] = []
        self.product = Product(home, servers.database_url, servers.broker_url)

    def run(self, setup: Setup, jobs: int) -> float:
        """Accept while the queue is paused, open it, and time the workers."""
        self.product.clear()
        with self.product.working(setup) as (dispatcher, *workers):
            self.product.accept(WARM_UP)
            self.product.await_done(RUN_SECONDS)
            with self.product.paused():
                self.product.accept(jobs)
                own = {"workers": pids(workers), "dispatcher": pids([dispatcher])}
                meter, written = Meter({**own, **server_pids(self._servers)}), Written(self.product.engine)
                started = time.perf_counter()
            seconds = self.product.await_done(RUN_SECONDS) - started
            self.cpu.append(meter.ms_per_job(jobs))
        # Sessions tell of what they have written when they end.
        self.written.append(written.per_job(jobs))
        return jobs / seconds
