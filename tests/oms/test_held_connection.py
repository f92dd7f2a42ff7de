"""The connection of a step: its transaction is ended by nobody but the one who has lent it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg2.extras
import pytest
from psycopg2 import sql

from hms_oms.database import connections
from hms_oms.database.connections import RawConnection
from hms_oms.database.lending import held_connection
from hms_oms.database.lending.held_connection import TransactionHeld


@pytest.fixture
def lent(database: str) -> Iterator[RawConnection]:
    """A connection that is lent to a step which has written a row."""
    with closing(connections.connect(database, "step", autocommit=False)) as connection:
        connection.cursor().execute("create table public.notes (note text)")
        connection.commit()
        connection.cursor().execute("insert into public.notes values ('first')")
        held_connection.lend(connection)
        yield connection
        connection.lent = False


def notes(connection: RawConnection) -> list[str]:
    """What is kept."""
    with connection.cursor() as cursor:
        cursor.execute("select note from public.notes")
        return [note for (note,) in cursor.fetchall()]


def by_with(connection: RawConnection) -> None:
    """As psycopg2's guide does it."""
    with connection, connection.cursor() as cursor:
        cursor.execute("select 1")


WAYS: dict[str, Callable[[RawConnection], object]] = {
    "commit": lambda connection: connection.commit(),
    "rollback": lambda connection: connection.rollback(),
    "close": lambda connection: connection.close(),
    "reset": lambda connection: connection.reset(),
    "with": by_with,
}
STATEMENTS = [
    "commit",
    "  COMMIT AND CHAIN",
    "end",
    "abort",
    "rollback",
    "Rollback Work",
    "begin",
    "start transaction read only",
    "prepare transaction 'x'",
    "insert into public.notes values ('it''s'); commit",
    "-- at last\ncommit",
    "/* ; */ commit",
]


@pytest.mark.parametrize("way", WAYS)
def test_no_method_ends_it(lent: RawConnection, way: str) -> None:
    """The error says what to do instead; the transaction is still there for its holder to undo."""
    with pytest.raises(TransactionHeld, match=r"not for a step.*raise to undo it"):
        WAYS[way](lent)
    held_connection.take_back(lent)
    assert notes(lent) == ["first"]
    lent.rollback()
    assert notes(lent) == []


@pytest.mark.parametrize("statement", STATEMENTS)
def test_no_statement_ends_it(lent: RawConnection, statement: str) -> None:
    """Whichever cursor sends it, as text, bytes or composed."""
    factories = (None, psycopg2.extras.RealDictCursor)
    for query in (statement, statement.encode(), sql.SQL(statement)):
        for factory in factories:
            with (
                lent.cursor(cursor_factory=factory) as cursor,
                pytest.raises(TransactionHeld, match="not for a step"),
            ):
                cursor.execute(query)
    assert notes(lent) == ["first"]


def test_what_only_looks_like_an_end_runs(lent: RawConnection) -> None:
    """Savepoints, blocks of procedures, and the words in values and names."""
    with lent.cursor() as cursor:
        cursor.execute("savepoint part")
        cursor.execute("insert into public.notes values (%s)", ("; commit",))
        cursor.execute("rollback to savepoint part")
        cursor.execute("do $$ begin perform 1; end $$")
        cursor.execute("select case when true then 1 end as end, '; rollback' as \"; commit\" -- ;\n, 2")
        psycopg2.extras.execute_values(
            cursor, "insert into public.notes values %s", [(";\nend",), ("it's; abort",)]
        )
    assert notes(lent) == ["first", ";\nend", "it's; abort"]


def test_an_end_by_another_way_is_seen(lent: RawConnection) -> None:
    """What was too cheap to be refused is noticed before the step is recorded as done."""
    with lent.cursor() as cursor:
        cursor.execute("select 1")
    psycopg2.extensions.connection.commit(lent)
    with pytest.raises(TransactionHeld):
        held_connection.take_back(lent)
    assert not lent.lent
