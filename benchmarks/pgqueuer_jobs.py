"""pgqueuer as its README sets it up: three entrypoints, each of which enqueues the next one.

Workers: `pgq run benchmarks.pgqueuer_jobs:main`. As a command it enqueues that many jobs. Both find the
database by PGHOST, PGUSER and PGDATABASE.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

STEPS = ("first", "second", "third")
#: Jobs that are enqueued in one statement.
PAGE = 1000


@asynccontextmanager
async def main() -> AsyncIterator[PgQueuer]:
    """A consumer of the three steps: a step ends once the job of the next one is in the database."""
    connection = await asyncpg.connect()
    driver = AsyncpgDriver(connection)
    made = PgQueuer(driver)
    queries = Queries(driver)

    @made.entrypoint(STEPS[0])
    async def first(job: Job) -> None:
        await queries.enqueue(STEPS[1], job.payload)

    @made.entrypoint(STEPS[1])
    async def second(job: Job) -> None:
        await queries.enqueue(STEPS[2], job.payload)

    @made.entrypoint(STEPS[2])
    async def third(job: Job) -> None:
        pass

    yield made
    await connection.close()


async def enqueue(jobs: int) -> None:
    """Enqueue the first step of that many jobs."""
    connection = await asyncpg.connect()
    queries = Queries(AsyncpgDriver(connection))
    for start in range(0, jobs, PAGE):
        page = [str(number).encode() for number in range(start, min(start + PAGE, jobs))]
        await queries.enqueue([STEPS[0]] * len(page), page, [0] * len(page))
    await connection.close()


if __name__ == "__main__":
    asyncio.run(enqueue(int(sys.argv[1])))
