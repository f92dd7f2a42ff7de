"""Metrics: named, published once, read back with their moment, and kept minute by minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from hms_oms.recipes.recipes import Recipe
from hms_ops.documents.reports import Metric
from hms_ops.forecast.snapshot import (
    Forecast,
    Hearing,
    HostSnapshot,
    QueueSnapshot,
    Snapshot,
    StepSeen,
    Waits,
)
from hms_ops.metrics import history as samples
from hms_ops.metrics import metrics
from hms_ops.metrics.catalogue import CATALOGUE

NOW = datetime(2026, 3, 2, 9, 0, 20, tzinfo=UTC)
SECOND = timedelta(seconds=1)
QUEUE = QueueSnapshot(
    name="shop",
    sla_minutes=30,
    waiting=7,
    queued=2,
    late=1,
    at_risk=3,
    oldest_waiting=NOW - 90 * SECOND,
    workers=2,
    slots=4,
    waits=Waits(12.5, 10.0, 30.0, 31.0, 40, "events"),
    finished=90,
    failed=10,
    forecast=Forecast(3, None, None, NOW + 60 * SECOND, 0.5, 6, trusted=True),
    left=30,
    steps=[StepSeen("pick", 20, 1.5, 1.0, 4.0)],
    ended_today=50,
    on_time_today=45,
)
SNAPSHOT = Snapshot(
    now=NOW,
    queues=[QUEUE],
    hosts=[HostSnapshot("h1", 55.0, 1024, 2)],
    workers=2,
    counted_at=NOW - 2 * SECOND,
    hearing=Hearing(120.0, 0.4, 0, 1),
)


def publish(engine: sa.Engine, snapshot: Snapshot) -> None:
    """Publish in a transaction of its own."""
    with engine.begin() as connection:
        metrics.publish(connection, snapshot)


def newest(engine: sa.Engine, queue: str | None = None) -> dict[tuple[str, str | None], Metric]:
    """The newest values by name and subject."""
    with engine.connect() as connection:
        return {(metric.name, metric.subject): metric for metric in metrics.newest(connection, queue)}


def keep(engine: sa.Engine, now: datetime, **options: int) -> bool:
    """Keep samples in a transaction of its own."""
    with engine.begin() as connection:
        return samples.keep(connection, now, **options)


def history(engine: sa.Engine, name: str, step: int = 60) -> Sequence[samples.Point]:
    """The history of a metric of the shop's queue over the day."""
    with engine.connect() as connection:
        return samples.history(
            connection, name, "shop", NOW - timedelta(days=1), NOW + timedelta(days=1), step
        )


def test_a_picture_speaks_in_the_names_of_the_catalogue() -> None:
    """Every metric of a full snapshot is in the catalogue, and every entry there is made."""
    assert {metric.name for metric in metrics.of(SNAPSHOT)} == set(CATALOGUE)
    for metric in metrics.of(SNAPSHOT):
        labels = CATALOGUE[metric.name].labels
        assert ("queue" in labels) == (metric.queue is not None)
        assert (len(labels) > ("queue" in labels)) == (metric.subject is not None)


def test_values_say_what_the_snapshot_says() -> None:
    """Names, values, sources and moments, one by one."""
    by_name = {(metric.name, metric.subject): metric for metric in metrics.of(SNAPSHOT)}
    values = {
        ("queue.length", "backlog"): 7,
        ("queue.length", "window"): 2,
        ("queue.oldestAge", None): 88,
        ("queue.waitTime", None): 12.5,
        ("queue.waitTime.p95", None): 30,
        ("queue.throughput", None): 0.1,
        ("step.time.p95", "pick"): 4,
        ("worker.successRate", None): 0.9,
        ("worker.online", None): 2,
        ("cpu.percent", "h1"): 55,
        ("sla.breached", None): 1,
        ("sla.atRisk", None): 3,
        ("sla.onTimeToday", None): 0.9,
        ("sla.onTimeDueToday", None): pytest.approx(45 / 51),
        ("sla.missedToday", None): 6,
        ("forecast.doneIn", None): 62,
        ("forecast.slotsNeeded", None): 6,
        ("ops.eventLag", None): 0.4,
    }
    assert {key: by_name[key].value for key in values} == values
    assert by_name["queue.waitTime", None].source == "events"
    assert by_name["queue.length", "backlog"].source == "ledger"
    assert by_name["worker.online", None].source == "presence"
    assert by_name["queue.length", "backlog"].at == NOW - 2 * SECOND
    assert by_name["sla.breached", None].at == NOW


def test_no_data_is_not_zero(engine: sa.Engine) -> None:
    """What is not known is None, in the snapshot, in the table and when it is read."""
    publish(engine, Snapshot(now=NOW, queues=[QueueSnapshot("shop", None)]))
    result = newest(engine)
    for name in ("queue.oldestAge", "queue.waitTime", "queue.throughput", "worker.successRate"):
        assert result[name, None].value is None
    assert result["sla.onTimeToday", None].value is None
    assert result["queue.length", "backlog"].value == 0


