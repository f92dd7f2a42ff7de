"""`make nights`: as many nights of each kind as are asked for, by their seeds; what was wrong is told.

A night of calls is played through the real watch, escalation, silences, merging, throttle and delivery, on a
clock moved by hand. The others are of what is pure: schedules, deadlines in office hours, plans, forecasts.
The last line of standard output is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from hms_floor.local import embedded
from hms_oms.database import connections
from tests.nights import deadlines, forecasts, plans, timetables
from tests.nights.night import Night
from tests.support import clusters

#: Nights of what is pure.
KINDS = {"timetables": timetables, "deadlines": deadlines, "plans": plans, "forecasts": forecasts}
#: So many are played side by side.
PROCESSES = 2
#: How long a night is, in hours, and how often the watch looks, in seconds.
HOURS, EVERY = 6.0, 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the nights that are asked for; 1 if anything was wrong in one."""
    parser = argparse.ArgumentParser(prog="python -m tests.nights", description=__doc__)
    parser.add_argument("--nights", type=int, default=1000, help="how many seeds of each kind (1000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    asked = parser.parse_args(arguments)
    seeds = range(asked.first, asked.first + asked.nights)
    began, texts, wrong = time.monotonic(), 0, []

    def tell(kind: str, seed: int, sentences: Sequence[str]) -> None:
        if sentences:
            wrong.append(f"{kind} {seed}")
            print(f"{kind}, seed {seed}:", *sentences, sep="\n  ", file=sys.stderr, flush=True)

    with (
        tempfile.TemporaryDirectory(prefix="hms-nights-") as name,
        embedded.serving(Path(name) / "servers", broker=False, fast=True) as servers,
        ProcessPoolExecutor(PROCESSES) as pool,
    ):
        for kind, module in KINDS.items():
            for seed, sentences in zip(seeds, pool.map(module.wrong, seeds), strict=True):
                tell(kind, seed, sentences)
        clusters.make_template(servers)
        play = partial(played, replace(servers, processes=()), Path(name))
        for seed, arrived, sentences in pool.map(play, seeds):
            texts += arrived
            tell("calls", seed, sentences)
    seconds = round(time.monotonic() - began, 1)
    kinds = ["calls", *KINDS]
    print(
        json.dumps({"nights": len(seeds), "kinds": kinds, "texts": texts, "wrong": wrong, "seconds": seconds})
    )
    return 1 if wrong else 0


def played(servers: embedded.Servers, folder: Path, seed: int) -> tuple[int, int, list[str]]:
    """Play the night of a seed in a database of its own: how many texts came, and what was wrong."""
    database = f"night_{seed}"
    clusters.admin(servers, f"create database {database} template {clusters.TEMPLATE} strategy file_copy")
    url = clusters.sibling(servers, database)
    engine, raw = connections.engine(url), connections.connect(url, "hms pager leader")
    log = folder / f"{database}.log"
    try:
        night = Night(seed, engine, raw, log, hours=HOURS, every=EVERY)
        night.play()
    finally:
        raw.close()
        engine.dispose()
        clusters.admin(servers, f"drop database {database} with (force)")
        log.unlink(missing_ok=True)
    return seed, len(night.arrived), night.wrong


if __name__ == "__main__":
    sys.exit(main())
