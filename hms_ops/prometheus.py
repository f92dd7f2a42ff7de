"""Metrics for Prometheus: the newest under its names and units, heartbeats, incidents and unsent texts.

A value without data, or a stale one, is left out: absent is not zero. `hms_metric_age_seconds` tells how
old each is. Labels come from closed sets: queues, steps, places, hosts, rules, programs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Connection, text

from hms_oms.database import health
from hms_ops import health as judgement
from hms_ops import heartbeats
from hms_ops.documents.reports import Metric
from hms_ops.incidents import actions
from hms_ops.metrics import metrics, schedules
from hms_ops.metrics.catalogue import CATALOGUE
from hms_ops.rules import RULES

#: What the answer of `render` is, for the header; every Prometheus reads this version.
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

Family = GaugeMetricFamily | CounterMetricFamily


@dataclass(frozen=True, slots=True)
class Series:
    """How a metric is called in Prometheus: its family, and labels that tell it from others in the family.

    A value is divided by `per` to get the base unit. A family of several metrics has a `help` of its own.
    """

    family: str
    labels: Mapping[str, str] = field(default_factory=dict)
    per: float = 1.0
    help: str | None = None


def _percentile(family: str, of: str, percent: int) -> Series:
    return Series(family, {"percentile": str(percent)}, help=f"Percentiles of {of}, over five minutes")


_WAITS = "the waits of jobs begun in the last five minutes and of those still ready or queued"
_TIMES = "the time of a step from claim to report"

#: Every metric of the catalogue.
SERIES: Mapping[str, Series] = {
    "queue.length": Series("hms_queue_jobs"),
    "queue.givenUp": Series("hms_queue_given_up_jobs"),
    "queue.oldestAge": Series("hms_queue_oldest_age_seconds"),
    "queue.waitTime": Series("hms_queue_wait_seconds"),
    "queue.waitTime.p50": _percentile("hms_queue_wait_percentile_seconds", _WAITS, 50),
    "queue.waitTime.p95": _percentile("hms_queue_wait_percentile_seconds", _WAITS, 95),
    "queue.waitTime.p99": _percentile("hms_queue_wait_percentile_seconds", _WAITS, 99),
    "queue.throughput": Series("hms_queue_throughput_jobs_per_second"),
    "queue.throughput.now": Series("hms_queue_throughput_now_jobs_per_second"),
    "queue.throughput.minute": Series("hms_queue_throughput_minute_jobs_per_second"),
    "queue.done": Series("hms_queue_done_jobs_total"),
    "step.time": Series("hms_step_time_seconds"),
    "step.time.p50": _percentile("hms_step_time_percentile_seconds", _TIMES, 50),
    "step.time.p95": _percentile("hms_step_time_percentile_seconds", _TIMES, 95),
    "worker.successRate": Series("hms_worker_success_ratio"),
    "worker.online": Series("hms_queue_workers"),
    "floor.workers": Series("hms_workers"),
    "cpu.percent": Series("hms_host_cpu_ratio", per=100.0),
    "memory.bytes": Series("hms_host_workers_memory_bytes"),
    "sla.breached": Series("hms_sla_breached_jobs"),
    "sla.atRisk": Series("hms_sla_at_risk_jobs"),
    "sla.onTimeToday": Series("hms_sla_on_time_today_ratio"),
    "sla.onTimeDueToday": Series("hms_sla_on_time_due_today_ratio"),
    "sla.missedToday": Series("hms_sla_missed_today_jobs"),
    "forecast.doneIn": Series("hms_forecast_done_in_seconds"),
    "forecast.lateIn": Series("hms_forecast_late_in_seconds"),
    "forecast.dueIn": Series("hms_forecast_due_in_seconds"),
    "forecast.rate": Series("hms_forecast_rate_jobs_per_second"),
    "forecast.slotRate": Series("hms_forecast_slot_rate_jobs_per_second"),
    "forecast.slotsNeeded": Series("hms_forecast_slots_needed"),
    "forecast.limitNeeded": Series("hms_forecast_limit_needed_starts_per_minute"),
    "forecast.settled": Series("hms_forecast_settled"),
    "forecast.brier": Series("hms_forecast_brier_score"),
    "forecast.latestKept": Series("hms_forecast_latest_kept_ratio"),
    "forecast.warning": Series("hms_forecast_warning_seconds"),
    "forecast.cameToNothing": Series("hms_forecast_came_to_nothing_ratio"),
    "queue.slotsToHave": Series("hms_queue_slots_to_have"),
    "ops.events": Series("hms_ops_events_per_second"),
    "ops.eventLag": Series("hms_ops_event_lag_seconds"),
    "ops.dropped": Series("hms_ops_dropped_tickets_total"),
    "ops.malformed": Series("hms_ops_malformed_events_total"),
}
#: What a subject is called as a label, where that is not what the catalogue calls it.
_LABELS = {"state": "place"}


def render(connection: Connection, own: Collector | None = None) -> bytes:
    """The text that a scrape is answered with, as of now by the ledger's clock.

    `own` has what only the process that is asked knows.
    """
    return generate_latest(_Floor(connection)) + (generate_latest(own) if own is not None else b"")


def labels(name: str) -> Sequence[str]:
    """The labels of a metric, by its name in the catalogue."""
    return [*(_LABELS.get(label, label) for label in CATALOGUE[name].labels), *SERIES[name].labels]


class _Floor(Collector):
    """Reads the ledger at each scrape."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def collect(self) -> Iterator[Family]:
        """Every family, with what the ledger has of it."""
        # Another release may have left metrics of other names in the ledger.
        newest = [metric for metric in metrics.newest(self._connection) if metric.name in SERIES]
        now = health.clock(self._connection)
        yield from _measured(newest, now)
        yield _ages(newest, now)
        yield _beats(self._connection)
        yield from _health(self._connection)
        yield from schedules.families(self._connection, now)
        yield _incidents(self._connection)
        yield _unsent(self._connection)
        yield _build()


