"""Asks the servers whether they take writes: a key of its own in Redis, a rolled-back row in PostgreSQL.

A server that is out of memory, read-only or full still answers reads. Nothing is left behind by a probe.
"""

from __future__ import annotations

import psycopg2
import redis

from hms_oms.database import connections
from hms_oms.database.connections import RawConnection
from hms_oms.database.refusals import SILENT, Refusal, of_postgresql, of_redis
from hms_oms.runtime import sentinel

#: A server that has not answered after so many seconds is silent.
PATIENCE_SECONDS = 2.0
#: The key that is written in Redis, and how long it may stay, in seconds.
KEY = "hms.probe"
_KEY_SECONDS = 60


def redis_client(url: str) -> redis.Redis:
    """A client that gives up after a short while and does not try again by itself."""
    return sentinel.impatient_client(url, PATIENCE_SECONDS)


def redis_refusal(client: redis.Redis) -> Refusal | None:
    """Why Redis takes no writes now; None if it does."""
    try:
        client.set(KEY, "1", ex=_KEY_SECONDS)
    except (redis.RedisError, OSError) as error:
        return of_redis(error)
    return None


def postgresql_refusal(connection: RawConnection) -> Refusal | None:
    """Why PostgreSQL takes no writes now; None if it does. The connection is not in a transaction.

    The sort spills to disk, so that a full one shows before a table has to grow.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("begin")
            try:
                cursor.execute(_WRITE, {"milliseconds": int(1000 * PATIENCE_SECONDS)})
            finally:
                cursor.execute("rollback")
    except psycopg2.Error as error:
        return of_postgresql(error) or Refusal("refused", "refuses writes")
    return None


def reached(url: str, name: str) -> RawConnection | Refusal:
    """A connection for probes, or why there is none."""
    try:
        return connections.connect(url, name)
    except psycopg2.Error as error:
        return of_postgresql(error) or SILENT


_WRITE = """
set local statement_timeout = %(milliseconds)s;
set local work_mem = '64kB';
insert into oms.write_probe (at) values (pg_catalog.now());
select count(*) from (
    select repeat('x', 1000) || number as filler from generate_series(1, 200) as number order by 1 offset 0
) as spilled
"""
