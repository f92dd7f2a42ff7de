"""Some of the fail-points, and that each statement is one; `make failpoints` tries them all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hms_floor.local.embedded import Servers
from tests.failpoints import plan
from tests.failpoints.plan import DECLARED, Trial
from tests.failpoints.points import AFTER, BEFORE, Fault, Point
from tests.failpoints.running import UPKEEP_PATHS, Ground, Walker
from tests.support.databases import Databases

ROOT = Path(__file__).parents[2]
#: What strikes here: where the answer of a commit or of a call is all that is lost.
STRIKES = [
    ("order", "floor", "commit of accept._accept", "after", "lost"),
    ("order", "floor", "commit of accept._accept", "before", "reset"),
    ("order", "act", "redis LPUSH", "after", "lost"),
    ("order", "worker", "fail", "before", "reset"),
    ("order", "worker", "fail", "after", "lost"),
    ("order", "worker", "complete", "after", "lost"),
    ("order", "worker", "steps._work: insert public.effects", "after", "lost"),
    ("order", "worker", "commit of ledger_session.complete_with_effects", "before", "reset"),
    ("order", "worker", "commit of ledger_session.complete_with_effects", "after", "killed"),
    ("page", "ops", "POST Messages.json", "after", "lost"),
    ("page", "ops", "answered", "before", "reset"),
    ("page", "ops", "answered", "after", "lost"),
]


@pytest.fixture(scope="module")
def walker(
    servers: Servers, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Walker]:
    """A lane for all trials."""
    assert servers.broker_url is not None
    with Ground(tmp_path_factory.mktemp("points"), servers.broker_url, databases).lane(1) as lane:
        yield Walker(lane)


@pytest.mark.parametrize(("path", "program", "call", "side", "kind"), STRIKES)
def test_nothing_is_lost_or_done_twice(
    walker: Walker, path: str, program: str, call: str, side: str, kind: str
) -> None:
    """Whatever strikes, the job or the page comes to the end that it has if nothing does."""
    verdict = walker.tried(Trial(path, (Fault(Point(program, call, side), kind),)))
    assert (verdict.wrong, verdict.struck) == ({}, 1)


def test_what_strikes_here_is_declared() -> None:
    """The points of these tests are those of points.toml, with kinds of faults that there are."""
    known = {
        (trial.path, *(str(fault) for fault in trial.faults))
        for trial in plan.singles(plan.declared(), UPKEEP_PATHS)
    }
    assert [
        strike for strike in STRIKES if (strike[0], str(Fault(Point(*strike[1:4]), strike[4]))) not in known
    ] == []


def test_each_statement_is_a_point() -> None:
    """Each statement in a file is passed on a path or in a loop, or is named with what it is for instead."""
    calls = {point.call for points in plan.places() for point in points}
    elsewhere = plan.elsewhere()
    statements = {
        path.stem
        for package in ("hms_oms", "hms_act", "hms_ops", "workers")
        for path in (ROOT / package).rglob("*.sql")
        if "migrations" not in path.parts
    }
    assert statements - calls - elsewhere == set(), f"not in {DECLARED.name}"
    assert elsewhere & calls == set()
    assert elsewhere - statements == set()


def test_points_are_read_as_they_are_written() -> None:
    """Points with one side or both, passed once or more often, are the same after writing and reading."""
    points = [
        Point("act", "take", "before"),
        Point("act", "take", "after"),
        Point("worker", "redis BLMPOP", "after", 2),
        Point("ops", "watch.turn: fence", "before", 3),
    ]
    assert list(plan._points(plan.written(points))) == points


def test_each_side_has_its_kinds() -> None:
    """A point before a call has other faults than one after it."""
    kinds = {
        (fault.point.side, fault.kind)
        for trial in plan.singles(plan.declared(), UPKEEP_PATHS)
        for fault in trial.faults
    }
    assert kinds == {("before", kind) for kind in BEFORE} | {("after", kind) for kind in AFTER}
