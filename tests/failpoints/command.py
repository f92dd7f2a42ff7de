"""The command: declare the points, try them, and say what came of it."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.failpoints import plan, results, running
from tests.failpoints.plan import Declared, Trial
from tests.failpoints.points import Point
from tests.failpoints.running import UPKEEP_PATHS, Verdict, Walker

#: So often a path is walked to see which points are always passed.
WALKS = 4
#: Seconds in which a program that has been started passes the points of its loops.
LOOPS_SECONDS = 12.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what is asked for; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.failpoints", description=__doc__)
    parser.add_argument("--slice", default="1/1", help="which part of the trials, such as 3/12 (1/1)")
    parser.add_argument("--pairs", action="store_true", help="pairs, not single faults")
    parser.add_argument("--seed", type=int, default=7, help="which slices, and the faults of pairs (7)")
    parser.add_argument("--lanes", type=int, default=20, help="how many walk side by side (20)")
    parser.add_argument("--only", default="", help="only trials that match this")
    parser.add_argument("--declare", nargs="*", metavar="NAME", help="find the points of these paths (all)")
    asked = parser.parse_args(arguments)
    with running.grounded(1 if asked.declare is not None else asked.lanes) as grounds:
        if asked.declare is not None:
            with grounds[0].lane(0) as lane:
                _declare(Walker(lane), asked.declare or [*running.PATHS, *UPKEEP_PATHS])
            return 0
        points = plan.declared()
        trials = plan.pairs(points, asked.seed) if asked.pairs else plan.singles(points, UPKEEP_PATHS)
        trials = [trial for trial in trials if re.search(asked.only, str(trial))]
        trials = plan.sliced(trials, asked.slice, asked.seed)
        began = time.monotonic()

        def tell(verdict: Verdict) -> None:
            nonlocal count
            count += 1
            if verdict.wrong:
                print(f"WRONG {verdict.trial}: {verdict.wrong}\n{verdict.log}", file=sys.stderr, flush=True)
            elif not verdict.struck:
                print(f"NOT REACHED {verdict.trial}", file=sys.stderr, flush=True)
            if count % 50 == 0:
                print(
                    f"{time.monotonic() - began:5.0f} s: {count} of {len(trials)}",
                    file=sys.stderr,
                    flush=True,
                )

        count = 0
        verdicts = running.run(grounds, trials, asked.lanes, tell)
    counted = document(trials, verdicts, time.monotonic() - began)
    undeclared = sorted(set().union(*(ground.undeclared for ground in grounds)))
    counted["undeclared"] = len(undeclared)
    for name in undeclared:
        print(f"NOT DECLARED {name}", file=sys.stderr)
    for name, number in counted.items():
        print(f"{name:>12} {number}", file=sys.stderr)
    kind = "pairs" if asked.pairs else "singles"
    if not asked.only:
        results.keep(kind, asked.slice, asked.seed, counted, undeclared, verdicts)
    print(json.dumps(counted), flush=True)
    return int(bool(undeclared) or any(verdict.wrong or not verdict.struck for verdict in verdicts))


def document(trials: Sequence[Trial], verdicts: Sequence[Verdict], seconds: float) -> dict[str, float]:
    """The counts of a run."""
    points = {fault.point for trial in trials for fault in trial.faults[:1]}
    unreached = {verdict.trial.faults[0].point for verdict in verdicts if not verdict.struck}
    wrong = Counter(kind for verdict in verdicts for kind in verdict.wrong)
    return {
        "points": len(points),
        "runs": len(verdicts),
        "reached": round(100 * (1 - len(unreached) / max(len(points), 1)), 1),
        "bothStruck": sum(verdict.struck > 1 for verdict in verdicts),
        **{kind: wrong[kind] for kind in ("lost", "twice", "illegal", "other", "died")},
        "slowest": round(max((verdict.seconds for verdict in verdicts), default=0.0), 1),
        "seconds": round(seconds, 1),
    }


def _declare(walker: Walker, names: Sequence[str]) -> None:
    before = plan.declared()
    paths = {
        name: _always(walker, name) if name in names else before.paths.get(name, []) for name in running.PATHS
    }
    upkeep = {program: before.upkeep.get(program, []) for program in UPKEEP_PATHS}
    for program in upkeep.keys() & set(names):
        passed = [
            point for _ in range(2) for point in walker.reached(UPKEEP_PATHS[program], program, LOOPS_SECONDS)
        ]
        upkeep[program] = [point for point in passed if point.program == program and point.count == 1]
    plan.write(plan.tidied(Declared(paths, upkeep)))


def _always(walker: Walker, name: str) -> list[Point]:
    """The points that a path always passes, and its programs never without it."""
    walks = [walker.reached(name, None, 0.3) for _ in range(WALKS)]
    walker.lane.script.arm()
    time.sleep(LOOPS_SECONDS / 2)
    walker.lane.script.disarm()
    idle = {(point.program, point.call, point.side) for point in walker.lane.script.reached()}
    given = {fault.point for fault in running.PATHS[name].given}
    return [
        point
        for point in walks[0]
        if all(point in walk for walk in walks)
        and (point.program, point.call, point.side) not in idle
        and point not in given
    ]
