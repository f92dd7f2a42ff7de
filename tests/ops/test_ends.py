"""The predicted ends of open jobs on a real ledger, and which jobs are at risk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from hms_oms.database import health
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, ledger, workers
from hms_oms.jobs.workers import Beat
from hms_oms.order.policy import Policy
from hms_oms.queues import policies
from hms_oms.recipes.recipes import Recipe
from hms_ops.foresight.ends import End
from hms_ops.foresight.forecasts import Forecasts
from tests.oms.test_bands import give_up, orders
from tests.oms.test_ledger import claim
from tests.parts.test_split_and_join import boxes as boxes
from tests.parts.test_split_and_join import split

#: A job of the shop takes so long, in seconds.
WORK = 60.0


def measured(engine: sa.Engine, raw: RawConnection, slots: int = 2) -> None:
    """Let a worker with slots be there, and let it be known how long its jobs take."""
    workers.beat(raw, Beat("w", "w@here", "here", 1, "threads", slots, ["shop"], ["shop.pick"], [], 0.0, 0))
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into oms.work_estimates (cell, type, step, works, mean, upper)"
                " select distinct cell, type, step, 8, :mean, 1.5 * :mean from oms.jobs"
                " on conflict (cell) do update set mean = excluded.mean"
            ),
            {"mean": WORK},
        )


def look(engine: sa.Engine, jobs: list[int]) -> tuple[list[float | None], list[int]]:
    """In how many minutes each job ends, and which of them are at risk."""
    with engine.begin() as connection:
        now = health.clock(connection)
        known = Forecasts().of_jobs(connection, [(job, "shop") for job in jobs])
        risks = sorted(end.job for end in Forecasts().at_risk(connection))
        assert risks == sorted(job for job, end in known.items() if end.at_risk)
    return [minutes(known.get(job), now) for job in jobs], risks


def minutes(end: End | None, now: object) -> float | None:
    """The minutes until an end."""
    return (
        None if end is None or end.ends_at is None else round((end.ends_at - now) / timedelta(minutes=1), 1)
    )  # type: ignore[operator]


def test_jobs_end_after_those_in_front_of_them(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Two slots work side by side; what was given up is served last, and is at risk whenever it ends."""
    jobs = orders(engine, shop, (2, 2, 2.2, 30))
    measured(engine, raw)
    assert look(engine, jobs) == ([1.0, 1.5, 2.0, 2.5], [])
    give_up(engine, jobs[0])
    assert look(engine, jobs) == ([2.5, 1.0, 1.5, 2.0], [jobs[0]])


