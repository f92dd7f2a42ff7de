"""The step engine: what is claimed ahead of the slots neither waits for a long step nor is lost with one."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from hms_act import recovery
from hms_oms.broker import waiting_tickets
from hms_oms.jobs import commands
from hms_oms.jobs.queries import read
from hms_oms.recipes.recipes import Recipe
from tests.conftest import Programs, shop_recipes, wait_until
from tests.crash.test_crashes import executions, held_lock, running, status
from tests.workers.test_refusing_redis import refusing
from tests.workers.test_running import ended, order
from workers.claiming.continuing import LEASE_GRACE
from workers.engine.engine import expired
from workers.engine.piles import Pile
from workers.engine.prefetch import MOST_AHEAD
from workers.engine.runners import LATE_SECONDS

WHO = {"who": "boss", "reason": None}
MANY = 8
#: So many jobs make it forget how long its first step took.
QUICK = 24
MORE_THAN_TAKEN = MOST_AHEAD + 20
RECORDED_SECONDS = recovery.UNHELD_SECONDS + 2 * recovery.SWEEP_SECONDS


def short_steps(engine: sa.Engine, shop: Recipe) -> None:
    """Have a worker learn that steps are short, so that it takes and claims more than it has slots."""
    jobs = [order(engine, shop, 1 + number, quick=True) for number in range(QUICK)]
    for job in jobs:
        assert ended(engine, job).status == "done"


def done(engine: sa.Engine) -> int:
    """How many jobs are done."""
    with engine.connect() as connection:
        return connection.scalar(sa.text("select count(*) from oms.jobs where status = 'done'")) or 0


def test_a_pile_is_worked_off_together_and_survives_an_error() -> None:
    """What comes while the pile is at work is its next batch, and an error costs its own batch alone."""
    begun, go_on = threading.Event(), threading.Event()
    batches: list[list[int]] = []

    def work(items: Sequence[int]) -> None:
        batches.append(list(items))
        begun.set()
        go_on.wait(10)
        if items[0] == 1:
            raise ValueError

    pile = Pile("test", work)
    pile.put(1)
    assert begun.wait(10)
    for number in (2, 3, 4):
        pile.put(number)
    assert not pile.finish(0.01)
    go_on.set()
    assert pile.finish(10)
    assert batches == [[1], [2, 3, 4]]


def test_a_pile_that_is_to_wait_for_more_gets_it() -> None:
    """What comes while it lingers is in the same batch."""
    batches: list[list[int]] = []
    pile = Pile[int](
        "test", lambda items: batches.append(list(items)), lambda count: 0.2 if count < 2 else 0.0
    )
    pile.put(1)
    pile.put(2)
    assert pile.finish(10)
    assert batches == [[1, 2]]


def test_short_steps_do_not_wait_behind_a_long_one(
    programs: Programs, engine: sa.Engine, shop: Recipe
) -> None:
    """Threads that had short steps only begin others beside a long one, although nobody has foreseen it."""
    programs.dispatcher()
    programs.worker("w", "threads", slots=3)
    short_steps(engine, shop)
    with held_lock(programs, 7):
        long = order(engine, shop, 100, pick={"hold": 7})
        wait_until(lambda: running(engine, long), "the long step to run")
        others = [order(engine, shop, 101 + number) for number in range(MANY)]
        assert {ended(engine, job).status for job in others} == {"done"}
        with engine.connect() as connection:
            assert read.get(connection, long).status == "running"
    assert ended(engine, long).status == "done"
    assert set(executions(engine).values()) == {1}


def sent_and_not_begun(programs: Programs, engine: sa.Engine, shop: Recipe) -> tuple[psutil.Process, int]:
    """A child of the worker `w` that stands still, and a job whose first step was claimed and sent to it."""
    programs.dispatcher()
    worker = programs.worker("w", "prefork", slots=1)
    assert ended(engine, order(engine, shop, 1)).status == "done"
    [child] = [
        process
        for process in psutil.Process(worker.pid).children()
        if "workers.presence.heartbeat" not in process.cmdline()
    ]
    child.suspend()
    job = order(engine, shop, 2)
    wait_until(lambda: status(engine, job) == "running", "the step to be claimed")
    return child, job


def test_a_step_that_a_child_has_is_not_sent_again(
    programs: Programs, engine: sa.Engine, shop: Recipe, broker: str
) -> None:
    """While a child has not said that it has begun, its worker loses Redis: the step runs there, and once."""
    child, job = sent_and_not_begun(programs, engine, shop)
    waiting_tickets.client(broker).client_kill_filter(_type="normal", skipme=True)
    wait_until(lambda: "Connection to broker lost" in programs.said("w"), "the worker to lose Redis")
    wait_until(
        lambda: programs.said("w").count("Connected to redis") == 2, "the worker to be connected again"
    )
    child.resume()
    assert ended(engine, job).status == "done"
    assert set(executions(engine).values()) == {1}
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select max(attempt) from oms.jobs")) == 1


def test_a_step_that_a_child_has_is_kept_while_redis_takes_nothing(
    programs: Programs, engine: sa.Engine, shop: Recipe, broker: str
) -> None:
    """Its worker cannot connect for long, and Celery has forgotten what the child has: heartbeats name it."""
    child, job = sent_and_not_begun(programs, engine, shop)
    with refusing(broker, "READONLY"):
        wait_until(lambda: said_long_after(engine, job) or status(engine, job) != "running", "heartbeats")
        child.resume()
    assert ended(engine, job).status == "done"
    assert set(executions(engine).values()) == {1}
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select max(attempt) from oms.jobs")) == 1


def test_a_step_whose_child_dies_as_redis_is_lost_is_sent_again(
    programs: Programs, engine: sa.Engine, shop: Recipe, broker: str
) -> None:
    """Celery, which would send it to another child, forgets at that moment what it was to send."""
    child, job = sent_and_not_begun(programs, engine, shop)
    worker = child.parent()
    assert worker is not None
    # So that it hears of both at once.
    worker.suspend()
    child.kill()
    waiting_tickets.client(broker).client_kill_filter(_type="normal", skipme=True)
    worker.resume()
    assert ended(engine, job).status == "done"
    assert set(executions(engine).values()) == {1}


def said_long_after(engine: sa.Engine, job: int) -> bool:
    """Whether the worker has said what it has so long after the claim that recovery has heard it."""
    with engine.connect() as connection:
        query = sa.text(
            "select worker.tickets_at > job.since + make_interval(secs => :seconds) from oms.jobs as job"
            " inner join oms.workers as worker on worker.id = job.worker where job.id = :job"
        )
        return bool(connection.scalar(query, {"job": job, "seconds": RECORDED_SECONDS}))


@pytest.mark.parametrize("pool", ["solo", "prefork"])
def test_what_was_claimed_and_cannot_begin_goes_to_another_worker(
    programs: Programs, engine: sa.Engine, shop: Recipe, pool: str
) -> None:
    """Jobs taken and held behind an unforeseen long step are given back, and that is nobody's failure."""
    programs.dispatcher()
    first = programs.worker("first", pool, slots=1)
    short_steps(engine, shop)
    with engine.begin() as connection:
        commands.pause(connection, "shop", **WHO)
        commands.limit(connection, "shop", window=MORE_THAN_TAKEN, starts_per_minute=None, who="boss")
    with held_lock(programs, 7):
        # The long one comes to run while others are held: each step claims the next one ahead.
        jobs = [
            order(engine, shop, 200 + number, **({"quick": True} if number else {"pack": {"hold": 7}}))
            for number in range(MORE_THAN_TAKEN)
        ]
        with engine.begin() as connection:
            commands.resume(connection, "shop")
        wait_until(lambda: running(engine, jobs[0]), "the long step to run")
        second = programs.worker("second", pool, slots=1)
        # The long one runs, and as many as there are slots may stand behind it with their messages.
        wait_until(lambda: done(engine) >= QUICK + len(jobs) - 2, "the others to be done")
        with engine.connect() as connection:
            assert read.get(connection, jobs[0]).status == "running"
    for job in jobs:
        assert ended(engine, job).status == "done"
    with engine.connect() as connection:
        losses = connection.scalar(sa.text("select max(losses) from oms.jobs"))
        reasons = connection.scalars(
            sa.text("select distinct detail ->> 'reason' from oms.job_events where fact = 'lost'")
        ).all()
    assert losses == 0
    # Nobody else had to take anything back.
    assert set(reasons) <= {"its worker is busy with longer steps"}
    assert (first.poll(), second.poll()) == (None, None)


