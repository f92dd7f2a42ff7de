"""One bad step, or one worker in a bad way, is nobody else's failure; and no step runs twice at one time."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from hms_oms.jobs.queries import read
from hms_oms.recipes.recipes import Recipe
from tests.conftest import Programs, shop_recipes, wait_until
from tests.crash.test_crashes import effects, executions, facts, held_lock, running, status
from tests.support.programs import Program
from tests.workers.test_running import ended, order


@pytest.fixture
def brief(programs: Programs) -> Recipe:
    """The recipe whose step has two seconds, and one attempt."""
    return shop_recipes()["shop:brief:v1"]


class Kept:
    """A worker that is started again whenever it ends, as `hms up` does it."""

    def __init__(self, programs: Programs, **options: object) -> None:
        self._start: Callable[[], Program] = lambda: programs.worker("kept", **options)  # type: ignore[arg-type]
        self.process = self._start()
        self.codes: list[int] = []

    def all_ended(self, engine: sa.Engine, numbers: list[int]) -> bool:
        """Whether these jobs have ended; a worker that has is started again meanwhile."""
        code = self.process.poll()
        if code is not None:
            self.codes.append(code)
            self.process = self._start()
        with engine.connect() as connection:
            return all(read.get(connection, number).finished_at for number in numbers)


def test_a_step_that_ends_its_process_fails_no_other(
    programs: Programs, engine: sa.Engine, shop: Recipe
) -> None:
    """Of ten jobs in one process the one that ends it fails, and the nine beside it are done."""
    culprit = order(engine, shop, 1, pick={"exit": True})
    innocent = [order(engine, shop, number) for number in range(2, 11)]
    programs.dispatcher()
    worker = Kept(programs, pool="threads", slots=8)
    wait_until(lambda: worker.all_ended(engine, [culprit, *innocent]), "all to end", 180)
    assert [status(engine, job) for job in innocent] == ["done"] * 9
    with engine.connect() as connection:
        error = read.get(connection, culprit).error
    assert error == {"type": "WorkerLost", "message": "3 workers were lost in step pick"}


@pytest.mark.parametrize(
    "pool",
    [
        pytest.param("prefork", marks=pytest.mark.drill),
        "threads",
        pytest.param("solo", marks=pytest.mark.drill),
    ],
)
def test_a_step_past_its_limit_fails_as_that(
    programs: Programs, engine: sa.Engine, brief: Recipe, pool: str
) -> None:
    """With one attempt it has one run and one failure, called by its name; no worker was lost."""
    job = order(engine, brief, 1, pick={"spin": 60})
    programs.dispatcher()
    worker = programs.worker(pool=pool)
    failed = ended(engine, job)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error["type"] == "TimeLimitExceeded"
    assert failed.error["message"] == "the time limit of 2 s was exceeded"
    assert executions(engine) == {(job, "pick"): 1}
    assert ended(engine, order(engine, brief, 2)).status == "done"
    assert worker.poll() is None


@pytest.mark.drill
def test_a_step_that_heeds_nothing_ends_with_its_process(
    programs: Programs, engine: sa.Engine, brief: Recipe
) -> None:
    """A thread that cannot be ended costs its worker, which is replaced; no run is beside another."""
    hung = order(engine, brief, 1, pick={"sleep": 120})
    programs.dispatcher()
    worker = Kept(programs, pool="threads", slots=2)
    wait_until(lambda: running(engine, hung), "the step to begin")
    others = [order(engine, brief, number) for number in range(2, 6)]
    with engine.connect() as connection:
        lost = sa.text("select max(slots_lost) from oms.workers")
        wait_until(lambda: connection.scalar(lost), "its slot to be told as lost")
    wait_until(lambda: worker.all_ended(engine, [hung, *others]), "all to end", 60)
    assert (worker.codes or [worker.process.wait(20)])[0] == 75
    assert [status(engine, job) for job in others] == ["done"] * 4
    assert status(engine, hung) == "failed"
    assert executions(engine)[(hung, "pick")] == 1


@pytest.mark.drill
def test_a_step_that_holds_the_interpreter_is_not_lost(
    programs: Programs, engine: sa.Engine, shop: Recipe
) -> None:
    """For seven seconds no other thread of the worker runs, and its step is still not taken from it."""
    job = order(engine, shop, 1, pick={"hold_interpreter": 7})
    programs.dispatcher()
    programs.worker(pool="threads")
    assert ended(engine, job).status == "done"
    assert "lost" not in facts(engine, job)
    assert executions(engine)[(job, "pick")] == 1


@pytest.mark.drill
def test_a_worker_whose_heartbeats_fail_claims_nothing(
    programs: Programs, engine: sa.Engine, shop: Recipe
) -> None:
    """With its heartbeats stopped a worker leaves the jobs to others and ends; none of them fails."""
    programs.dispatcher()
    mute = programs.worker("mute", "threads", 2)
    assert ended(engine, order(engine, shop, 1)).status == "done"
    [heartbeat] = [
        child
        for child in psutil.Process(mute.pid).children()
        if "workers.presence.heartbeat" in child.cmdline()
    ]
    heartbeat.suspend()
    numbers = [order(engine, shop, number) for number in range(2, 12)]
    assert mute.wait(40) == 75
    programs.worker("well", "threads", 2)
    for job in numbers:
        assert ended(engine, job).status == "done"
    with engine.connect() as connection:
        assert all(read.get(connection, job).error is None for job in numbers)
    assert set(executions(engine).values()) == {1}


@pytest.mark.drill
def test_a_killed_heartbeat_process_is_started_again(
    programs: Programs, engine: sa.Engine, shop: Recipe
) -> None:
    """Nothing is lost, and nothing runs twice."""
    programs.dispatcher()
    worker = programs.worker("w", "threads", 2)
    assert ended(engine, order(engine, shop, 1)).status == "done"
    for child in psutil.Process(worker.pid).children():
        child.kill()
    assert ended(engine, order(engine, shop, 2)).status == "done"
    assert set(executions(engine).values()) == {1}
    assert worker.poll() is None


@pytest.mark.drill
def test_workers_that_look_alike_are_told_apart(
    programs: Programs, engine: sa.Engine, shop: Recipe, tmp_path: Path
) -> None:
    """Two workers with one name, host and process number, as in containers, keep each their own steps."""
    alike = "import os; os.getpid = lambda: 7\nfrom workers.main import app\napp.worker_main({words!r})"
    words = ["worker", "-P", "threads", "-c", "2", "-n", "w@here", "--without-gossip", "--without-mingle"]
    programs.dispatcher()
    for name in ("one", "two"):
        programs.start(name, "-c", alike.format(words=words))
    with engine.connect() as connection:
        wait_until(
            lambda: (
                connection.execute(sa.text("select count(*) from oms.workers where name = 'w@here'")).scalar()
                == 2
            ),
            "two workers",
        )
    with held_lock(programs, 91):
        numbers = [order(engine, shop, number, pick={"hold": 91}) for number in range(1, 5)]
        wait_until(lambda: all(running(engine, job) for job in numbers), "all to run")
        wait_until(lambda: _beats(engine) >= 3, "three more heartbeats of each")
    for job in numbers:
        assert ended(engine, job).status == "done"
    assert executions(engine) == {(job, step): 1 for job in numbers for step in ("pick", "pack", "send")}


def _beats(engine: sa.Engine) -> float:
    with engine.connect() as connection:
        return float(
            connection.execute(
                sa.text("select extract(epoch from min(beat_at) - min(since)) / 2 from oms.workers, oms.jobs")
            ).scalar()
            or 0
        )


def test_a_jump_of_the_clock_runs_no_step_twice(
    programs: Programs, engine: sa.Engine, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """With the database's clock an hour ahead the lease keeps what is left of it."""
    programs.dispatcher()
    programs.worker("w", "threads", 2)
    with held_lock(programs, 92):
        job = order(engine, shop, 1, pick={"hold": 92})
        wait_until(lambda: running(engine, job), "the step to begin")
        wait_until(lambda: "act: leading" in programs.said("act"), "the dispatcher to lead")
        forward(timedelta(hours=1))
        wait_until(lambda: "clock has jumped by 3600 s" in programs.said("act"), "the jump to be seen")
        other = order(engine, shop, 2)
        assert ended(engine, other).status == "done"
    assert ended(engine, job).status == "done"
    assert executions(engine)[(job, "pick")] == 1


