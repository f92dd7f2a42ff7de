"""Some of the fail-points, and that each statement is one; `make failpoints` tries them all."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hms_floor.local.embedded import Servers
from tests.failpoints import plan, results
from tests.failpoints.plan import DECLARED, Trial
from tests.failpoints.points import AFTER, BEFORE, Fault, Point
from tests.failpoints.running import UPKEEP_PATHS, Ground, Verdict, Walker
from tests.support.databases import Databases
from tests.support.programs import Program

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


def test_a_call_that_is_declared_nowhere_is_noticed() -> None:
    """What a program sends is a point, or is named with what it is for; anything else is undeclared."""
    calls = {"act: take", "worker: recorded", "ops: redis SREM", "act: drop_all", "act: redis SREM"}
    assert plan.undeclared(calls) == {"act: drop_all", "act: redis SREM"}


def test_slices_are_taken_together(tmp_path: Path) -> None:
    """The figures of all slices are added up; what was run again counts once."""
    fault = Fault(Point("act", "take", "before"), "killed")
    counted = {"lost": 1, "twice": 0, "illegal": 0, "other": 0, "died": 0, "seconds": 2.0}
    assert results.figures(tmp_path) is None
    for kind, part, struck in (
        ("singles", "1/1", 1),
        ("pairs", "1/2", 0),
        ("pairs", "2/2", 1),
        ("pairs", "2/2", 1),
    ):
        verdicts = [Verdict(Trial("order", (fault,)), struck)]
        results.keep(kind, part, 7, {**counted, "runs": 1}, [], verdicts, tmp_path)
    figures = results.figures(tmp_path)
    assert figures is not None
    names = ("singles", "pairs", "unreached", "lost", "seconds")
    assert [figures[name] for name in names] == [1, 2, 1, 3, 6.0]


def test_threads_know_how_their_programs_have_ended(tmp_path: Path) -> None:
    """The thread that holds a program learns how it has ended, though others start programs meanwhile."""

    def ends(_: int) -> list[int | None]:
        codes = []
        for _ in range(6):
            program = Program(["-c", "import time; time.sleep(60)"], os.environ, tmp_path / "log", tmp_path)
            program.kill()
            while program.poll() is None:
                continue
            codes.append(program.poll())
        return codes

    with ThreadPoolExecutor(4) as threads:
        codes = [code for ended in threads.map(ends, range(4)) for code in ended]
    assert codes == [-signal.SIGKILL] * 24
