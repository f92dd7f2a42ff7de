"""The product as the benchmarks see it: its ledger, its dispatcher, its workers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text

from benchmarks.processes import READY_SECONDS, ROOT, Setup, await_workers, poll_until, running
from hms_act import accept, dispatcher
from hms_floor.local.processes import Child
from hms_oms.broker import waiting_tickets
from hms_oms.database import connections
from hms_oms.database.schema import migrate
from hms_oms.jobs import workers
from hms_oms.recipes import recipes

RECIPES = ROOT / "benchmarks" / "recipes"
WHO = "benchmark"
_OPEN = "jobs are still open"


class Product:
    """A ledger of its own, made ready, and the processes that work on it."""

    def __init__(self, home: Path, database_url: str, broker_url: str) -> None:
        self._home = home
        self._environment = {
            "HMS_HOME": str(home),
            "HMS_DATABASE_URL": database_url,
            "HMS_BROKER_URL": broker_url,
            "HMS_RECIPES": str(RECIPES),
            "HMS_LOG_LEVEL": "WARNING",
        }
        migrate.upgrade(database_url)
        self.engine: Engine = connections.engine(database_url)
        self._looking = connections.connect(database_url, "hms benchmark")
        self.app = dispatcher.make_app(broker_url)
        self.recipe = recipes.load_folder(RECIPES)["bench:noop:v1"]

    def clear(self) -> None:
        """Forget every earlier run."""
        self.app.connection_for_read().default_channel.client.flushall()
        with self.engine.begin() as connection:
            tables = "oms.jobs, oms.job_events, oms.job_search, oms.unindexed_words, oms.workers"
            connection.execute(text(f"truncate {tables} cascade"))

    @contextmanager
    def working(self, setup: Setup) -> Iterator[list[Child]]:
        """Dispatcher and workers for as long as the block lasts."""
        commands = {"act": [sys.executable, "-m", "hms_floor", "act", "run"]}
        for number in range(setup.processes):
            commands[f"product-{number}"] = setup.command("workers", number)
        with running(self._home, commands, self._environment) as children:
            await_workers(self.app, children, setup.processes)
            poll_until(lambda: self._present() == setup.processes, "workers are not in the ledger")
            yield children

    @contextmanager
    def dispatching(self) -> Iterator[None]:
        """A dispatcher for as long as the block lasts, and nobody who takes what it publishes."""
        commands = {"act": [sys.executable, "-m", "hms_floor", "act", "run"]}
        with self._looking.cursor() as cursor:
            cursor.execute("select oms.now()::text")
            [began] = cursor.fetchone() or [""]
        with running(self._home, commands, self._environment):
            poll_until(
                lambda: self._holds(f"exists (select from oms.broker_state where reported_at > '{began}')"),
                "the dispatcher is not at work",
            )
            yield

    @contextmanager
    def window(self, size: int) -> Iterator[None]:
        """Let so many jobs of the recipe's queue into Redis for as long as the block lasts."""
        self._set_queue(f"window_size = {size}")
        try:
            yield
        finally:
            self._set_queue("window_size = null")

    def in_redis(self) -> int:
        """How many messages of the recipe's queue wait in Redis."""
        redis = self.app.connection_for_read().default_channel.client
        return sum(map(redis.llen, waiting_tickets.keys(self.recipe.queue)))

    def accept(self, jobs: int) -> None:
        """Accept that many requests durably, in one transaction."""
        with self.engine.begin() as connection:
            payloads = [{"job": number} for number in range(jobs)]
            accept.accept_many(connection, self.recipe, payloads, requested_by=WHO)

    def start(self) -> int:
        """Accept one request, as the command line does, and return its job."""
        with self.engine.begin() as connection:
            return accept.start_job(connection, self.recipe, {}, requested_by=WHO).job.id

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep the backlog of the recipe's queue in the ledger for as long as the block lasts."""
        self._set_queue("paused_at = oms.now()")
        try:
            yield
        finally:
            self._set_queue("paused_at = null")

    def last_job(self) -> int:
        """The number of the youngest job; 0 if there is none."""
        with self.engine.connect() as connection:
            return connection.scalar(text("select coalesce(max(id), 0) from oms.jobs")) or 0

    def await_done(self, seconds: float = READY_SECONDS, after: int = 0) -> float:
        """Wait until every job that is younger than `after` is done, and return when that was."""
        # The youngest job is due last: to look at it alone costs the server next to nothing.
        poll_until(
            lambda: self._holds("status = 'done' from oms.jobs order by id desc limit 1"), _OPEN, seconds
        )
        return poll_until(
            lambda: self._holds(f"not exists (select from oms.jobs where id > {after} and status <> 'done')"),
            _OPEN,
        )

    def _set_queue(self, assignment: str) -> None:
        with self.engine.begin() as connection:
            name = {"name": self.recipe.queue}
            connection.execute(text(f"update oms.queues set {assignment} where name = :name"), name)
            connection.execute(text("select pg_notify('oms_backlog', :name)"), name)

    def _present(self) -> int:
        with self.engine.connect() as connection:
            return len(workers.live(connection))

    def _holds(self, condition: str) -> bool:
        with self._looking.cursor() as cursor:
            cursor.execute(f"select {condition}")
            row = cursor.fetchone()
            return bool(row and row[0])
