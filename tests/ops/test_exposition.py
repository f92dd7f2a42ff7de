"""What Prometheus is given: parsed by its own parser, and linted by promtool where there is one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from hms_oms.broker import broker_state
from hms_oms.database import health
from hms_oms.database.connections import RawConnection
from hms_oms.database.refusals import Refusal
from hms_oms.recipes.recipes import Recipe
from hms_ops import heartbeats, prometheus
from hms_ops.documents.reports import STALE_SECONDS
from hms_ops.forecast.snapshot import (
    Forecast,
    Hearing,
    HostSnapshot,
    QueueSnapshot,
    Snapshot,
    StepSeen,
    Waits,
)
from hms_ops.metrics import catalogue, metrics
from hms_ops.rules import RULES

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def floor(engine: sa.Engine, shop: Recipe) -> sa.Engine:
    """A floor with one look published, one beat, two incidents, and texts in the outbox."""
    with engine.begin() as connection:
        now = health.clock(connection)
        steps = [StepSeen("pick", 9, 1.5, 1.0, 4.0)]
        busy = QueueSnapshot(
            "shop",
            30.0,
            waiting=7,
            delayed=1,
            queued=2,
            running=3,
            late=4,
            at_risk=5,
            oldest_waiting=now - timedelta(seconds=90),
            workers=2,
            waits=Waits(12.5, 10.0, 30.0, 40.0, 60, "events"),
            finished=95,
            failed=5,
            left=60,
            steps=steps,
            forecast=Forecast(5, now, now, now + timedelta(seconds=600), 0.2, 3),
            ended_today=10,
            on_time_today=9,
        )
        hosts = [HostSnapshot('rack "7"\\a', 42.0, 1_000_000, 2)]
        metrics.publish(
            connection,
            Snapshot(
                now,
                [busy, QueueSnapshot("returns", None)],
                hosts,
                workers=2,
                hearing=Hearing(12.0, 0.3, 1, 2),
                counted_at=now,
            ),
        )
        heartbeats.beat(connection, "ops", {})
        connection.exec_driver_sql(
            "insert into ops.incidents (rule, queue, state, active_at, last_true_at) values"
            " ('late', 'shop', 'open', oms.now(), oms.now()),"
            " ('outbox', null, 'pending', oms.now(), oms.now()),"
            " ('slow', null, 'acknowledged', oms.now(), oms.now())"
        )
        connection.exec_driver_sql(
            "insert into oms.messages (token, page, kind, recipient, body) values"
            " ('a', true, 'page', '+12025550143', 'Ada, jobs are late'),"
            " ('b', false, 'notify', '+12025550199', 'Dear Grace')"
        )
    return engine


def scrape(engine: sa.Engine) -> bytes:
    """What is answered to a scrape."""
    with engine.begin() as connection:
        return prometheus.render(connection)


def samples(answer: bytes) -> Samples:
    """Every sample of an answer."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.decode())
        for sample in family.samples
    }