def test_the_newest_values_are_read_back(engine: sa.Engine) -> None:
    """All values, or those of one queue, with their moments; old ones say that they are stale."""
    publish(engine, SNAPSHOT)
    everything, shop = newest(engine), newest(engine, "shop")
    assert set(everything.values()) == set(metrics.of(SNAPSHOT))
    assert {metric.queue for metric in shop.values()} == {"shop"}
    breached = shop["sla.breached", None]
    assert not breached.stale(NOW + 15 * SECOND)
    assert breached.stale(NOW + 16 * SECOND)


@pytest.mark.parametrize(
    ("after", "late", "at"),
    [(-5, 9, 0), (0.5, 9, 0), (1, 9, 1), (4, 1, 0), (5, 1, 5)],
    ids=["older", "too soon", "changed", "unchanged", "renewed"],
)
def test_a_value_is_written_no_more_often_than_needed(
    engine: sa.Engine, after: float, late: int, at: float
) -> None:
    """A change is written once a second at most, the same value every five; the past changes nothing."""
    publish(engine, SNAPSHOT)
    queue = replace(QUEUE, late=late)
    publish(engine, replace(SNAPSHOT, now=NOW + after * SECOND, queues=[queue]))
    breached = newest(engine)["sla.breached", None]
    assert breached.at == NOW + at * SECOND
    assert breached.value == (late if at else 1)


def test_the_values_of_a_queue_are_of_one_look(engine: sa.Engine) -> None:
    """A job that has just become late is not counted among those that will be, whichever changed last."""
    looks = [(0.0, 1, 9), (1.1, 2, 9), (1.6, 5, 6), (2.2, 6, 5), (2.7, 11, 0), (3.3, 11, 0)]
    for after, late, at_risk in looks:
        queue = replace(QUEUE, late=late, at_risk=at_risk)
        publish(engine, replace(SNAPSHOT, now=NOW + after * SECOND, queues=[queue]))
        result = newest(engine)
        pair = (result["sla.breached", None].value, result["sla.atRisk", None].value)
        assert pair in [(late, at_risk) for _, late, at_risk in looks], after
    assert pair == (11, 0)


def test_a_minute_is_kept_once(engine: sa.Engine) -> None:
    """The first call of a minute writes it, further ones do not; stale and missing values leave a gap."""
    assert not keep(engine, NOW)
    publish(engine, SNAPSHOT)
    assert [keep(engine, NOW), keep(engine, NOW + 20 * SECOND)] == [True, False]
    assert not keep(engine, NOW + 60 * SECOND)
    queue = replace(QUEUE, oldest_waiting=None, late=3)
    publish(engine, replace(SNAPSHOT, now=NOW + 60 * SECOND, counted_at=None, queues=[queue]))
    assert keep(engine, NOW + 60 * SECOND)
    minute = NOW.replace(second=0)
    assert [(point.at, point.value) for point in history(engine, "sla.breached")] == [
        (minute, 1),
        (minute + timedelta(minutes=1), 3),
    ]
    [age] = history(engine, "queue.oldestAge")
    assert age.at == minute
    assert {point.subject for point in history(engine, "queue.length")} == {
        "backlog",
        "delayed",
        "window",
        "running",
        "held",
    }
    [hour] = history(engine, "sla.breached", 3600)
    assert (hour.at, hour.value, hour.least, hour.most) == (NOW.replace(minute=0, second=0), 2, 1, 3)


def test_old_samples_are_removed_bite_by_bite(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each minute removes a few of those that are too old, and what has long been gone from the newest."""
    monkeypatch.setattr(samples, "BITE", 3)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into ops.samples (at, name, value)"
                " select cast(:now as timestamptz) - n * interval '12 hours', 'x', 1"
                " from generate_series(1, 10) n"
            ),
            {"now": NOW},
        )
        connection.execute(
            sa.text("insert into ops.metrics (name, source, at) values ('gone', 'ledger', :at)"),
            {"at": NOW - timedelta(days=2)},
        )
    left = []
    for minute in range(4):
        now = NOW + timedelta(minutes=minute)
        publish(engine, replace(SNAPSHOT, now=now))
        assert keep(engine, now, days=1)
        with engine.connect() as connection:
            left.append(connection.scalar(sa.text("select count(*) from ops.samples where name = 'x'")))
    assert left == [7, 4, 1, 1]
    assert ("gone", None) not in newest(engine)


def test_the_history_is_of_what_the_shop_has(engine: sa.Engine, shop: Recipe) -> None:
    """A queue or a metric without samples has an empty history."""
    assert history(engine, "sla.breached") == []
