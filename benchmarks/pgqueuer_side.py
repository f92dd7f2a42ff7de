"""pgqueuer, a job queue on PostgreSQL alone, as a side of the race: two processes, its own defaults."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2
from psycopg2 import sql

from benchmarks.cpu import Cpu, Meter
from benchmarks.processes import ROOT, Setup, frozen, pids, poll_until, running, server_pids, surroundings
from benchmarks.sides import RUN_SECONDS, WARM_UP
from hms_floor.local.embedded import Servers
from hms_floor.local.processes import Child

#: A database of its own on the server of the others.
DATABASE = "pgqueuer"


def is_installed() -> bool:
    """Whether the extra `bench` is installed."""
    return find_spec("pgqueuer") is not None and find_spec("asyncpg") is not None


class PgqueuerSide:
    """Three jobs in succession stand for the three steps of one."""

    name = "pgqueuer"

    def __init__(self, home: Path, servers: Servers) -> None:
        assert servers.database_url is not None
        database_url = servers.database_url
        self._home, self._servers = home, servers
        #: What each run has cost.
        self.cpu: list[Cpu] = []
        parts = urlsplit(database_url)
        host = parts.hostname or parse_qs(parts.query)["host"][0]
        self._environment = {"PGHOST": host, "PGUSER": parts.username or "", "PGDATABASE": DATABASE}
        self._connection = psycopg2.connect(database_url)
        self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
        self._connection.close()
        self._pgq("install")
        self._connection = psycopg2.connect(host=host, user=parts.username, dbname=DATABASE)
        self._connection.autocommit = True

    def run(self, setup: Setup, jobs: int) -> float:
        """Enqueue while the workers are frozen, let them go, and time them."""
        self._ask("truncate pgqueuer, pgqueuer_log, pgqueuer_statistics")
        command = [*_PGQ, "run", "benchmarks.pgqueuer_jobs:main"]
        commands = {f"{self.name}-{number}": command for number in range(setup.processes)}
        with running(self._home, commands, self._environment) as workers:
            poll_until(lambda: self._are_ready(workers), "workers are not connected")
            self._enqueue(WARM_UP)
            self._await_done()
            with frozen(workers):
                self._enqueue(jobs)
                meter = Meter({"workers": pids(workers), **server_pids(self._servers)})
                started = time.perf_counter()
            seconds = self._await_done() - started
            self.cpu.append(meter.ms_per_job(jobs))
            self._check(3 * (WARM_UP + jobs))
        return jobs / seconds

    def _enqueue(self, jobs: int) -> None:
        command = [sys.executable, "-m", "benchmarks.pgqueuer_jobs", str(jobs)]
        subprocess.run(command, cwd=ROOT, env=surroundings(self._environment), check=True)

    def _pgq(self, *words: str) -> None:
        command = [*_PGQ, *words]
        subprocess.run(
            command, cwd=ROOT, env=surroundings(self._environment), check=True, capture_output=True
        )

    def _await_done(self) -> float:
        # A step enqueues the next one before its own row goes: no job is between two rows.
        return poll_until(
            lambda: self._ask("select not exists (select from pgqueuer)"), "jobs are still open", RUN_SECONDS
        )

    def _are_ready(self, workers: Sequence[Child]) -> bool:
        if any(worker.poll() is not None for worker in workers):
            raise ChildProcessError("a process ended before it was ready")
        connected = self._ask(
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and backend_type = 'client backend' and pid <> pg_backend_pid()"
        )
        return connected == len(workers)

    def _check(self, steps: int) -> None:
        ran = self._ask("select count(*) from pgqueuer_log where status = 'successful'")
        if ran != steps:
            raise RuntimeError(f"{self.name}: {ran} steps were run, not {steps}")

    def _ask(self, statement: str) -> object:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row and row[0]


_PGQ = (sys.executable, "-m", "pgqueuer")
