"""Metrics: a snapshot as named numbers, the newest of each kept in the ledger; the writer of ops.metrics.

Each value says where it comes from (events, ledger or presence) and of when it is. A value that is None is
"no data", which is never zero. What is not renewed grows old where it stands: readers are given it with its
moment, and take it for stale after `STALE_SECONDS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from hms_oms.daemon.isolation import Apart
from hms_oms.jobs.on_time import Counts
from hms_ops.documents.reports import ForecastRecord, Metric
from hms_ops.forecast.snapshot import QueueSnapshot, Snapshot
from hms_ops.statements import statement
from hms_ops.stats.queue_stats import EVENTS, LEDGER
from hms_ops.stats.sliding_window import WINDOW_SECONDS

PRESENCE = "presence"

#: A value that has not changed is written again after this many seconds, so that it can be told from ...
RENEW_SECONDS = 5.0
#: The values of a queue are written no more often than this, in seconds.
LEAST_SECONDS = 1.0
#: What was not renewed for so long, in seconds, is not remembered.
FORGET_SECONDS = 86400.0


def of(snapshot: Snapshot, apart: Apart | None = None) -> list[Metric]:
    """The snapshot as metrics, without those of a queue that raises."""
    apart = apart or Apart()
    metrics: list[Metric] = []
    for queue in snapshot.queues:
        with apart.doing(f"measuring queue {queue.name}"):
            metrics += list(_of_queue(queue, snapshot))
    metrics.append(
        Metric("floor.workers", snapshot.workers, None, None, snapshot.now, PRESENCE),
    )
    for host in snapshot.hosts:
        metrics.append(Metric("cpu.percent", host.cpu_percent, None, host.name, snapshot.now, PRESENCE))
        metrics.append(Metric("memory.bytes", host.rss_bytes, None, host.name, snapshot.now, PRESENCE))
    if snapshot.hearing is not None:
        readings = {
            "ops.events": snapshot.hearing.events,
            "ops.eventLag": snapshot.hearing.lag,
            "ops.dropped": snapshot.hearing.dropped,
            "ops.malformed": snapshot.hearing.malformed,
        }
        metrics += [Metric(name, value, None, None, snapshot.now, EVENTS) for name, value in readings.items()]
    return metrics


def publish(connection: Connection, snapshot: Snapshot, apart: Apart | None = None) -> None:
    """Keep the newest values, those of a queue at most once a second; an older snapshot changes nothing.

    What is kept of a queue is of one look. If the ledger does not take all together, they are written one by
    one.
    """
    apart = apart or Apart()
    metrics, written = of(snapshot, apart), False
    with apart.doing("writing all metrics together"), connection.begin_nested():
        _write(connection, metrics, snapshot.now)
        written = True
    for metric in () if written else metrics:
        where = "".join(f" of {place}" for place in (metric.subject, metric.queue) if place)
        with apart.doing(f"writing {metric.name}{where}"), connection.begin_nested():
            _write(connection, [metric], snapshot.now, least=0.0)


def _write(
    connection: Connection, metrics: Sequence[Metric], now: datetime, *, least: float = LEAST_SECONDS
) -> None:
    connection.exec_driver_sql(
        statement("measure_publish"),
        {
            "names": [metric.name for metric in metrics],
            "queues": [metric.queue or "" for metric in metrics],
            "subjects": [metric.subject or "" for metric in metrics],
            "values": [metric.value for metric in metrics],
            "sources": [metric.source for metric in metrics],
            "moments": [metric.at for metric in metrics],
            "now": now,
            "least": least,
            "renew": RENEW_SECONDS,
        },
    )


def newest(connection: Connection, queue: str | None = None) -> list[Metric]:
    """The newest value of each metric, of one queue or of all and of the whole floor, stale ones too."""
    rows = connection.execute(
        text(
            "select name, value, nullif(queue, '') as queue, nullif(subject, '') as subject, at, source"
            " from ops.metrics where :queue is null or queue = :queue order by name, queue, subject"
        ),
        {"queue": queue},
    )
    return [Metric(**row) for row in rows.mappings()]


def forget(connection: Connection, now: datetime) -> None:
    """Remove values of what has been gone for long, as a host."""
    connection.execute(
        text("delete from ops.metrics where at < :before"),
        {"before": now - timedelta(seconds=FORGET_SECONDS)},
    )


def _of_queue(queue: QueueSnapshot, snapshot: Snapshot) -> Iterator[Metric]:
    counted = snapshot.counted_at or snapshot.now
    for name, value in _counted(queue, counted).items():
        yield Metric(name, value, queue.name, None, counted, LEDGER)
    lengths = {
        "backlog": queue.waiting,
        "delayed": queue.delayed,
        "window": queue.queued,
        "running": queue.running,
        "held": queue.held_jobs,
    }
    for state, length in lengths.items():
        yield Metric("queue.length", length, queue.name, state, counted, LEDGER)
    yield Metric("queue.givenUp", queue.given_up, queue.name, None, counted, LEDGER)
    yield Metric("sla.breached", queue.late, queue.name, None, snapshot.now, LEDGER)
    yield Metric("sla.atRisk", queue.at_risk, queue.name, None, snapshot.now, LEDGER)
    # How many agents there are, nobody knows.
    online = None if queue.agent_only and not queue.workers else queue.workers
    yield Metric("worker.online", online, queue.name, None, snapshot.now, PRESENCE)
    source = LEDGER if queue.waits is None else queue.waits.source
    for name, value in _windowed(queue).items():
        yield Metric(name, value, queue.name, None, snapshot.now, source)
    for step in queue.steps:
        times = {"step.time": step.mean, "step.time.p50": step.p50, "step.time.p95": step.p95}
        for name, value in times.items():
            yield Metric(name, value, queue.name, step.name, snapshot.now, source)


def _counted(queue: QueueSnapshot, now: datetime) -> Mapping[str, float | None]:
    """Metrics from the counts of open jobs and of those that ended today."""
    oldest, ahead = queue.oldest_waiting, queue.forecast
    done_at = None if ahead is None else ahead.done_at
    first_late = None if ahead is None else ahead.first_late
    today = _today(queue)
    due = None if ahead is None else ahead.deadline
    return {
        "queue.oldestAge": None if oldest is None else (now - oldest).total_seconds(),
        "forecast.doneIn": None if done_at is None else (done_at - now).total_seconds(),
        "forecast.lateIn": None if first_late is None else (first_late - now).total_seconds(),
        "forecast.dueIn": None if due is None else (due - now).total_seconds(),
        "forecast.rate": None if ahead is None else ahead.rate,
        "forecast.slotRate": None if ahead is None else ahead.slot_rate,
        "forecast.slotsNeeded": None if ahead is None else ahead.slots_needed,
        "forecast.limitNeeded": None if ahead is None else ahead.limit_needed,
        **_record(queue.record),
        "queue.slotsToHave": queue.slots_to_have,
        "sla.onTimeToday": None if today is None else today.share_of_ended,
        "sla.onTimeDueToday": None if today is None else today.share_of_due,
        "sla.missedToday": None if today is None else today.missed,
    }


def _record(record: ForecastRecord | None) -> Mapping[str, float | None]:
    """Metrics of how good the forecasts of a queue were."""
    record = record or ForecastRecord()
    return {
        "forecast.settled": record.forecasts or None,
        "forecast.brier": record.brier,
        "forecast.latestKept": record.kept,
        "forecast.warning": record.warning_seconds,
        "forecast.cameToNothing": record.came_to_nothing / record.alarms if record.alarms else None,
    }


def _today(queue: QueueSnapshot) -> Counts | None:
    ended, on_time = queue.ended_today, queue.on_time_today
    if ended is None or on_time is None:
        return None
    return Counts(on_time, ended - on_time, open_late=queue.late)


def _windowed(queue: QueueSnapshot) -> Mapping[str, float | None]:
    """Metrics over the last five minutes."""
    waits = queue.waits
    steps = (queue.finished or 0) + (queue.failed or 0)
    return {
        "queue.waitTime": None if waits is None else waits.mean,
        "queue.waitTime.p50": None if waits is None else waits.p50,
        "queue.waitTime.p95": None if waits is None else waits.p95,
        "queue.waitTime.p99": None if waits is None else waits.p99,
        "queue.throughput": None if queue.left is None else queue.left / WINDOW_SECONDS,
        "queue.throughput.now": queue.rate_now,
        "queue.throughput.minute": None if queue.left_last_minute is None else queue.left_last_minute / 60,
        "queue.done": queue.done,
        "worker.successRate": (queue.finished or 0) / steps if steps else None,
    }