@pytest.mark.drill
def test_errors_while_reporting_are_nobody_s_failure(
    programs: Programs, engine: sa.Engine, shop: Recipe
) -> None:
    """Statements are cancelled and sessions ended while steps report: all is done, with one effect each."""
    programs.dispatcher()
    programs.worker("w", "threads", 4)
    numbers = [order(engine, shop, number, pack={"effect": True}) for number in range(1, 41)]
    verbs = ("pg_cancel_backend", "pg_terminate_backend")
    observed = rounds = 0

    def disturbed() -> bool:
        """Disturb once more whenever some steps have ended since; whether all jobs have ended."""
        nonlocal observed, rounds
        with engine.connect() as connection:
            results = connection.scalar(sa.text("select count(*) from oms.job_events where fact <> 'lost'"))
            if results >= observed + 8:
                observed, rounds = results, rounds + 1
                connection.execute(
                    sa.text(
                        f"select {verbs[rounds % 2]}(pid) from pg_stat_activity"
                        " where datname = current_database() and (application_name like 'hms reports %'"
                        " or application_name like 'hms effects %' or application_name like 'hms claims %')"
                    )
                )
            return all(read.get(connection, job).finished_at for job in numbers)

    wait_until(disturbed, "all to end in spite of it", 60)
    assert rounds >= 12
    assert {status(engine, job) for job in numbers} == {"done"}
    assert effects(engine) == {(job, "pack"): 1 for job in numbers}


def test_what_a_leaving_worker_had_not_begun_goes_back_at_once(
    programs: Programs, engine: sa.Engine, shop: Recipe
) -> None:
    """SIGTERM: the step that runs is finished, the message behind it goes back to the ledger."""
    programs.dispatcher()
    leaving = programs.worker("leaving", "threads", 1)
    with held_lock(programs, 93):
        first = order(engine, shop, 1, pick={"hold": 93})
        wait_until(lambda: running(engine, first), "the first step to begin")
        second = order(engine, shop, 2)
        wait_until(lambda: status(engine, second) == "queued", "the second to be in the window")
        os.kill(leaving.pid, signal.SIGTERM)
    assert leaving.wait(30) == 0
    programs.worker("next", "threads", 1)
    for job in (first, second):
        assert ended(engine, job).status == "done"
    assert set(executions(engine).values()) == {1}
