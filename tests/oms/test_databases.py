"""The databases of the tests: emptied after a test, which costs a fraction of what a new copy does."""

from __future__ import annotations

from contextlib import closing

import psycopg2

from hms_act import accept
from hms_oms.database import connections
from hms_oms.recipes import registry
from tests.conftest import shop_recipes
from tests.support.databases import Databases


def number(url: str) -> int:
    """What PostgreSQL calls a database, by whatever name it goes."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("select oid from pg_database where datname = current_database()")
        [value] = cursor.fetchone() or [0]
    return int(value)


def start(url: str) -> int:
    """Start a job of the shop, and return its number."""
    recipe = shop_recipes()["shop:order:v1"]
    engine = connections.engine(url)
    with engine.begin() as connection:
        registry.register(connection, recipe)
        started = accept.start_job(connection, recipe, {"number": 7}, requested_by="test")
    engine.dispose()
    return started.job.id


def test_a_database_with_jobs_is_lent_again_empty(databases: Databases) -> None:
    """The next test gets the same files by another name, and its first job is job 1 again."""
    urls, numbers = [], []
    for _ in range(3):
        with databases.lent() as url:
            urls.append(url)
            numbers.append(number(url))
            assert start(url) == 1
    assert len(set(urls)) == 3
    assert len(set(numbers)) == 1


def test_a_database_of_another_shape_is_not_lent_again(databases: Databases) -> None:
    """A test that makes a table, or truncates one that is not empty at first, leaves nothing of that."""
    with databases.lent() as url:
        first = number(url)
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute("create table public.mine (id int)")
    with databases.lent() as url:
        second = number(url)
        assert second != first
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute("truncate public.clock")
    with (
        databases.lent() as url,
        closing(psycopg2.connect(url)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select count(*) from public.clock")
        assert cursor.fetchone() == (1,)