def test_a_step_that_ended_in_time_counts_though_its_worker_reads_it_late(
    programs: Programs, engine: sa.Engine
) -> None:
    """The worker stands still from before the step's end until past its time limit: it has not run over."""
    brief = shop_recipes()["shop:brief:v1"]
    limit = brief.steps[0].time_limit
    programs.dispatcher()
    worker = psutil.Process(programs.worker("w", "prefork", slots=1).pid)
    with held_lock(programs, 7):
        job = order(engine, brief, 1, pick={"hold": 7})
        wait_until(lambda: running(engine, job), "the step to begin")
        began = time.monotonic()
        worker.suspend()
    wait_until(lambda: time.monotonic() > began + limit, "the time limit to pass")
    worker.resume()
    assert ended(engine, job).status == "done"
    assert set(executions(engine).values()) == {1}


def waits(engine: sa.Engine) -> bool:
    """Whether somebody waits for a lock."""
    query = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    with engine.connect() as connection:
        return bool(connection.execute(sa.text(query)).all())


def test_what_is_claimed_late_goes_back(programs: Programs, engine: sa.Engine, shop: Recipe) -> None:
    """A worker that reads the answer seconds later may have stood still: the step may run elsewhere."""
    with engine.begin() as connection:
        commands.limit(connection, "shop", window=1, starts_per_minute=None, who="boss")
    programs.dispatcher()
    job = order(engine, shop, 1)
    wait_until(lambda: status(engine, job) == "queued", "its message")
    with engine.begin() as connection:
        connection.execute(sa.text("select from oms.jobs where id = :job for update"), {"job": job})
        programs.worker("w", "threads")
        wait_until(lambda: waits(engine), "the claim to wait for the job")
        began = time.monotonic()
        wait_until(lambda: time.monotonic() > began + LATE_SECONDS, "its answer to be late")
    assert ended(engine, job).status == "done"
    assert set(executions(engine).values()) == {1}
    with engine.connect() as connection:
        assert read.get(connection, job).attempt == 2


def test_a_step_that_never_begins_is_not_named_on_and_on() -> None:
    """Once its lease has run out its worker does not name it; one that runs, or ran, it does."""
    lease = 2.0 + LEASE_GRACE
    held: list[Any] = [
        SimpleNamespace(id=number, granted_at=at, limit=2.0, worker_pid=pid)
        for number, (at, pid) in enumerate([(10.0, None), (10.0, None), (10.0, 7), (math.inf, None)])
    ]
    waits, sent = held[:2]
    assert list(expired(held, [sent], 10.0 + lease)) == []
    assert list(expired(held, [sent], 10.1 + lease)) == [waits]