def named(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """The key of a sample."""
    return name, frozenset(labels.items())


def test_every_metric_of_the_catalogue_has_its_place() -> None:
    """Each metric has one series of its own, and the families that several share have a help of their own."""
    assert list(prometheus.SERIES) == list(catalogue.CATALOGUE)
    places = [(series.family, *series.labels.items()) for series in prometheus.SERIES.values()]
    assert len(set(places)) == len(places)
    families = [series.family for series in prometheus.SERIES.values()]
    for series in prometheus.SERIES.values():
        assert (families.count(series.family) > 1) == (series.help is not None)


def test_what_was_measured_is_there_in_base_units(floor: sa.Engine) -> None:
    """Values come out under their names, with their labels, in seconds, bytes and ratios."""
    result = samples(scrape(floor))
    expected = {
        named("hms_queue_jobs", queue="shop", place="backlog"): 7,
        named("hms_queue_jobs", queue="shop", place="window"): 2,
        named("hms_queue_jobs", queue="returns", place="running"): 0,
        named("hms_queue_oldest_age_seconds", queue="shop"): 90,
        named("hms_queue_wait_seconds", queue="shop"): 12.5,
        named("hms_queue_wait_percentile_seconds", queue="shop", percentile="95"): 30,
        named("hms_queue_throughput_jobs_per_second", queue="shop"): 0.2,
        named("hms_step_time_seconds", queue="shop", step="pick"): 1.5,
        named("hms_step_time_percentile_seconds", queue="shop", step="pick", percentile="50"): 1.0,
        named("hms_worker_success_ratio", queue="shop"): 0.95,
        named("hms_queue_workers", queue="shop"): 2,
        named("hms_workers"): 2,
        named("hms_host_cpu_ratio", host='rack "7"\\a'): 0.42,
        named("hms_host_workers_memory_bytes", host='rack "7"\\a'): 1_000_000,
        named("hms_sla_on_time_today_ratio", queue="shop"): 0.9,
        named("hms_forecast_done_in_seconds", queue="shop"): 600,
        named("hms_ops_dropped_tickets_total"): 1,
        named("hms_incidents", rule="late", state="open"): 1,
        named("hms_incidents", rule="late", state="acknowledged"): 0,
        named("hms_incidents", rule="slow", state="acknowledged"): 1,
        named("hms_unsent_texts", to="on-call"): 1,
        named("hms_unsent_texts", to="applicant"): 1,
    }
    assert {key: result.get(key) for key in expected} == expected
    assert {dict(labels)["rule"] for name, labels in result if name == "hms_incidents"} == {
        rule.name for rule in RULES
    }


def test_no_data_is_absent(floor: sa.Engine) -> None:
    """A queue in which nothing began has no wait, no success rate and no forecast: not zero, but none."""
    of_returns = {name for name, labels in samples(scrape(floor)) if ("queue", "returns") in labels}
    assert of_returns == {
        "hms_queue_given_up_jobs",
        "hms_queue_jobs",
        "hms_queue_workers",
        "hms_sla_breached_jobs",
    }


def test_what_is_stale_is_absent_and_its_age_is_told(
    floor: sa.Engine, forward: Callable[[timedelta], None]
) -> None:
    """When the watch has stopped its values go, and their ages and the beat's grow; counts are still made."""
    forward(timedelta(seconds=STALE_SECONDS + 1))
    result = samples(scrape(floor))
    assert {name for name, _ in result} == {
        "hms_metric_age_seconds",
        "hms_beat_age_seconds",
        "hms_nobody_on_call",
        "hms_incidents_unreached",
        "hms_incidents",
        "hms_unsent_texts",
        "hms_build_info",
    }
    assert result[named("hms_metric_age_seconds", metric="hms_queue_wait_seconds")] > STALE_SECONDS
    assert result[named("hms_beat_age_seconds", program="ops")] > heartbeats.STALE_SECONDS
    assert named("hms_beat_age_seconds", program="pager") not in result


def test_an_empty_ledger_can_be_scraped(engine: sa.Engine) -> None:
    """Before anything was measured there are no values and no beats, but a whole answer."""
    result = samples(scrape(engine))
    assert {name for name, _ in result} == {
        *(
            "hms_incidents",
            "hms_incidents_unreached",
            "hms_nobody_on_call",
            "hms_unsent_texts",
            "hms_build_info",
        )
    }
    assert result[named("hms_nobody_on_call")] == 1


def test_a_refusal_of_redis_is_measured(engine: sa.Engine, raw: RawConnection) -> None:
    """As the dispatcher reports it, with how long ago it did so."""
    broker_state.report(raw, Refusal("out-of-memory", "is out of memory"))
    result = samples(scrape(engine))
    assert result[named("hms_redis_refuses")] == 1
    assert result[named("hms_dispatcher_age_seconds")] < 60
    broker_state.report(raw, None)
    assert samples(scrape(engine))[named("hms_redis_refuses")] == 0


def test_metrics_of_another_release_are_passed_by(engine: sa.Engine) -> None:
    """A name that this release does not know is left out, and does no harm."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into ops.metrics (name, value, source, at) values ('queue.mood', 1, 'ledger', oms.now())"
        )
    assert b"mood" not in scrape(engine)


def test_labels_are_from_closed_sets(floor: sa.Engine) -> None:
    """No label is of another kind than these, and neither phones nor words of texts or payloads get out."""
    answer = scrape(floor)
    assert {label for _, labels in samples(answer) for label, _ in labels} == {
        "queue", "place", "step", "host", "percentile", "metric", "program", "rule", "state", "to", "version",
    }  # fmt: skip
    assert not any(word in answer for word in (b"2025550", b"Ada", b"Grace"))


def test_promtool_finds_nothing_to_complain_about(floor: sa.Engine) -> None:
    """Prometheus' own linter accepts names, units, types and help texts."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install --no-install-recommends prometheus")
    checked = subprocess.run([promtool, "check", "metrics"], input=scrape(floor), capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
