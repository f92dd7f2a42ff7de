"""A ledger of many years: how long what is hot and what people ask takes there; how fast jobs are done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from sqlalchemy import Engine, text

from benchmarks.processes import THREADS, poll_until
from benchmarks.product import Product
from benchmarks.results import Result
from benchmarks.rounds import say
from benchmarks.sides import RUN_SECONDS, WARM_UP
from hms_floor.local import embedded
from hms_floor.presentation import overview
from hms_oms.database import connections
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, ledger
from hms_oms.jobs.queries import read
from hms_oms.queues import dispatch_windows
from hms_oms.recipes import registry
from hms_oms.recipes.recipes import Recipe

FINISHED, WAITING, TRIES = 10_000_000, 1_000_000, 30
#: What is asked, and how many milliseconds it may take.
BARS: Mapping[str, float] = {
    "take": 10,
    "windows": 10,
    "peek": 10,
    "promote": 50,
    "job": 10,
    "search": 50,
    "failed": 50,
    "floor": 50,
}
#: So many rows are written in one transaction.
BITE = 500_000
#: Of the throughput of a new ledger.
THROUGHPUT_BAR = 0.9
#: Jobs that a new ledger has to do, more than can be done, and the seconds over which those done are counted.
CLEAN_JOBS, SECONDS = 30_000, 10.0

_JOBS = """
insert into oms.jobs (type, recipe_id, steps, queue, status, sla, due, sla_minutes, payload, results,
    requested_by, key, created_at, since, dispatched_at, started_at, finished_at, outcome, error)
select :type, :recipe, '{one,two,three}', 'bench', state.status, begun.due, begun.due, 60,
    jsonb_build_object('job', n), '{"one": {}, "two": {}, "three": {}}', 'bench', 'key-' || n,
    begun.at, begun.at, ended, ended, ended, case when state.status = 'done' then 'assigned' end,
    case when state.status = 'failed' then '{}'::jsonb end
from generate_series(cast(:first as bigint), :last) as n,
    lateral (select oms.now() - interval '1 minute' + (n - :finished) * interval '5 seconds') as moment (at),
    lateral (select at, at + interval '1 hour' as due) as begun,
    lateral (
        select
            case when n <= :finished then begun.at end as ended,
            case when n > :finished then 'waiting' when mod(n, 1000) = 0 then 'failed' else 'done' end
                as status
    ) as state
