"""The alert rules and the dashboard: every metric and label that they name is there, as promtool reads it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from hms_floor.api.transport.refused import OwnCounts
from hms_oms.broker import broker_state
from hms_oms.database.connections import RawConnection
from hms_ops import prometheus

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
#: Labels that no series of the catalogue has.
OTHER_LABELS = {"program", "rule", "state", "to", "metric", "status", "kind", "schedule", "version"}


def queries() -> Iterator[str]:
    """Each query of the rules and of the dashboard."""
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    dashboard = json.loads((DEPLOY / "grafana" / "hms.json").read_text(encoding="utf-8"))
    yield from (variable["query"] for variable in dashboard["templating"]["list"][1:])
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


def test_every_metric_of_rules_and_dashboard_is_exposed(engine: sa.Engine, raw: RawConnection) -> None:
    """A name that is misspelt, or that a release gives up, would be an alert that never comes."""
    broker_state.report(raw, None)
    with engine.begin() as connection:
        answer = prometheus.render(connection, OwnCounts({"page": 0})).decode()
    exposed = set(re.findall(r"^# HELP (\S+)", answer, re.MULTILINE))
    named = {name for query in queries() for name in re.findall(r"\bhms_\w+", query)}
    assert len(named) > 25
    assert named - exposed == set()


def test_every_label_of_rules_and_dashboard_is_one_of_ours() -> None:
    """What is selected and summed by is what the series are told apart by."""
    known = OTHER_LABELS.union(*(prometheus.labels(name) for name in prometheus.SERIES))
    named = {
        label
        for query in queries()
        for pair in re.findall(r"(\w+)\s*=~?\s*\"|\b(?:by|on) \((\w+)\)", query)
        for label in pair
        if label
    }
    assert named >= {"queue", "place"}
    assert named - known == set()


def test_every_alert_says_how_urgent_it_is_and_what_to_do() -> None:
    """A severity to route it by, a summary, and a description; no alert has the name of another."""
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]


def test_promtool_reads_the_rules() -> None:
    """Prometheus' own tool takes every query and template."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install --no-install-recommends prometheus")
    done = subprocess.run([promtool, "check", "rules", str(ALERTS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
