"""How faults wait: for time to pass, and for a server that another fault has at present."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import psycopg2

from tests.chaos.floor import Floor
from tests.chaos.history import Fault

Strike = Generator[None, None, Fault]
_Answer = TypeVar("_Answer")


def passing(seconds: float) -> Iterator[None]:
    """Let so much time pass."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield


def between(shortest: float, longest: float, turn: float) -> float:
    """A time between two, by a die."""
    return shortest + (longest - shortest) * turn


def alone(floor: Floor, server: str, work: Generator[None, None, _Answer]) -> Generator[None, None, _Answer]:
    """Do this to a server while no other fault has it: a server that is stopped cannot be restarted."""
    while server in floor.struck:
        yield
    floor.struck.add(server)
    try:
        return (yield from work)
    finally:
        floor.struck.discard(server)


@contextmanager
def ledger(floor: Floor) -> Iterator[Any]:
    """A cursor in a transaction of the ledger. Raises psycopg2.OperationalError where another fault has it.

    A server that hangs is not asked: who waits for it here could not wake it up.
    """
    if "postgres" in floor.struck:
        raise psycopg2.OperationalError("PostgreSQL is struck")
    with (
        closing(psycopg2.connect(floor.database_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        yield cursor
