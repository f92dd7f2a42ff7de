"""Latency: from a request to its first step, where nobody else is waiting."""

from __future__ import annotations

import random
import time
from statistics import median, quantiles

from sqlalchemy import text

from benchmarks.processes import THREADS
from benchmarks.product import Product
from benchmarks.results import Result
from benchmarks.rounds import say

BAR = 50.0
#: Single jobs before the measured ones.
WARM_UP = 5
#: The pause between two jobs, in seconds, at random: in step with no loop of the product.
PAUSE_SECONDS = (0.05, 0.15)

_MILLISECONDS = text(
    "select 1000 * extract(epoch from claimed.at - accepted.at)::float8"
    " from oms.job_events as accepted join oms.job_events as claimed using (job_id)"
    " where accepted.fact = 'accepted' and claimed.fact = 'claimed' and claimed.step = 0"
    " and job_id = any(:jobs)"
)


def measure(product: Product, jobs: int) -> list[Result]:
    """Start single jobs one after another; the event log tells how long each waited for its first step."""
    product.clear()
    started: list[int] = []
    with product.working(THREADS):
        for _ in range(WARM_UP + jobs):
            started.append(product.start())
            product.await_done()
            time.sleep(random.uniform(*PAUSE_SECONDS))
        with product.engine.connect() as connection:
            waits = list(connection.scalars(_MILLISECONDS, {"jobs": started[WARM_UP:]}))
    say(f"latency: {jobs} single jobs")
    p95 = quantiles(waits, n=20)[-1]
    what = "from accepted to the first step claimed, on an idle system"
    return [
        Result("latency-p50", what, median(waits), "ms", bar=BAR, at_most=True, note=f"{jobs} single jobs"),
        Result("latency-p95", what, p95, "ms", at_most=True, note=f"slowest {max(waits):.1f} ms"),
    ]
