"""A backlog of a million jobs: how long it takes to promote one from its depths, and to look at its front."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from sqlalchemy import text

from benchmarks.results import Result
from benchmarks.rounds import say
from hms_floor.local import embedded
from hms_oms.database import connections
from hms_oms.database.schema import migrate
from hms_oms.jobs import commands, ledger
from hms_oms.jobs.queries import read
from hms_oms.recipes import recipes, registry

PROMOTE_BAR, PEEK_BAR = 50.0, 10.0
RECIPES = Path(__file__).parent / "recipes"
_BACKLOG = text(
    "insert into oms.jobs (type, recipe_id, steps, queue, sla, sla_minutes, payload, requested_by)"
    " select :type, :recipe, '{one,two,three}', 'bench', oms.now() + n * interval '1 second', 30, '{}',"
    " 'bench'"
    " from generate_series(1, :jobs) as n"
)


def measure(folder: Path, backlog: int, tries: int) -> list[Result]:
    """Promote jobs one by one; each must be at the front of the peek, and the next one taken."""
    with embedded.serving(folder / "million") as servers:
        assert servers.database_url is not None
        migrate.upgrade(servers.database_url)
        engine = connections.engine(servers.database_url)
        recipe = recipes.load_folder(RECIPES)["bench:noop:v1"]
        with engine.begin() as connection:
            known = registry.register(connection, recipe)
            connection.execute(_BACKLOG, {"type": recipe.type, "recipe": known, "jobs": backlog})
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("vacuum analyze oms.jobs")
        raw = connections.connect(servers.database_url, "bench")
        promoting, peeking, next_ones = [], [], 0
        for number in range(tries):
            job = backlog - 777 * number
            began = time.perf_counter()
            with engine.begin() as connection:
                commands.promote(connection, job, who="bench", reason=None)
            promoted = time.perf_counter()
            with engine.connect() as connection:
                front = read.peek(connection, "bench", 20)
            peeking.append(1000 * (time.perf_counter() - promoted))
            promoting.append(1000 * (promoted - began))
            next_ones += front[0].id == job and ledger.take(raw, "bench", 1)[0].job == job
        raw.close()
        engine.dispose()
    say(f"million: {tries} promotions in a backlog of {backlog:,}")
    note = f"{next_ones} of {tries} were the next one taken; slowest {max(promoting):.1f} ms"
    what = f"a job in a backlog of {backlog:,}, committed"
    return [
        Result("promote", f"promote {what}", median(promoting), "ms", PROMOTE_BAR, at_most=True, note=note),
        Result(
            "peek",
            f"peek 20 jobs of a backlog of {backlog:,}",
            median(peeking),
            "ms",
            PEEK_BAR,
            at_most=True,
            note=f"slowest {max(peeking):.1f} ms",
        ),
    ]
