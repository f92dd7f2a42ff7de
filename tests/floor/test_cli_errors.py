"""What a server refuses is named by the command line as everywhere else, with what to do about it."""

from __future__ import annotations

import psycopg2
import pytest
import sqlalchemy as sa

from hms_floor.cli.terminal import errors
from hms_oms.database import refusals


@pytest.mark.parametrize(
    ("state", "words", "way_out"),
    [
        ("53100", "PostgreSQL cannot write: its disk is full", "Make room on its disk"),
        ("25006", "PostgreSQL is read-only", "Point HMS_DATABASE_URL at the primary"),
        ("53300", "PostgreSQL has no connection left", "Raise its max_connections"),
        ("58030", "PostgreSQL cannot read or write its disk", "See to its disk"),
    ],
)
def test_a_server_that_refuses_is_not_said_to_be_away(
    engine: sa.Engine, state: str, words: str, way_out: str
) -> None:
    """It does answer: the message says what it says, and what to do next."""
    raised = f"do $$ begin raise exception 'no' using errcode = '{state}'; end $$"
    with pytest.raises(sa.exc.DBAPIError) as refused, engine.begin() as connection:
        connection.exec_driver_sql(raised)
    output = errors.tell(refused.value)
    assert output is not None
    assert output.message.startswith(words)
    assert output.message.splitlines()[1].startswith(way_out)
    assert "does not answer" not in output.message


def test_a_change_on_a_read_only_server_is_no_traceback(engine: sa.Engine) -> None:
    """The driver has another class for it than for a server that is gone."""
    with engine.connect() as connection:
        connection.exec_driver_sql("set transaction read only")
        with pytest.raises(sa.exc.DBAPIError) as refused:
            connection.exec_driver_sql("insert into oms.queues (name) values ('shop')")
    output = errors.tell(refused.value)
    assert output is not None
    assert output.message.startswith("PostgreSQL is read-only")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("FATAL:  sorry, too many clients already", "too-many-connections"),
        ("FATAL:  the database system is starting up", "starting"),
        ("FATAL:  the database system is in recovery mode", "starting"),
        ("Connection refused", "away"),
    ],
)
def test_who_is_not_let_in_is_told_why(said: str, kind: str) -> None:
    """Before a session begins there are words, and no state."""
    refused = refusals.of_postgresql(psycopg2.OperationalError(f'connection to server at "x" failed: {said}'))
    assert refused is not None
    assert refused.kind == kind
