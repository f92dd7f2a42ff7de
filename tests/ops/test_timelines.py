"""Mornings as input series: what the floor looks like over time, and exactly which texts come of it.

Each file under timelines/ is played through the real watch, outbox and delivery on PostgreSQL, with the
ledger's clock moved by hand; what arrives is read from the handset log. A text that is not expected fails.

A file is a script (tests/support/timelines.py) with what comes of it: `texts` are all texts, in order:
between which seconds, to whom, and the words. `incidents` is how the incidents stand at the end.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import sqlalchemy as sa

from hms_oms.database.connections import RawConnection
from hms_ops.incidents import actions
from tests.support.timelines import Timeline

FILES = sorted((Path(__file__).parent / "timelines").glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_timeline(path: Path, engine: sa.Engine, raw: RawConnection, tmp_path: Path) -> None:
    """The texts that arrive are those that the file expects, and no other."""
    script = tomllib.loads(path.read_text(encoding="utf-8"))
    timeline = Timeline(script, engine, raw, tmp_path / "handset.log")
    timeline.play()
    expected = timeline.script.get("texts", [])
    output = "\n".join(f"{second:6d} {who}: {text}" for second, who, text in timeline.arrived)
    assert [(who, text) for _, who, text in timeline.arrived] == [
        (text["to"], text["says"]) for text in expected
    ], output
    for (second, _, _), text in zip(timeline.arrived, expected, strict=True):
        earliest, latest = text["between"]
        assert earliest <= second <= latest, output
    with engine.connect() as connection:
        incidents = actions.find(connection, actions.STATES)
    request = timeline.script.get("incidents", [])
    assert len(incidents) == len(request), incidents
    for incident, parts in zip(reversed(incidents), request, strict=True):
        assert {name: getattr(incident, name) for name in parts} == parts
