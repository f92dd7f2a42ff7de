"""docs/ops.md says what the watch does: its tables are made here, from the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from hms_ops import prometheus
from hms_ops.incidents import actions
from hms_ops.incidents.thresholds import COMMON
from hms_ops.metrics.catalogue import CATALOGUE
from hms_ops.oncall import oncall
from hms_ops.paging.throttle import LIMITS, MINUTE
from hms_ops.reports import misses
from hms_ops.rules import RULES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def document() -> str:
    """The whole document."""
    return (ROOT / "docs" / "ops.md").read_text(encoding="utf-8")


def part(document: str, name: str) -> str:
    """What stands between the two marks of a name."""
    return document.split(f"<!-- {name} -->\n")[1].split(f"<!-- /{name} -->")[0]


def metrics_table() -> str:
    """Each metric with its name in Prometheus, the labels there, its unit and what it means."""
    rows = [
        f"| `{name}` | `{prometheus.SERIES[name].family}` | {', '.join(prometheus.labels(name)) or '–'}"
        f" | {meaning.unit} | {meaning.meaning} |\n"
        for name, meaning in CATALOGUE.items()
    ]
    return "".join(["| metric | in Prometheus | labels | unit | meaning |\n|---|---|---|---|---|\n", *rows])


def rules_table() -> str:
    """Each rule with its title and its thresholds."""
    rows = [
        f"| `{rule.name}` | {rule.title} |"
        f" {', '.join(f'`{name}` {value:g}' for name, value in rule.defaults.items()) or '–'} |\n"
        for rule in RULES
    ]
    return "".join(["| rule | says | its thresholds |\n|---|---|---|\n", *rows])


def test_every_metric_is_in_the_table(document: str) -> None:
    """The table of metrics is the catalogue."""
    assert part(document, "metrics") == metrics_table()


def test_every_rule_is_in_the_table(document: str) -> None:
    """The table of rules is what the watch judges by, with the thresholds where nobody has set any."""
    assert part(document, "rules") == rules_table()


def test_the_common_thresholds_are_told(document: str) -> None:
    """What holds for every rule stands there with its default, and nothing else does."""
    output = re.findall(r"^\| `(\w+_(?:seconds|minutes|changes))` \| ([0-9.]+) \|", document, re.MULTILINE)
    assert {name: float(value) for name, value in output} == dict(COMMON)


def test_every_state_is_in_the_diagrams(document: str, engine: sa.Engine) -> None:
    """The diagrams have the states of incidents and of texts that the database allows, and no other."""
    incident, message = re.findall(r"```mermaid\n(.*?)```", document, re.DOTALL)
    assert _states(incident) == set(actions.STATES)
    with engine.connect() as connection:
        allowed = connection.scalar(
            sa.text(
                "select pg_get_constraintdef(oid) from pg_constraint where conname = 'messages_state_check'"
            )
        )
    assert _states(message) == set(re.findall(r"'(\w+)'", str(allowed)))


def test_the_throttle_is_told(document: str) -> None:
    """The limits of a phone are those of the code."""
    [text] = re.findall(r"A phone gets at most (.*?)\. What", " ".join(document.split()))
    assert [int(number) for number in re.findall(r"\d+", text)] == [most for _, most in LIMITS]
    assert [span / MINUTE for span, _ in LIMITS] == [1, 15, 60, 180]


def test_every_cause_is_told(document: str) -> None:
    """Each cause of a miss is explained."""
    assert [cause for cause in misses.Cause if f"\n| {cause} | " not in document] == []


def test_the_example_on_call_is_good() -> None:
    """The document that the page points to can be put in force."""
    oncall.parse((ROOT / "docs" / "on-call.toml").read_text(encoding="utf-8"))


def _states(diagram: str) -> set[str]:
    return {
        state for arrow in re.findall(r"(\S+) --> (\w+|\[\*\])", diagram) for state in arrow if state != "[*]"
    }
