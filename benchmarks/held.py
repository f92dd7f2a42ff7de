"""A held horizon: jobs worked off while a transaction has been open for long, against a clean ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from benchmarks.processes import THREADS
from benchmarks.product import Product
from benchmarks.results import Result
from benchmarks.rounds import interleaved, ratio, rounded, say
from benchmarks.sides import RUN_SECONDS, WARM_UP
from hms_oms.database import connections

BAR = 0.9
#: So many jobs are done in half an hour at 500 a second.
JOBS_DONE = 900_000

_DONE = """
insert into oms.jobs (type, recipe_id, steps, queue, sla, sla_minutes, payload, requested_by)
select type, recipe_id, steps, queue, oms.now() + n * interval '1 millisecond', 30, payload, requested_by
from oms.jobs, generate_series(1, :jobs) as n
"""
#: As steps do, but many jobs at once: taken, claimed, and ended.
_LIFE = (
    "status = 'queued', dispatched_at = oms.now() where status = 'waiting'",
    "status = 'running', started_at = oms.now() where status = 'queued'",
    "status = 'done', finished_at = oms.now() where status = 'running'",
)


def measure(
    product: Product, database_url: str, rounds: int, jobs: int, done: int = JOBS_DONE
) -> list[Result]:
    """Jobs per second: with nothing held, and behind what was done under an open transaction."""

    def clean() -> float:
        product.clear()
        return _worked_off(product, jobs)

    def held() -> float:
        product.clear()
        with _open_transaction(database_url):
            _do_much(product, done)
            return _worked_off(product, jobs)

    figures = interleaved("held", {"clean": clean, "held": held}, rounds)
    product.clear()
    return [
        Result(
            "held",
            f"jobs of three no-op steps under a transaction held open while {done:,} were done, against none",
            ratio(figures, "held", "clean"),
            "times",
            bar=BAR,
            detail={"jobsPerSecond": rounded(figures)},
        )
    ]


def _worked_off(product: Product, jobs: int) -> float:
    before = product.last_job()
    with product.working(THREADS):
        product.accept(WARM_UP)
        product.await_done(RUN_SECONDS, after=before)
        with product.paused():
            product.accept(jobs)
            started = time.perf_counter()
        return jobs / (product.await_done(RUN_SECONDS, after=before) - started)


@contextmanager
def _open_transaction(database_url: str) -> Iterator[None]:
    """A transaction that has read the jobs and stays open for as long as the block lasts."""
    settings = {
        "default_transaction_isolation": "repeatable read",
        "idle_in_transaction_session_timeout": "0",
    }
    connection = connections.connect(database_url, "bench report", settings, autocommit=False)
    try:
        with connection.cursor() as cursor:
            cursor.execute("select count(*) from oms.jobs")
        yield
    finally:
        connection.close()


def _do_much(product: Product, jobs: int) -> None:
    """Put so many jobs through their lives: what they leave behind cannot be removed."""
    product.accept(1)
    with product.engine.begin() as connection:
        connection.execute(text(_DONE), {"jobs": jobs})
    for change in _LIFE:
        with product.engine.begin() as connection:
            connection.exec_driver_sql(f"update oms.jobs set since = oms.now(), {change}")
    say(f"held: {jobs:,} jobs done")
