"""Previews on a real ledger: as the jobs stand, by what was measured, and nothing is changed."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest
import sqlalchemy as sa

from hms_oms.database import health
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import ledger, workers
from hms_oms.jobs.workers import Beat
from hms_oms.order.foresight import outlook
from hms_oms.order.policy import Policy
from hms_oms.recipes.recipes import Recipe
from hms_ops.foresight import previews, situations, staffing
from hms_ops.foresight.forecasts import Forecasts
from tests.oms.test_bands import orders
from tests.ops.test_ends import measured
from tests.parts.test_split_and_join import boxes as boxes
from tests.parts.test_split_and_join import split


def other_queue(engine: sa.Engine) -> None:
    """A queue beside the shop's."""
    with engine.begin() as connection:
        connection.exec_driver_sql("insert into oms.queues (name) values ('desk') on conflict do nothing")


def test_each_change_is_foreseen(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """A pause, a limit, a policy, an SLA; and jobs that are promoted, cancelled, put behind, or moved."""
    first, second, third = orders(engine, shop, (1.6, 3.1, 3.9))
    measured(engine, raw, slots=1)
    other_queue(engine)
    with engine.connect() as connection:
        foreseen = {
            "pause": previews.pause(connection, "shop"),
            "limit": previews.limit(connection, "shop", window=None, starts_per_minute=None, at_once=None),
            "window": previews.limit(connection, "shop", window=0, starts_per_minute=None, at_once=None),
            "fifo": previews.policy(connection, "shop", Policy.FIFO),
            "sla": previews.sla(connection, "shop", minutes=30, instead=28.5),
        }
        late = {name: effect.after.late for name, effect in foreseen.items() if effect is not None}
        assert late == {"pause": 3, "limit": 0, "window": 3, "fifo": 0, "sla": 2}
        [effect] = previews.jobs(connection, "promote", [third]).effects
        assert (effect.into_risk, effect.before.on_time) == ((f"job-{first}",), 1.0)
        [effect] = previews.jobs(connection, "cancel", [first]).effects
        assert (effect.before.open, effect.after.open, effect.into_risk_jobs) == (3, 2, 0)
        [effect] = previews.jobs(connection, "priority", [second], priority=-1).effects
        assert effect.into_risk == ()
        away, there = previews.jobs(connection, "move", [first, second], to="desk").effects
        assert ((away.queue, away.after.open), (there.queue, there.after.open)) == (("shop", 1), ("desk", 2))
        # Nobody works there.
        assert there.into_risk_jobs == 2


def test_jobs_are_put_in_order_however_the_ledger_reads_them(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """Whatever plan PostgreSQL chooses: each group is by deadline, and of equal ones by id."""
    jobs = orders(engine, shop, (30, 10, 20))
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.jobs set sla = oms.now(), due = oms.now() where id > 1")
        connection.exec_driver_sql("update oms.jobs set payload = payload where id = 2")
        [group] = situations.open_jobs(connection, "shop").groups
    assert list(group.ids) == [jobs[1], jobs[2], jobs[0]]
    assert list(group.deadlines) == sorted(group.deadlines)


def test_nothing_is_foreseen_of_what_was_not_measured(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """Neither of a queue without jobs, whose changes are harmless."""
    orders(engine, shop, (5,))
    other_queue(engine)
    with engine.connect() as connection:
        assert previews.pause(connection, "shop") is None
        empty = previews.pause(connection, "desk")
        assert empty is not None
        assert (empty.before.open, empty.after.late) == (0, 0)
        assert previews.jobs(connection, "cancel", [1]) == ([], ["shop"])
        assert previews.jobs(connection, "cancel", []) == ([], [])


def test_what_comes_from_an_unmeasured_queue_is_counted_where_it_goes(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """Its own queue cannot be told of; the other one has more work, as long as it is used to."""
    job, *others = orders(engine, shop, (5, 5, 5))
    other_queue(engine)
    here = ("here", 1, "threads", 1, ["desk"], ["shop.pick"], [], 0.0, 0)
    workers.beat(raw, Beat("w", "w@here", *here))
    with engine.begin() as connection:
        connection.execute(
            sa.text("update oms.jobs set queue = 'desk', cell = 64 where id = any(:jobs)"), {"jobs": others}
        )
        connection.exec_driver_sql(
            "insert into oms.work_estimates (cell, type, step, works, mean, upper)"
            " values (64, 'shop:order:v1', 0, 8, 60, 90)"
        )
        assert previews.jobs(connection, "move", [job], to="desk") == ([], ["shop", "desk"])
        connection.exec_driver_sql(
            "insert into ops.metrics (name, queue, value, source, at)"
            " values ('forecast.slotRate', 'desk', 0.005, 'ledger', oms.now())"
        )
        foreseen = previews.jobs(connection, "move", [job], to="desk")
    [there] = foreseen.effects
    assert ((there.queue, there.before.open, there.after.open), foreseen.unmeasured) == (
        ("desk", 2, 3),
        ["shop"],
    )


def test_a_job_in_parts_is_one_job(engine: sa.Engine, raw: RawConnection, boxes: Recipe) -> None:
    """It is counted where its parts are, late with them, and what is done to it is done to them."""
    job, _ = split(engine, raw, boxes, 3)
    measured(engine, raw, slots=1)
    workers.beat(raw, Beat("w", "w@here", "here", 1, "threads", 1, ["boxes"], ["shop.box"], [], 0.0, 0))
    with engine.connect() as connection:
        slower = previews.limit(connection, "boxes", window=0, starts_per_minute=None, at_once=None)
        assert slower is not None
        assert ((slower.before.open, slower.before.late), slower.into_risk) == ((1, 0), (f"job-{job}",))
        [effect] = previews.jobs(connection, "cancel", [job]).effects
        assert (effect.before.open, effect.after.open) == (1, 0)


def test_a_host_that_is_over_a_limit_makes_no_worker_smaller(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """A new worker has as many slots as the others, also as those that start nothing now."""
    orders(engine, shop, (5,))
    measured(engine, raw, slots=4)
    here = ("here", 2, "threads", 4, ["shop"], ["shop.pick"], [], 0.0, 0)
    held = Beat("h", "h@here", *here, held_because="CPU")
    workers.beat(raw, held)
    with engine.connect() as connection:
        ahead = staffing.forecast("shop", staffing.read(connection, "shop"), 3)
    assert ahead.present is not None
    assert (ahead.present.workers, ahead.present.slots) == (1, 4)
    assert ahead.asked is not None
    assert ahead.asked.slots == 12
    workers.leave(raw, "w")
    with engine.connect() as connection:
        ahead = staffing.forecast("shop", staffing.read(connection, "shop"), 3)
    assert ahead.present is not None
    assert (ahead.present.workers, ahead.present.slots) == (0, 0)
    assert ahead.asked is not None
    assert ahead.asked.slots == 12


@hypothesis.settings(max_examples=10, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(
    st.lists(st.tuples(st.integers(1, 40), st.sampled_from([0, 0, 0, 1, -1]), st.booleans()), max_size=15),
    st.integers(0, 4),
    st.sampled_from(Policy),
)
def test_the_ledger_and_the_outlook_agree(
    engine: sa.Engine,
    raw: RawConnection,
    shop: Recipe,
    drawn: list[tuple[int, int, bool]],
    taken: int,
    policy: Policy,
) -> None:
    """Ends that SQL predicts are those of the outlook, once the plan of it is in the ledger."""
    with engine.begin() as connection:
        connection.exec_driver_sql("delete from oms.jobs")
        connection.execute(
            sa.text("update oms.queues set policy = :policy where name = 'shop'"), {"policy": policy}
        )
    jobs = orders(engine, shop, [minutes for minutes, _, _ in drawn])
    with engine.begin() as connection:
        for job, (_, priority, must) in zip(jobs, drawn, strict=True):
            connection.execute(
                sa.text(
                    "update oms.jobs set priority = :priority, must = :must,"
                    " due = oms.due(:policy, created_at, sla, sla_minutes, :must, 1.5 * 60)"
                    " where id = :job"
                ),
                {"job": job, "priority": priority, "must": must, "policy": policy},
            )
    measured(engine, raw)
    ledger.take(raw, "shop", taken)
    with engine.begin() as connection:
        situation = situations.read(connection, "shop")
        assert situation is not None
        foreseen = outlook.outlook(situation)
        connection.execute(
            sa.text("update oms.jobs set band = 1 where id = any(:jobs)"), {"jobs": [*foreseen.given_up]}
        )
        known = Forecasts().of_jobs(connection, [(job, "shop") for job in jobs])
        now = health.clock(connection).timestamp()
        risks = {job for job, end in known.items() if end.at_risk}
    for job, end in known.items():
        assert end.ends_at is not None
        assert end.ends_at.timestamp() - now == pytest.approx(foreseen.ends[job] - situation.now, abs=0.01)
    assert risks == foreseen.late
    assert known.keys() == foreseen.ends.keys()
