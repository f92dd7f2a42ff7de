"""Whatever dies, and wherever: each job ends once, each step has one result and one effect."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa

from hms_oms.broker import waiting_tickets as redis_tickets
from hms_oms.jobs.queries import read
from hms_oms.recipes.recipes import Recipe
from tests.conftest import Programs, shop_recipes, wait_until
from tests.workers.test_running import ended, order


def executions(engine: sa.Engine) -> Counter[tuple[int, str]]:
    """How often each step of each job was begun, by the steps' own record."""
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select job, step from public.executions")).all()
    return Counter((row.job, row.step) for row in rows)


def effects(engine: sa.Engine) -> Counter[tuple[int, str]]:
    """How often each step has had its effect."""
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select job, step from public.effects")).all()
    return Counter((row.job, row.step) for row in rows)


def facts(engine: sa.Engine, job: int) -> list[str]:
    """The facts of a job's event log."""
    with engine.connect() as connection:
        return [event.fact for event in read.event_log(connection, job)]


def status(engine: sa.Engine, job: int) -> str:
    """Where a job stands."""
    with engine.connect() as connection:
        return read.get(connection, job).status


def running(engine: sa.Engine, job: int) -> bool:
    """Whether a step of the job has begun (by its own record, and by the ledger)."""
    return status(engine, job) == "running" and any(key[0] == job for key in executions(engine))


def test_dispatcher_dies_between_commit_and_publish(
    programs: Programs, engine: sa.Engine, shop: Recipe
) -> None:
    """Jobs marked queued whose messages were never published are found missing and dispatched again."""
    job = order(engine, shop, 1)
    programs.worker()
    dying = programs.start(
        "dying",
        "-c",
        "import os, signal; from hms_oms.runtime import settings; from hms_act import dispatcher as d\n"
        "d.Dispatcher.publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "loaded = settings.load(); d.run(*loaded.servers(), loaded.home)",
    )
    dying.wait(timeout=30)
    assert status(engine, job) == "queued"

    programs.dispatcher()
    assert ended(engine, job).status == "done"
    assert "lost" in facts(engine, job)
    assert set(executions(engine).values()) == {1}


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_worker_dies_in_a_step(programs: Programs, engine: sa.Engine, shop: Recipe, pool: str) -> None:
    """SIGKILL after the claim and after the effect: another worker runs the step, whose effect is one."""
    victim = "parent" if pool == "prefork" else "self"
    job = order(engine, shop, 1, pack={"die": victim, "effect": True})
    programs.dispatcher()
    first = programs.worker("first", pool)
    first.wait(timeout=40)
    assert status(engine, job) == "running"

    programs.worker("second", pool)
    done = ended(engine, job)
    assert (done.status, set(done.results)) == ("done", {"pick", "pack", "send"})
    assert effects(engine) == {(job, "pack"): 1}
    assert executions(engine) == {(job, "pick"): 1, (job, "pack"): 2, (job, "send"): 1}


def test_a_pool_child_dies_in_a_step(programs: Programs, engine: sa.Engine, shop: Recipe) -> None:
    """The parent notices at once, long before any lease or beat runs out, and the step runs again."""
    job = order(engine, shop, 1, pack={"die": "self", "effect": True})
    programs.dispatcher()
    programs.worker()
    done = ended(engine, job)
    assert done.status == "done"
    assert effects(engine) == {(job, "pack"): 1}
    with engine.connect() as connection:
        event_log = read.event_log(connection, job)
    lost = next(place for place, event in enumerate(event_log) if event.fact == "lost")
    assert event_log[lost].detail is not None
    assert event_log[lost].detail["reason"] == "the worker's process died"
    assert (event_log[lost].at - event_log[lost - 1].at).total_seconds() < 5


@pytest.mark.drill
def test_worker_dies_between_completion_and_the_next_message(programs: Programs, engine: sa.Engine) -> None:
    """A completed step whose successor was never published is not run again; its successor is."""
    job = order(engine, shop_recipes()["shop:relay:v1"], 1)
    programs.dispatcher()
    dying = programs.worker("dying", "solo", queues="relay", SHOP_DIES="before the next publish")
    dying.wait(timeout=40)
    assert status(engine, job) == "queued"

    programs.worker("second")
    assert ended(engine, job).status == "done"
    assert set(executions(engine).values()) == {1}


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_worker_dies_between_a_step_and_the_next_that_it_has_claimed(
    programs: Programs, engine: sa.Engine, shop: Recipe, pool: str
) -> None:
    """A step that was claimed with the completion of the one before it, and not begun, is nobody's fault."""
    job = order(engine, shop, 1, pick={"effect": True})
    programs.dispatcher()
    dying = programs.worker("dying", pool, SHOP_DIES="before the next step")
    dying.wait(timeout=40)
    with engine.connect() as connection:
        left = read.get(connection, job)
    assert (left.status, left.step_name, left.attempt) == ("running", "pack", 1)

    programs.worker("second", pool)
    done = ended(engine, job)
    assert (done.status, set(done.results)) == ("done", {"pick", "pack", "send"})
    assert set(executions(engine).values()) == {1}
    assert effects(engine) == {(job, "pick"): 1}


