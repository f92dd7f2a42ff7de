"""Bulk: a file of 100,000 requests accepted from its bytes to the disk, and a long queue handed to Redis."""

from __future__ import annotations

import io
import time
from datetime import date
from statistics import median

from benchmarks.processes import ROOT, poll_until
from benchmarks.product import Product
from benchmarks.results import Result
from benchmarks.rounds import say
from hms_act import cycle
from hms_oms.documents.cycles import Cycle
from hms_oms.recipes import hooks, recipes
from hms_oms.runtime import garbage

ACCEPT_BAR = 40_000.0
DISPATCH_BAR = 5_000.0
RECIPES = ROOT / "workers" / "recipes"
JOB_TYPE = "farm:grant:v1"
#: Jobs that are handed to Redis while nobody takes them from there.
QUEUED = 20_000


def measure(product: Product, rows: int, rounds: int) -> list[Result]:
    """Jobs accepted out of a file, and jobs dispatched, per second; a first round is not counted."""
    file = _file(rows)
    # As in the API, whose process accepts a file.
    garbage.freeze_loaded()
    accepted = [_accept(product, file) for _ in range(rounds + 1)][1:]
    dispatched = [_dispatch(product) for _ in range(rounds)]
    return [
        Result(
            "bulk-accept",
            f"accepting a file of {rows:,} farm grants durably: read, checked, in the ledger",
            median(accepted),
            "jobs/s",
            bar=ACCEPT_BAR,
            note=f"{len(file) / 1e6:.1f} MB",
            detail={"jobsPerSecond": [round(figure) for figure in accepted]},
        ),
        Result(
            "bulk-dispatch",
            f"{QUEUED:,} ready jobs handed to Redis, no workers",
            median(dispatched),
            "jobs/s",
            bar=DISPATCH_BAR,
            detail={"jobsPerSecond": [round(figure) for figure in dispatched]},
        ),
    ]


def _file(rows: int) -> bytes:
    _, write = hooks.sample(recipes.load_folder(RECIPES), JOB_TYPE)
    text = io.StringIO(newline="")
    write(text, rows, 1, date(2026, 11, 28))
    return text.getvalue().encode()


def _accept(product: Product, file: bytes) -> float:
    product.clear()
    recipe = recipes.load_folder(RECIPES)[JOB_TYPE]
    started = time.perf_counter()
    *_, closed = cycle.accept_file(
        product.engine, recipe, io.BytesIO(file), name="bulk.csv", requested_by="benchmark"
    )
    seconds = time.perf_counter() - started
    assert isinstance(closed, Cycle)
    say(f"bulk: {closed.accepted:,} jobs accepted in {seconds:.2f} s")
    return closed.accepted / seconds


def _dispatch(product: Product) -> float:
    product.clear()
    product.accept(QUEUED)
    with product.dispatching(), product.window(QUEUED):
        started = time.perf_counter()
        seconds = poll_until(lambda: product.in_redis() == QUEUED, "jobs are not in Redis") - started
    say(f"bulk: {QUEUED:,} jobs dispatched in {seconds:.2f} s")
    return QUEUED / seconds
