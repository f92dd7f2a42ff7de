"""Forecasts that the watch makes, keeps and settles by itself, in a real ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from hms_oms.database import health
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import ledger
from hms_oms.order.foresight import conformal
from hms_oms.recipes.recipes import Recipe
from hms_ops.forecast.capacity import Capacity
from hms_ops.forecast.forecast import forecast
from hms_ops.forecast.snapshot import QueueSnapshot, Snapshot
from hms_ops.forecast.throughput import Throughput
from hms_ops.foresight import line_forecasts
from hms_ops.metrics import counts, metrics
from hms_ops.metrics.measure import Measure
from hms_ops.watch import Watch
from tests.ops.test_ends import measured
from tests.ops.test_measure import accept_orders, run_step

#: Two slots of a job each ten seconds.
CAPACITY = Capacity(2, 0.1, trusted=True, counted=400, variation=1.0)
MINUTE = timedelta(minutes=1)


def queue_of(connection: sa.Connection, now: datetime) -> QueueSnapshot:
    """The shop as the watch has it, with a throughput."""
    standing = counts.standings(connection, now).get("shop", counts.Standing())
    ahead = forecast(standing.histogram, CAPACITY, now)
    return QueueSnapshot(
        "shop", 10.0, waiting=standing.waiting, queued=standing.queued, slots=2, workers=1, forecast=ahead
    )


def make(engine: sa.Engine, at: timedelta = timedelta()) -> datetime:
    """Make forecasts, as at a moment so far from now; returns that moment."""
    with engine.begin() as connection:
        now = health.clock(connection) + at
        line_forecasts.make(connection, queue_of(connection, now), now, UTC)
    return now


def settle(engine: sa.Engine, after: timedelta = timedelta()) -> float:
    """Settle what can be settled that far from now; returns the level that holds then."""
    with engine.begin() as connection:
        line_forecasts.settle(connection, health.clock(connection) + after)
        return line_forecasts.level_of(connection, "shop")


def rows(engine: sa.Engine) -> Sequence[sa.Row[tuple[object, ...]]]:
    """All forecasts."""
    with engine.connect() as connection:
        return connection.execute(sa.text("select * from ops.forecasts order by id")).all()


def test_forecasts_are_made_of_the_line_and_settled_when_jobs_end(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """Five of ten jobs, evenly apart and the last among them; what has ended is a score."""
    jobs = accept_orders(engine, shop, 10)
    make(engine)
    assert [(row.job_id, row.is_last) for row in rows(engine)] == [
        *((jobs[place - 1], False) for place in (2, 4, 6, 8)),
        (jobs[9], True),
    ]
    assert [row.mean for row in rows(engine)] == pytest.approx([10, 20, 30, 40, 50])
    assert all(row.latest > row.mean for row in rows(engine))
    assert settle(engine) == conformal.MISSED
    ledger.take(raw, "shop", 2)
    for step in range(3):
        run_step(raw, jobs[1], step)
    assert settle(engine) == pytest.approx(conformal.level_after(conformal.MISSED, missed=False))
    first, *others = rows(engine)
    assert first.missed is False
    assert 0 <= first.ended < 10
    assert [row.ended for row in others] == [None] * 4
    with engine.connect() as connection:
        assert line_forecasts.scores_of(connection, "shop", health.clock(connection)) == [
            pytest.approx((first.ended - first.mean) / first.deviation)
        ]


def test_of_a_long_line_its_front_and_its_last_job_are_forecast(
    engine: sa.Engine, shop: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those in between would have to be counted."""
    jobs = accept_orders(engine, shop, 10)
    monkeypatch.setattr(line_forecasts, "FRONT", 4)
    make(engine)
    assert [row.job_id for row in rows(engine)] == [*jobs[:3], jobs[9]]


