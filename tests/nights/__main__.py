"""`make nights`: as many nights as are asked for, each by its seed; what was wrong in one is told.

Each is played through the real watch, escalation, silences, merging, throttle and delivery, on a clock moved
by hand. The last line of standard output is one JSON object.
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
from tests.nights.night import Night
from tests.support import clusters

#: So many are played side by side.
PROCESSES = 2
#: How long a night is, in hours, and how often the watch looks, in seconds.
HOURS, EVERY = 6.0, 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the nights that are asked for; 1 if anything was wrong in one."""
    parser = argparse.ArgumentParser(prog="python -m tests.nights", description=__doc__)
    parser.add_argument("--nights", type=int, default=1000, help="how many seeds (1000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    asked = parser.parse_args(arguments)
    seeds = range(asked.first, asked.first + asked.nights)
    began, texts, wrong = time.monotonic(), 0, []
    with (
        tempfile.TemporaryDirectory(prefix="hms-nights-") as name,
        embedded.serving(Path(name) / "servers", broker=False, fast=True) as servers,
        ProcessPoolExecutor(PROCESSES) as pool,
    ):
        clusters.make_template(servers)
        play = partial(played, replace(servers, processes=()), Path(name))
        for seed, arrived, sentences in pool.map(play, seeds):
            texts += arrived
            if sentences:
                wrong.append(seed)
                print(f"seed {seed}:", *sentences, sep="\n  ", file=sys.stderr, flush=True)
    seconds = round(time.monotonic() - began, 1)
    print(json.dumps({"nights": len(seeds), "texts": texts, "wrong": wrong, "seconds": seconds}))
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