def _measured(metrics: Sequence[Metric], now: datetime) -> Iterator[Family]:
    families: dict[str, Family] = {}
    for name, series in SERIES.items():
        counts = series.family.endswith("_total")
        family = families.setdefault(
            series.family,
            (CounterMetricFamily if counts else GaugeMetricFamily)(
                series.family, series.help or CATALOGUE[name].meaning, labels=labels(name)
            ),
        )
        for metric in metrics:
            if metric.name == name and metric.value is not None and not metric.stale(now):
                # A metric has its queue and its subject where its labels begin with them.
                values = [value for value in (metric.queue, metric.subject) if value is not None]
                family.add_metric([*values, *series.labels.values()], metric.value / series.per)
    yield from families.values()


def _ages(metrics: Sequence[Metric], now: datetime) -> Family:
    family = GaugeMetricFamily(
        "hms_metric_age_seconds",
        "How old the newest value of a metric is; one that is stale is left out itself",
        labels=["metric"],
    )
    newest: dict[str, datetime] = {}
    for metric in metrics:
        series = SERIES[metric.name].family
        newest[series] = max(metric.at, newest.get(series, metric.at))
    for name, moment in newest.items():
        # One that was committed during this look may be of a moment after its beginning.
        family.add_metric([name], max(0.0, (now - moment).total_seconds()))
    return family


def _beats(connection: Connection) -> Family:
    family = GaugeMetricFamily(
        "hms_beat_age_seconds",
        f"How long ago a program of the watch was there; above {heartbeats.STALE_SECONDS:g} it stands still",
        labels=["program"],
    )
    for pulse in heartbeats.status(connection):
        if pulse.age_seconds is not None:
            family.add_metric([pulse.name], pulse.age_seconds)
    return family


def _health(connection: Connection) -> Iterator[Family]:
    """Health of the daemons, and whether a text would reach anybody."""
    ledger = judgement.read(connection)
    if ledger.broker is not None:
        yield GaugeMetricFamily(
            "hms_dispatcher_age_seconds", "How long ago the dispatcher was there", ledger.broker.age
        )
        refused = ledger.broker.refusal is not None
        yield GaugeMetricFamily(
            "hms_redis_refuses", "Whether Redis takes no writes, as the dispatcher has last reported", refused
        )
    yield GaugeMetricFamily(
        "hms_nobody_on_call", "Whether a text of now would reach nobody real", ledger.doubt is not None
    )
    yield GaugeMetricFamily(
        "hms_incidents_unreached",
        "Open incidents whose present call has reached nobody",
        sum(incident.unreached for incident in ledger.incidents),
    )


def _incidents(connection: Connection) -> Family:
    family = GaugeMetricFamily(
        "hms_incidents", "Incidents that are not over, by rule and state", labels=["rule", "state"]
    )
    rows = connection.execute(
        text(
            "select rule, state, count(*) as number from ops.incidents"
            " where state = any(cast(:live as text[])) group by rule, state"
        ),
        {"live": list(actions.LIVE)},
    )
    numbers = {(row.rule, row.state): row.number for row in rows}
    for rule in RULES:
        for state in actions.LIVE:
            family.add_metric([rule.name, state], numbers.get((rule.name, state), 0))
    return family


def _unsent(connection: Connection) -> Family:
    family = GaugeMetricFamily(
        "hms_unsent_texts",
        "Texts that no provider has accepted yet, to the people on call and to applicants",
        labels=["to"],
    )
    row = connection.execute(
        text(
            "select count(*) filter (where page) as pages, count(*) filter (where not page) as texts"
            # One after the other: each has an index, all three together have none.
            " from (select page from oms.messages where state = 'pending'"
            " union all select page from oms.messages where state = 'sending'"
            " union all select page from oms.messages where state = 'unknown') as unsent"
        )
    ).one()
    family.add_metric(["on-call"], row.pages)
    family.add_metric(["applicant"], row.texts)
    return family


def _build() -> Family:
    family = GaugeMetricFamily("hms_build_info", "The version that runs", labels=["version"])
    family.add_metric([version("hms-management-layer")], 1)
    return family