def test_a_limit_that_passes_is_missed_once(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """It counts at once, and as a score that grows; the end of the job does not count again."""
    [job] = accept_orders(engine, shop, 1)
    make(engine)
    missed = conformal.level_after(conformal.MISSED, missed=True)
    assert settle(engine, timedelta(hours=1)) == pytest.approx(missed)
    assert settle(engine, timedelta(hours=2)) == pytest.approx(missed)
    with engine.connect() as connection:
        now = health.clock(connection)
        early, late = (
            line_forecasts.scores_of(connection, "shop", now + timedelta(hours=hours))[0] for hours in (1, 2)
        )
    assert late > early
    ledger.take(raw, "shop", 1)
    for step in range(3):
        run_step(raw, job, step)
    assert settle(engine) == pytest.approx(missed)
    [row] = rows(engine)
    assert (row.missed, row.ended is not None) == (True, True)


@pytest.mark.parametrize(
    "change",
    [
        "status = 'cancelled', finished_at = oms.now()",
        "sla = sla + interval '1 hour'",
        "priority = 3",
        "queue = 'returns'",
    ],
)
def test_what_was_said_of_a_job_that_changes_is_void(engine: sa.Engine, shop: Recipe, change: str) -> None:
    """Nobody knew that it would be cancelled, re-dated, put in front or moved."""
    accept_orders(engine, shop, 1)
    make(engine)
    with engine.begin() as connection:
        connection.execute(sa.text(f"update oms.jobs set {change}"))
    assert settle(engine, timedelta(hours=1)) == conformal.MISSED
    assert not rows(engine)


def test_what_is_learnt_outlives_the_watch(engine: sa.Engine, shop: Recipe) -> None:
    """With enough scores of two deviations limits are that far behind, and a new process says the same."""
    accept_orders(engine, shop, 4)
    now = make(engine)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into ops.forecasts (queue, job_id, at, is_last, deadline, priority, mean, deviation,"
                " median, latest, learnt_from, chance, missed, ended)"
                " select 'shop', 1, :now, false, :now, 0, 100, 10, 100, 120, 0, 0.5, false, 120"
                " from generate_series(1, :number)"
            ),
            {"now": now, "number": conformal.ENOUGH},
        )
    with engine.connect() as connection:
        before = line_forecasts.done_by(connection, "shop", now)
    make(engine, timedelta(seconds=1))
    with engine.connect() as connection:
        after = line_forecasts.done_by(connection, "shop", now + 2 * timedelta(seconds=1))
        assert line_forecasts.done_by(connection, "shop", now + 10 * MINUTE) is None
    assert before is not None
    assert after is not None
    assert (before.is_learnt, after.is_learnt, after.learnt_from) == (False, True, conformal.ENOUGH)
    last = rows(engine)[-1]
    assert last.latest == pytest.approx(last.mean + 2 * last.deviation)
    assert after.latest == after.at + timedelta(seconds=last.latest)


def test_arrivals_are_counted_once(engine: sa.Engine, shop: Recipe) -> None:
    """By the quarter of an hour and the SLA, those that came since the last count."""

    def counted(after: timedelta) -> list[tuple[float, int]]:
        """Count as at a moment so far from now; returns SLAs and jobs."""
        with engine.begin() as connection:
            snapshot = Snapshot(health.clock(connection) + after)
            line_forecasts.turn(connection, snapshot, UTC)
            sums = (
                "select sla, sum(jobs)::int from ops.arrivals where queue = 'shop' group by sla order by sla"
            )
            return [tuple(row) for row in connection.execute(sa.text(sums))]

    jobs = accept_orders(engine, shop, 5)
    with engine.begin() as connection:
        connection.execute(
            sa.text("update oms.jobs set sla = sla + interval '1 hour' where id >= :job"), {"job": jobs[3]}
        )
    assert counted(timedelta()) == []
    expected = [(1800.0, 3), (5400.0, 2)]
    assert [counted(3 * MINUTE), counted(6 * MINUTE), counted(9 * MINUTE)] == [expected] * 3


def test_the_watch_makes_no_forecasts_of_what_a_person_holds(engine: sa.Engine, shop: Recipe) -> None:
    """Nobody knows how long a pause takes; nor is anything said before the throughput is known."""
    accept_orders(engine, shop, 4)
    with engine.begin() as connection:
        now = health.clock(connection)
        queue = queue_of(connection, now)
        paused = QueueSnapshot("shop", 10.0, waiting=4, slots=2, forecast=queue.forecast, paused_at=now)
        unknown = QueueSnapshot("shop", 10.0, waiting=4, slots=2)
        assert [line_forecasts.make(connection, item, now, UTC) for item in (paused, unknown, queue)] == [
            0,
            0,
            4,
        ]


def test_a_turn_of_the_watch_settles(engine: sa.Engine, shop: Recipe) -> None:
    """What has passed its limit when it looks is missed then."""
    accept_orders(engine, shop, 1)
    make(engine, -timedelta(hours=1))
    Watch(engine.begin, Measure(engine, None), sender_is_local=True).turn()
    assert [row.missed for row in rows(engine)] == [True]


def test_the_watch_publishes_how_good_its_forecasts_were(engine: sa.Engine, shop: Recipe) -> None:
    """One limit of three was missed; the metrics of the queue say so with their number."""
    accept_orders(engine, shop, 3)
    make(engine, -timedelta(minutes=30))
    with engine.begin() as connection:
        connection.execute(
            sa.text("update ops.forecasts set ended = 1500, missed = id % 3 = 0, latest = 1600, mean = 1400")
        )
    watch = Watch(engine.begin, Measure(engine, None), sender_is_local=True)
    watch.turn()
    with engine.connect() as connection:
        values = {metric.name: metric.value for metric in metrics.newest(connection, "shop")}
    assert values["forecast.settled"] == 3
    assert values["forecast.latestKept"] == pytest.approx(2 / 3)


def test_the_watch_forecasts_what_it_measures(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """With a worker, a throughput and works that were measured a turn makes forecasts, and knows a chance."""
    accept_orders(engine, shop, 6)
    measured(engine, raw)
    measure = Measure(engine, None)
    measure._throughputs["shop"] = Throughput(service=60.0)
    watch = Watch(engine.begin, measure, sender_is_local=True)
    watch.turn()
    assert len(rows(engine)) == 5
    with engine.begin() as connection:
        [queue] = [item for item in measure.look(connection, True).queues if item.name == "shop"]
    assert queue.forecast is not None
    assert queue.forecast.late_chance is not None
    assert queue.forecast.late_chance < 0.5
