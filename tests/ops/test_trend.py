"""How a queue went while an incident lasted: bursts keep their shape, peaks their height."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from hms_ops.forecast.snapshot import QueueSnapshot, Snapshot
from hms_ops.incidents.impact import trend
from hms_ops.incidents.store import Incident
from hms_ops.metrics import moments
from hms_ops.metrics.moments import Moment

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def incident(since: datetime, until: datetime | None = None) -> Incident:
    """An incident of the shop."""
    empty = dict.fromkeys(Incident.__dataclass_fields__)
    return Incident(**{**empty, "queue": "shop", "active_at": since, "resolved_at": until})  # type: ignore[arg-type]


def test_a_burst_is_a_burst() -> None:
    """240 jobs in ten seconds are 1,440 a minute; in between nothing is open or done."""
    observed = [(0, 240, 0), (5, 120, 120), (10, 0, 240), (60, 30, 250), (65, 0, 280)]
    result = trend.drawn([Moment(NOW + at * SECOND, left, 0, done) for at, left, done in observed], 5.0)
    assert [((point.at - NOW).total_seconds(), point.open, point.done_per_minute) for point in result] == [
        (-5, None, None),
        (0, 240, None),
        (5, 120, 1440),
        (10, 0, 1440),
        (55, 0, 0),
        (60, 30, 120),
        (65, 0, 360),
    ]


def test_another_watch_counts_anew() -> None:
    """What it has not seen is a gap, and never less than nothing."""
    result = list(trend.drawn([Moment(NOW, 5, 0, 900), Moment(NOW + 5 * SECOND, 4, 0, 1)], 5.0))
    assert [point.done_per_minute for point in result] == [None, None, None]


def test_while_nobody_looked_nothing_is_known() -> None:
    """After a queue that was not empty a time without moments is a gap, not an empty queue."""
    result = list(trend.drawn([Moment(NOW, 5, 0, 9), Moment(NOW + 60 * SECOND, 4, 0, 12)], 5.0))
    assert [point.open for point in result] == [None, 5, None, 4]
    assert result[-1].done_per_minute == 3


def test_moments_are_kept_of_queues_at_work_for_a_day(engine: sa.Engine) -> None:
    """One that has emptied is kept once more, an idle one never; after a day they go."""
    open_now: set[str] = set()
    with engine.begin() as connection:
        for number, left in enumerate((7, 3, 0, 0)):
            queues = [
                QueueSnapshot("shop", 30.0, waiting=left, late=left, done=10 - left),
                QueueSnapshot("desk", 30.0),
            ]
            open_now = moments.keep(connection, Snapshot(NOW + 5 * number * SECOND, queues), open_now)
        since, until = NOW - SECOND, NOW + timedelta(hours=1)
        kept = moments.history(connection, "shop", since, until, 5.0)
        assert [(item.open, item.done) for item in kept] == [(7, 3), (3, 7), (0, 10)]
        assert [item.open for item in moments.history(connection, "shop", since, until, 7200)] == [7]
        assert moments.history(connection, "desk", since, until, 5.0) == []
        queues = [QueueSnapshot("desk", 30.0, waiting=1)]
        moments.keep(connection, Snapshot(NOW + timedelta(days=1, seconds=7), queues), set())
        assert len(moments.history(connection, "shop", since, until, 5.0)) == 1


def test_the_time_of_an_incident_is_drawn_finely_where_moments_are_kept(engine: sa.Engine) -> None:
    """Samples before, moments after; a long incident shows the most of each step, on so many points."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into ops.samples (at, name, queue, subject, value)"
            " select at, name, 'shop', subject, value from generate_series("
            "   timestamptz '2026-03-02 08:46Z', '2026-03-02 08:59Z', interval '1 minute') as at,"
            " (values ('queue.length', 'backlog', 40), ('queue.length', 'running', 2),"
            "  ('sla.breached', '', 3), ('queue.throughput.minute', '', 4)) as kept (name, subject, value)"
        )
        connection.exec_driver_sql(
            "insert into ops.moments (at, queue, open, late, done)"
            " select timestamptz '2026-03-02 09:00Z' + number * interval '5 seconds', 'shop',"
            "   case when number = 100 then 900 else 10 end, 1, number"
            " from generate_series(0, 1439) as number"
        )
        short = trend.of(connection, incident(NOW), NOW + timedelta(minutes=5))
        assert short[0] == trend.TrendPoint(NOW - timedelta(minutes=14), 42, 3, 240)
        fine = [point for point in short if point.at >= NOW]
        assert [point.at - NOW for point in fine] == [5 * number * SECOND for number in range(60)]
        assert {point.done_per_minute for point in fine[1:]} == {12}
        long = trend.of(connection, incident(NOW), NOW + timedelta(hours=2))
        assert len(long) <= trend.MOST + 20
        assert max(point.open or 0 for point in long) == 900
        assert trend.of(connection, incident(NOW + timedelta(days=9)), NOW + timedelta(days=9)) == []