def test_a_step_that_kills_its_workers_is_poisoned(
    programs: Programs, engine: sa.Engine, shop: Recipe
) -> None:
    """The third worker process lost in the same step is the last: the job fails and says why."""
    job = order(engine, shop, 1, pick={"die": "self", "always": True})
    programs.dispatcher()
    programs.worker()
    failed = ended(engine, job)
    assert failed.status == "failed"
    assert failed.error == {"type": "WorkerLost", "message": "3 workers were lost in step pick"}


def test_redis_loses_everything(programs: Programs, engine: sa.Engine, shop: Recipe, broker: str) -> None:
    """FLUSHALL while the window is full: every message is found missing, and every job ends once."""
    programs.dispatcher()
    programs.worker("w", "prefork", 1)
    with held_lock(programs, 77):
        first = order(engine, shop, 1, pick={"hold": 77})
        wait_until(lambda: running(engine, first), "the first step to begin")
        others = [order(engine, shop, number) for number in range(2, 12)]
        wait_until(lambda: "queued" in {status(engine, job) for job in others}, "the window to fill")
        redis_tickets.client(broker).flushall()
    for job in [first, *others]:
        assert ended(engine, job).status == "done"
    assert set(executions(engine).values()) == {1}


@pytest.mark.drill
def test_a_late_worker_changes_nothing(programs: Programs, engine: sa.Engine, shop: Recipe) -> None:
    """A worker stopped past its beats loses its step; when it wakes, its report is refused."""
    programs.dispatcher()
    stopped = programs.worker("stopped", "threads", 1)
    job = None
    with held_lock(programs, 78):
        job = order(engine, shop, 1, pick={"hold": 78, "effect": True})
        wait_until(lambda: running(engine, job), "the step to begin")
        os.kill(stopped.pid, signal.SIGSTOP)
    programs.worker("second", "threads", 1)
    done = ended(engine, job)
    os.kill(stopped.pid, signal.SIGCONT)
    # Its report is refused, or never made: its session has been ended, or the step itself.
    ends = ("was reported too late", "lost its transaction", "the job is now None")
    wait_until(
        lambda: (
            any(f"job-{job}.1.pick {end}" in programs.said("stopped") for end in ends)
            or f"job-{job}.1.pick failed" in programs.said("stopped")
        ),
        "the end of the late run",
    )
    assert status(engine, job) == "done"
    assert done.results["pick"]["token"] == f"job-{job}.1"
    assert effects(engine) == {(job, "pick"): 1}


def test_the_database_forgets_its_connections(programs: Programs, engine: sa.Engine, shop: Recipe) -> None:
    """Every connection is cut while a step runs: worker and dispatcher go on, and the step is recorded."""
    programs.dispatcher()
    programs.worker("w", "threads", 2)
    with held_lock(programs, 79):
        job = order(engine, shop, 1, pick={"hold": 79})
        wait_until(lambda: running(engine, job), "the step to begin")
        with engine.begin() as connection:
            connection.execute(
                sa.text(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and application_name like 'hms %'"
                    " and pid <> pg_backend_pid()"
                )
            )
    assert ended(engine, job).status == "done"
    assert executions(engine)[(job, "pick")] == 1
    assert ended(engine, order(engine, shop, 2)).status == "done"


class held_lock:  # noqa: N801 -- reads as a word: with held_lock(...)
    """Steps that were told to `hold` this lock wait until the block is left."""

    def __init__(self, programs: Programs, lock: int) -> None:
        self._connection = psycopg2.connect(
            programs.environment["HMS_DATABASE_URL"], application_name="holder"
        )
        self._lock = lock

    def __enter__(self) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s)", (self._lock,))
        self._connection.commit()

    def __exit__(self, *_: Any) -> None:
        self._connection.close()
