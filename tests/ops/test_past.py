"""The past of a queue by steps of time: hours that were added up say what their minutes do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from hms_ops.metrics.past import hours, steps
from hms_ops.metrics.past.steps import Value

#: Not at the start of an hour: the hour that lasts is read by its minutes.
NOW = datetime(2026, 3, 2, 9, 25, tzinfo=UTC)
DAY = timedelta(days=1)
_SAMPLES = """
insert into ops.samples (at, name, queue, subject, value)
select at, name, queue, subject, (hashtext(concat(at, name, queue, subject)) & 1023) / 8.0
from
    generate_series(timestamptz '2026-02-28 22:10Z', '2026-03-02 09:24Z', interval '1 minute') as at,
    (values
        ('queue.length', 'shop', 'backlog'), ('queue.length', 'shop', 'running'),
        ('queue.length', 'shop', 'held'), ('queue.length', 'desk', 'backlog'),
        ('queue.waitTime', 'shop', ''), ('queue.throughput.minute', 'shop', ''), ('floor.workers', '', '')
    ) as kept (name, queue, subject)
-- The watch was away for an hour and a half.
where at not between timestamptz '2026-03-01 12:15Z' and timestamptz '2026-03-01 13:44Z'
"""


def read(connection: sa.Connection, step: int) -> dict[datetime, Mapping[tuple[str, str], Value]]:
    """The last day and a half of the shop by steps of so many seconds."""
    since = steps.start_of(NOW - 1.5 * DAY, 7200)
    return dict(steps.read(connection, "shop", since, NOW, step))


def by_hand(minutes: Mapping[datetime, Mapping[tuple[str, str], Value]], step: int) -> dict[datetime, object]:
    """The same by steps of so many seconds, added up from its minutes here."""
    numbers_of: dict[datetime, dict[tuple[str, str], list[float]]] = {}
    for at, values in minutes.items():
        for metric, value in values.items():
            numbers_of.setdefault(steps.start_of(at, step), {}).setdefault(metric, []).append(value.mean)
    return {
        at: {
            metric: Value(pytest.approx(sum(numbers) / len(numbers)), min(numbers), max(numbers))  # type: ignore[arg-type]
            for metric, numbers in values.items()
        }
        for at, values in numbers_of.items()
    }


@pytest.mark.parametrize("step", [300, 7200, 21600])
def test_steps_say_what_their_minutes_do(engine: sa.Engine, step: int) -> None:
    """The mean, the least and the most of each metric, before and after its hours were added up."""
    with engine.begin() as connection:
        connection.exec_driver_sql(_SAMPLES)
        minutes = read(connection, 60)
        assert len(minutes) == 2025
        right = by_hand(minutes, step)
        assert read(connection, step) == right
        for _ in range(8):
            hours.keep(connection, NOW, 90)
        counted = sa.text("select count(*) from ops.sample_hours where queue = 'shop' and subject = ''")
        # Open jobs, waits and throughput, of each hour that is over and had a sample.
        assert connection.scalar(counted) == 3 * 35
        if step >= 3600:
            connection.exec_driver_sql("delete from ops.samples where at < '2026-03-02 09:00Z'")
        assert read(connection, step) == right


def test_hours_are_added_up_once_and_removed_in_time(engine: sa.Engine) -> None:
    """A watch that was away goes on where it ended; what is as old as samples may be goes with them."""
    count = sa.text("select count(*), min(at), max(at) from ops.sample_hours where name = 'floor.workers'")
    with engine.begin() as connection:
        connection.exec_driver_sql(_SAMPLES)
        hours.keep(connection, NOW, 90)
        first = datetime(2026, 2, 28, 22, tzinfo=UTC)
        assert connection.execute(count).one() == (6, first, first + timedelta(hours=5))
        for _ in range(9):
            hours.keep(connection, NOW, 90)
        assert connection.execute(count).one() == (35, first, NOW.replace(hour=8, minute=0))
        total = connection.scalar(sa.text("select sum(total) from ops.sample_hours"))
        hours.keep(connection, NOW, 90)
        assert connection.scalar(sa.text("select sum(total) from ops.sample_hours")) == total
        hours.keep(connection, NOW, 1)
        kept = connection.execute(count).one()
        assert kept == (23, NOW.replace(day=1, hour=10, minute=0), NOW.replace(hour=8, minute=0))


def test_a_queue_without_samples_has_no_past(engine: sa.Engine) -> None:
    """No step at all, whether by minutes or by hours."""
    with engine.begin() as connection:
        assert [list(read(connection, step)) for step in (60, 3600)] == [[], []]
