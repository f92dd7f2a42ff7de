"""Accepting: 3,000 jobs into the ledger, on disk, against a loop that publishes 3,000 chains."""

from __future__ import annotations

import time

from benchmarks.results import Result
from benchmarks.rounds import interleaved, ratio, rounded
from benchmarks.sides import BareSide, ProductSide

JOBS = 3000
BAR = 20.0
#: One round takes two seconds, so there are three for each of the longer measurements.
ROUNDS_EACH = 3


def measure(bare_side: BareSide, product_side: ProductSide, rounds: int) -> list[Result]:
    """Jobs accepted per second, without anybody who works on them; a first round of each is not counted."""

    def publish() -> float:
        bare_side.clear()
        return JOBS / bare_side.publish(JOBS)

    def accept() -> float:
        product = product_side.product
        product.clear()
        started = time.perf_counter()
        product.accept(JOBS)
        return JOBS / (time.perf_counter() - started)

    publish()
    accept()
    figures = interleaved("accept", {"bare": publish, "product": accept}, ROUNDS_EACH * rounds)
    return [
        Result(
            "accept",
            f"accepting {JOBS:,} jobs durably, against chain.apply_async() in a loop",
            ratio(figures, "product", "bare"),
            "times",
            bar=BAR,
            detail={"jobsPerSecond": rounded(figures)},
        )
    ]
