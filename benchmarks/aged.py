"""A ledger of many years: how long what is hot and what people ask takes there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from sqlalchemy import Engine, text

from benchmarks.results import Result
from benchmarks.rounds import say
from hms_floor.local import embedded
from hms_floor.presentation import overview
from hms_oms.database import connections
from hms_oms.database.connections import RawConnection
from hms_oms.database.schema import migrate
from hms_oms.jobs import commands, ledger
from hms_oms.jobs.queries import read
from hms_oms.queues import dispatch_windows
from hms_oms.recipes import recipes, registry
from hms_oms.recipes.recipes import Recipe

RECIPES = Path(__file__).parent / "recipes"
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

_JOBS = """
insert into oms.jobs (type, recipe_id, steps, queue, status, sla, sla_minutes, payload, results, requested_by,
    key, created_at, since, dispatched_at, started_at, finished_at, outcome, error)
select :type, :recipe, '{one,two,three}', 'bench', state.status, at + interval '1 hour', 60,
    jsonb_build_object('job', n), '{"one": {}, "two": {}, "three": {}}', 'bench', 'key-' || n,
    at, at, ended, ended, ended, case when state.status = 'done' then 'assigned' end,
    case when state.status = 'failed' then '{}'::jsonb end
from generate_series(cast(:first as bigint), :last) as n,
    lateral (select oms.now() + (n - :finished) * interval '5 seconds' as at) as begun,
    lateral (
        select
            case when n <= :finished then at end as ended,
            case when n > :finished then 'waiting' when mod(n, 1000) = 0 then 'failed' else 'done' end
                as status
    ) as state
"""


def measure(folder: Path, finished: int = FINISHED, waiting: int = WAITING) -> list[Result]:
    """The median of each question, asked of finished and waiting jobs that are there already."""
    with embedded.serving(folder / "aged", broker=False) as servers:
        assert servers.database_url is not None
        migrate.upgrade(servers.database_url)
        engine = connections.engine(servers.database_url)
        recipe = recipes.load_folder(RECIPES)["bench:noop:v1"]
        seconds = _fill(engine, recipe, finished, waiting)
        size = f"{finished:,} finished and {waiting:,} waiting jobs"
        say(f"aged: {size} written in {seconds:.0f} s")
        raw = connections.connect(servers.database_url, "bench")
        asked = _questions(engine, raw, recipe, finished)
        spent = {name: median(_timed(ask, TRIES)) for name, ask in asked.items()}
        raw.close()
        engine.dispose()
    return [
        Result(f"aged-{name}", f"{name} among {size}", took, "ms", BARS[name], at_most=True)
        for name, took in spent.items()
    ]


def _fill(engine: Engine, recipe: Recipe, finished: int, waiting: int) -> float:
    began = time.perf_counter()
    with engine.begin() as connection:
        known = registry.register(connection, recipe)
    indexes = _without_indexes(engine)
    for first in range(1, finished + waiting + 1, BITE):
        with engine.begin() as connection:
            # What is lost with the server is measured no more, and all rows are of the one recipe.
            connection.exec_driver_sql("set local synchronous_commit = off")
            connection.exec_driver_sql("set local session_replication_role = replica")
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
        connection.exec_driver_sql("vacuum analyze oms.jobs")
    return time.perf_counter() - began


def _without_indexes(engine: Engine) -> list[str]:
    """Drop the indexes of jobs that are quicker built at once, and return how to build them again."""
    with engine.begin() as connection:
        dropped = connection.exec_driver_sql(
            "select 'oms.' || quote_ident(indexname) as name, indexdef from pg_indexes"
            " where schemaname = 'oms' and tablename = 'jobs' and indexname <> 'jobs_pkey'"
        ).all()
        connection.exec_driver_sql(f"drop index {', '.join(row.name for row in dropped)}")
    return [row.indexdef for row in dropped]


def _questions(
    engine: Engine, raw: RawConnection, recipe: Recipe, finished: int
) -> dict[str, Callable[[int], object]]:
    """What is asked, by the number of the try."""

    def promote(number: int) -> None:
        with engine.begin() as connection:
            commands.promote(connection, finished + 777 * (number + 1), who="bench", reason=None)

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
        "job": asking(lambda connection, number: read.get(connection, 77_777 * (number + 1))),
        "search": asking(
            lambda connection, number: read.by_key(connection, recipe.type, f"key-{77_777 * number + 5}")
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