def test_what_is_late_already_is_not_at_risk(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Its deadline is past; that of the job behind it is ahead, and is missed because of it."""
    jobs = orders(engine, shop, (0.5, 1))
    measured(engine, raw, slots=1)
    assert look(engine, jobs)[1] == jobs
    with engine.begin() as connection:
        connection.execute(
            sa.text("update oms.jobs set sla = oms.now() - interval '1 s', due = sla where id = :job"),
            {"job": jobs[0]},
        )
    assert look(engine, jobs) == ([1.0, 2.0], [jobs[1]])


def test_running_jobs_hold_their_slots_for_the_rest(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """What runs for most of its time ends soon, and one that runs for too long may end at any moment."""
    jobs = orders(engine, shop, (10, 20, 30))
    measured(engine, raw, slots=1)
    ledger.take(raw, "shop", 1)
    claim(raw, jobs[0], "pick")
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.jobs set since = oms.now() - interval '45 s' where id = 1")
    assert look(engine, jobs)[0] == [0.2, 1.2, 2.2]
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.jobs set since = oms.now() - interval '90 s' where id = 1")
    assert look(engine, jobs)[0] == [0.0, 1.0, 2.0]


def test_a_pause_a_limit_and_no_worker_are_foreseen(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """A pause is taken to last ten minutes; a start a minute; without a worker no job ever ends."""
    jobs = orders(engine, shop, (15, 15))
    measured(engine, raw, slots=1)
    with engine.begin() as connection:
        commands.pause(connection, "shop", who="test", reason=None)
    assert look(engine, jobs) == ([11.0, 12.0], [])
    with engine.begin() as connection:
        commands.resume(connection, "shop")
        connection.exec_driver_sql(
            "update oms.queues set starts_per_minute = 1, at_once = 1 where name = 'shop'"
        )
        connection.exec_driver_sql("update oms.work_estimates set mean = 6, upper = 6")
    assert look(engine, jobs)[0] == [0.1, 1.1]
    workers.leave(raw, "w")
    assert look(engine, jobs) == ([None, None], jobs)


def test_a_queue_by_acceptance_is_foreseen_so(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """The later deadline is served first, for it was accepted first."""
    with engine.begin() as connection:
        policies.set_policy(connection, "shop", Policy.FIFO, who="test")
    jobs = orders(engine, shop, (30, 1.5))
    measured(engine, raw, slots=1)
    assert look(engine, jobs) == ([1.0, 2.0], [jobs[1]])


def test_a_job_in_parts_ends_with_the_last_of_them(
    engine: sa.Engine, raw: RawConnection, boxes: Recipe
) -> None:
    """Wherever they wait; if one of them waits for another thing, nobody can tell."""
    job, parts = split(engine, raw, boxes, 3)
    measured(engine, raw, slots=1)
    both = ["boxes", "desk"]
    workers.beat(raw, Beat("w", "w@here", "here", 1, "threads", 1, both, ["shop.box"], [], 0.0, 0))
    with engine.begin() as connection:
        now = health.clock(connection)
        connection.exec_driver_sql("insert into oms.queues (name) values ('desk')")
        assert minutes(Forecasts().of_jobs(connection, [(job, "boxes")])[job], now) == 3.0
        connection.execute(sa.text("update oms.jobs set queue = 'desk' where id = :id"), {"id": parts[2].id})
        assert minutes(Forecasts().of_jobs(connection, [(job, "boxes")])[job], now) == 2.0
        # Its deadline is that of its parts, of which one is too late in the other queue.
        connection.exec_driver_sql("update oms.work_estimates set mean = 1900 where step = 1")
        connection.exec_driver_sql("update oms.jobs set finished_at = now(), status = 'done' where part < 2")
        [risk] = Forecasts().at_risk(connection)
        assert (risk.job, minutes(risk, now)) == (job, 31.7)
        connection.exec_driver_sql("update oms.jobs set ready_at = oms.held_back() where part = 2")
        known = Forecasts().of_jobs(connection, [(job, "boxes")])[job]
        assert (known.ends_at, known.at_risk) == (None, False)


def test_a_queue_is_foreseen_once_for_all_who_look(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept for twenty times as long as it took; who comes while it is read again has the older one."""
    jobs = [(job, "shop") for job in orders(engine, shop, (5, 10))]
    measured(engine, raw)
    monkeypatch.setattr("hms_ops.foresight.kept.TIMES", 1e6)
    forecasts, reads = Forecasts(), []

    def note(*given: object) -> None:
        reads.extend(statement for statement in given[2:3] if "placed" in str(statement))

    def look_once(_: int) -> datetime:
        with engine.connect() as connection:
            return forecasts.of_jobs(connection, jobs)[jobs[0][0]].as_of

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(look_once, range(30)))) == 1
        assert len(reads) == 1
        monkeypatch.setattr("hms_ops.foresight.kept.TIMES", 0.0)
        monkeypatch.setattr("hms_ops.foresight.kept.LEAST_SECONDS", 0.0)
        forecasts = Forecasts()
        assert look_once(1) < look_once(2)
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def test_nobody_can_tell_what_was_not_measured(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """An end is not predicted then, and only what was given up is at risk."""
    jobs = orders(engine, shop, (5, 10))
    measured(engine, raw)
    with engine.begin() as connection:
        connection.exec_driver_sql("delete from oms.work_estimates")
    give_up(engine, jobs[0])
    assert look(engine, jobs) == ([None, None], [jobs[0]])