"""


def measure(folder: Path, finished: int = FINISHED, waiting: int = WAITING) -> list[Result]:
    """The median of each question, asked of finished and waiting jobs that are there already."""
    with embedded.serving(folder / "aged") as servers:
        assert servers.database_url is not None
        assert servers.broker_url is not None
        product = Product(folder / "aged", servers.database_url, servers.broker_url)
        engine, recipe = product.engine, product.recipe
        product.accept(CLEAN_JOBS)
        clean = _done_per_second(product)
        product.clear()
        seconds = _fill(engine, recipe, finished, waiting)
        size = f"{finished:,} finished and {waiting:,} waiting jobs"
        say(f"aged: {size} written in {seconds:.0f} s")
        raw = connections.connect(servers.database_url, "bench")
        asked = _questions(engine, raw, recipe, finished, waiting)
        spent = {name: median(_timed(ask, TRIES)) for name, ask in asked.items()}
        raw.close()
        aged = _done_per_second(product)
        engine.dispose()
    return [
        Result(
            "aged-throughput",
            f"jobs of three no-op steps done among {size}, of those in a new ledger",
            aged / clean,
            "times",
            bar=THROUGHPUT_BAR,
            note=f"{aged:,.0f} and {clean:,.0f} jobs/s",
        ),
        *_asked(spent, size),
    ]


def _asked(spent: Mapping[str, float], size: str) -> list[Result]:
    return [
        Result(f"aged-{name}", f"{name} among {size}", took, "ms", BARS[name], at_most=True)
        for name, took in spent.items()
    ]


def _done_per_second(product: Product) -> float:
    """How many jobs a second are done while more of them wait than can be done."""
    with product.working(THREADS):
        poll_until(lambda: _done(product.engine, SECONDS) > WARM_UP, "no job is done", RUN_SECONDS)
        time.sleep(SECONDS)
        rate = _done(product.engine, SECONDS) / SECONDS
    say(f"aged: {rate:.0f} jobs a second")
    return rate


def _done(engine: Engine, seconds: float) -> int:
    # By the index: against a clock that goes on while it is read, all of the table would be.
    query = "select count(*) from oms.jobs where finished_at > now() - :seconds * interval '1 second'"
    with engine.connect() as connection:
        return connection.scalar(text(query), {"seconds": seconds}) or 0


def _fill(engine: Engine, recipe: Recipe, finished: int, waiting: int) -> float:
    began = time.perf_counter()
    with engine.begin() as connection:
        known = registry.register(connection, recipe)
    indexes = _bare(engine)
    for first in range(1, finished + waiting + 1, BITE):
        with engine.begin() as connection:
            # What is lost with the server is measured no more.
            connection.exec_driver_sql("set local synchronous_commit = off")
            connection.execute(
                text(_JOBS),
                {
                    "type": recipe.type,
                    "recipe": known,
                    "finished": finished,
                    "first": first,
                    "last": min(first + BITE - 1, finished + waiting),
                },
            )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("set maintenance_work_mem = '1GB'")
        for definition in indexes:
            connection.exec_driver_sql(definition)
        connection.exec_driver_sql("alter table oms.jobs enable trigger user")
        connection.exec_driver_sql("vacuum analyze oms.jobs")
    return time.perf_counter() - began


def _bare(engine: Engine) -> list[str]:
    """Drop the indexes of jobs, which are quicker built at once; return how to build them again."""
    with engine.begin() as connection:
        dropped = connection.exec_driver_sql(
            "select 'oms.' || quote_ident(indexname) as name, indexdef from pg_indexes"
            " where schemaname = 'oms' and tablename = 'jobs' and indexname <> 'jobs_pkey'"
        ).all()
        # Rows are written as triggers would leave them.
        connection.exec_driver_sql("alter table oms.jobs disable trigger user")
        connection.exec_driver_sql(f"drop index {', '.join(row.name for row in dropped)}")
    return [row.indexdef for row in dropped]


def _questions(
    engine: Engine, raw: RawConnection, recipe: Recipe, finished: int, waiting: int
) -> dict[str, Callable[[int], object]]:
    """What is asked, by the number of the try."""
    with engine.connect() as connection:
        first = connection.scalar(text("select min(id) from oms.jobs")) or 0
    stride, waiting_stride = finished // (TRIES + 1), waiting // (TRIES + 1)

    def promote(number: int) -> None:
        with engine.begin() as connection:
            commands.promote(
                connection, first + finished + waiting_stride * (number + 1), who="bench", reason=None
            )

    def asking(ask: Callable[..., object]) -> Callable[[int], object]:
        def asked(number: int) -> object:
            with engine.connect() as connection:
                return ask(connection, number)

        return asked

    failed = read.Filter(status=("failed",))
    return {
        "windows": lambda _: dispatch_windows.windows(raw),
        "take": lambda _: ledger.take(raw, recipe.queue, 64),
        "promote": promote,
        "peek": asking(lambda connection, _: read.peek(connection, recipe.queue, 20)),
        "job": asking(lambda connection, number: read.get(connection, first + stride * (number + 1))),
        "search": asking(
            lambda connection, number: read.by_key(connection, recipe.type, f"key-{stride * number + 5}")
        ),
        "failed": asking(lambda connection, _: read.find(connection, failed, limit=50)),
        "floor": asking(lambda connection, _: overview.read(connection)),
    }


def _timed(ask: Callable[[int], object], tries: int) -> list[float]:
    spent = []
    for number in range(tries):
        began = time.perf_counter()
        ask(number)
        spent.append(1000 * (time.perf_counter() - began))
    return spent
