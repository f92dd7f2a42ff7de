"""What keeps dead rows from being removed is found in PostgreSQL, the oldest first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from hms_oms.database import connections
from hms_ops.metrics.horizon import Held, HorizonWatch

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SLOT = Held("replication slot", "barn", "inactive", None, None, "700")


def test_an_open_transaction_holds_the_horizon(engine: sa.Engine, database: str) -> None:
    """One that keeps its snapshot does, by its process and its program; one that has ended does not."""
    watch = HorizonWatch()
    report = connections.connect(
        database, "report", {"default_transaction_isolation": "repeatable read"}, autocommit=False
    )
    with engine.connect() as connection, report.cursor() as cursor:
        cursor.execute("select count(*) from oms.jobs")
        holder = watch.look(connection, NOW)
        assert holder is not None
        assert (holder.kind, holder.name, holder.program) == (
            "transaction",
            str(report.info.backend_pid),
            "report",
        )
        report.rollback()
        # What is known of sessions is read once in a transaction.
        connection.rollback()
        assert watch.look(connection, NOW) is None
    report.close()


def test_a_slot_has_held_since_it_was_seen_first() -> None:
    """It does not tell since when; one that asks for other rows than before has moved on."""
    watch, later = HorizonWatch(), NOW + timedelta(minutes=20)
    first, still = watch.oldest([SLOT], NOW), watch.oldest([SLOT], later)
    moved = watch.oldest([SLOT._replace(horizon="701")], later)
    assert [holder.since for holder in (first, still, moved) if holder] == [NOW, NOW, later]
    assert watch.oldest([], later) is None
