"""The event log in months: each line in its own, none lost, and one dropped once nothing in it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hms_floor.cli.installation.checks import servers
from hms_oms.database import health
from hms_oms.database.connections import RawConnection
from hms_oms.database.schema import migrate
from hms_oms.jobs import commands
from hms_oms.jobs.queries import read
from hms_oms.recipes.recipes import Recipe
from hms_oms.retention import due, holds, months, rules
from hms_oms.retention.holds import Target
from hms_oms.retention.pruner import Pruner
from hms_oms.retention.rules import Keep
from tests.conftest import wait_until
from tests.farm_grant.test_migrations import go_back
from tests.oms.test_retention import DAY, Forward, done, order, prune, rows

#: Jobs for three years, their event logs for a hundred days.
KEEP = Keep(1000 * DAY, 100 * DAY, 1000 * DAY, 1000 * DAY, 1000 * DAY, 1000 * DAY)
#: The parts of the log, in the order of their time; the last is for what has no month.
PARTS = """
select inhrelid::regclass::text from pg_inherits where inhparent = 'oms.job_events'::regclass order by 1
"""

#: A line of the month after the next; and the rights of one who adds lines, on a role that every server has.
LATER = """
insert into oms.job_events (job_id, at, fact, status, step, attempt)
values (1, date_trunc('month', oms.now()) + interval '65 days', 'promoted', 'done', 2, 1)
"""
GRANTED = """
grant select, insert on oms.job_events to pg_signal_backend;
grant select on oms.job_events_id_seq to pg_signal_backend;
"""
RIGHTS = """
select has_table_privilege('pg_signal_backend', 'oms.job_events', 'select')
    and has_table_privilege('pg_signal_backend', 'oms.job_events', 'insert')
    and has_sequence_privilege('pg_signal_backend', 'oms.job_events_id_seq', 'select')
    and (
        has_sequence_privilege('pg_signal_backend', 'oms.job_events_id_seq', 'usage')
        or (select is_identity = 'YES' from information_schema.columns
            where table_name = 'job_events' and column_name = 'id')
    )
"""


def parts(engine: sa.Engine) -> list[str]:
    """The parts that the log has."""
    with engine.connect() as connection:
        return list(connection.scalars(sa.text(PARTS)))


def log(engine: sa.Engine, job: int) -> Sequence[Any]:
    """The event log of a job."""
    with engine.connect() as connection:
        return read.event_log(connection, job)


def places(engine: sa.Engine, job: int) -> set[str]:
    """The parts in which lines of a job stand."""
    query = sa.text("select distinct tableoid::regclass::text from oms.job_events where job_id = :job")
    with engine.connect() as connection:
        return set(connection.scalars(query, {"job": job}))


@pytest.fixture
def month(engine: sa.Engine, forward: Forward) -> str:
    """The name of a month that has just begun, with a part of its own; the clock stands in it."""
    with engine.begin() as connection:
        now = health.clock(connection).astimezone(UTC)
    begins = datetime(now.year, now.month, 1, tzinfo=UTC)
    for _ in range(4):
        begins = (begins + 32 * DAY).replace(day=1)
    forward(begins + timedelta(hours=1) - now)
    with engine.begin() as connection:
        months.add(connection)
    return f"oms.job_events_{begins:%Y_%m}"


def test_a_line_stands_in_its_month(engine: sa.Engine, raw: RawConnection, shop: Recipe, month: str) -> None:
    """The log of a job is kept in the month in which it happens, and read as one."""
    job = done(engine, raw, shop, 1)
    assert places(engine, job) == {month}
    facts = [line.fact for line in log(engine, job)]
    assert (facts[0], facts[-1]) == ("accepted", "finished")


def test_a_line_without_a_month_is_kept_and_told_of(
    database: str, engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward
) -> None:
    """A job goes on though nobody has added its month; its lines move there, with their numbers."""
    forward(300 * DAY)
    job = done(engine, raw, shop, 1)
    assert places(engine, job) == {"oms.job_events_unplaced"}
    before = log(engine, job)
    assert checked(database).startswith("has no months after 20")
    with engine.begin() as connection:
        assert months.add(connection) == months.Added(len(before), 0)
        assert months.add(connection) == months.Added(0, 0)
    assert places(engine, job) != {"oms.job_events_unplaced"}
    assert log(engine, job) == before
    assert checked(database) == ""
    with pytest.raises(sa.exc.DBAPIError, match="job_events is append-only"), engine.begin() as connection:
        connection.exec_driver_sql("delete from oms.job_events")


def checked(database: str) -> str:
    """What `hms check` finds about the log."""
    findings = servers.postgresql(database, {}, UTC)
    return "".join(finding.detail for finding in findings if finding.name == "event log")


def test_a_line_of_a_clock_that_runs_ahead_is_told_of(database: str, engine: sa.Engine, shop: Recipe) -> None:
    """No month is made for it years ahead: it stays where it is."""
    order(engine, shop, 1)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into oms.job_events (job_id, at, fact, status, step, attempt)"
            " values (1, oms.now() + interval '20 years', 'promoted', 'waiting', 0, 1)"
        )
        assert months.add(connection) == months.Added(0, 1)
    assert len(log(engine, 1)) == 2
    assert checked(database).startswith("has lines after 20")


def test_a_month_is_dropped_when_it_is_over(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward, month: str
) -> None:
    """All of its logs go at once, and no line before; the jobs stay, and logs of the next month."""
    for number in range(1, 4):
        done(engine, raw, shop, number)
    forward(35 * DAY)
    late = done(engine, raw, shop, 4)
    forward(66 * DAY)
    with engine.connect() as connection:
        [waiting] = due.read(connection, rules.read(connection, KEEP))
    assert waiting.events == 0
    assert not prune(engine, forward, KEEP).get("events", 0)
    assert log(engine, 1)
    forward(31 * DAY)
    counts = prune(engine, forward, KEEP)
    assert (counts["months"], counts["events"]) == (1, 0)
    assert month not in parts(engine)
    assert not log(engine, 1)
    assert log(engine, late)
    assert rows(engine, "oms.jobs") == 4


def test_a_month_stays_for_a_job_that_is_held(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward, month: str
) -> None:
    """Then the logs of the others go by themselves, and the month when the hold has ended."""
    held, other = (done(engine, raw, shop, number) for number in (1, 2))
    with engine.begin() as connection:
        hold = holds.add(connection, Target(job_id=held), reason="a lawsuit", who="ann")
    forward(200 * DAY)
    lines = len(log(engine, other))
    assert prune(engine, forward, KEEP)["events"] == lines
    assert month in parts(engine)
    assert (len(log(engine, held)), len(log(engine, other))) == (lines, 0)
    with engine.begin() as connection:
        holds.remove(connection, hold.id, reason="settled", who="ann")
    counts = prune(engine, forward, KEEP)
    assert (counts["months"], counts["events"]) == (1, 0)
    assert month not in parts(engine)


@pytest.mark.parametrize("again", [False, True])
def test_a_month_stays_for_a_job_that_ended_later(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward, month: str, again: bool
) -> None:
    """One that is open, or has ended in a later month, keeps the whole of its log, however old that is."""
    old = order(engine, shop, 1)
    done(engine, raw, shop, 2)
    forward(200 * DAY)
    if again:
        with engine.begin() as connection:
            commands.cancel_jobs(connection, [old], who="test", reason="no")
    before = log(engine, old)
    prune(engine, forward, KEEP)
    assert month in parts(engine)
    assert log(engine, old) == before
    assert not log(engine, 2)
    with engine.begin() as connection:
        if not again:
            commands.cancel_jobs(connection, [old], who="test", reason="no")
        months.add(connection)
    forward(140 * DAY)
    counts = prune(engine, forward, KEEP)
    assert counts["months"] > 1
    assert month not in parts(engine)
    assert not log(engine, old)


def test_a_month_that_is_read_is_not_waited_for(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward, month: str
) -> None:
    """While a backup reads it, nothing waits behind the drop; it follows later."""
    done(engine, raw, shop, 1)
    forward(200 * DAY)
    pruner = Pruner(KEEP, None)
    with engine.connect() as reader:
        reader.exec_driver_sql(f"select * from {month}")
        for _ in range(40):
            with engine.begin() as connection:
                removed = pruner.remove_next(connection)
            if removed.pause:
                break
        assert month in parts(engine)
        assert order(engine, shop, 2)
    pruner._rests = {}
    for _ in range(40):
        with engine.begin() as connection:
            pruner.remove_next(connection)
    assert month not in parts(engine)


def test_the_log_of_before_goes_on_in_months(
    database: str, engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """Lines, numbers and rights of a ledger of the release before are those of the one after, and back."""
    job = done(engine, raw, shop, 1)
    with engine.begin() as connection:
        connection.exec_driver_sql(LATER)
    before = log(engine, job)
    assert len(places(engine, job)) == 2
    go_back(engine, "0055")
    with engine.begin() as connection:
        connection.exec_driver_sql(GRANTED)
    assert (log(engine, job), places(engine, job)) == (before, {"oms.job_events"})
    goes_on(engine, shop, 2)
    migrate.upgrade(database)
    assert (log(engine, job), places(engine, job)) == (before, {"oms.job_events_first"})
    goes_on(engine, shop, 3)
    go_back(engine, "0055")
    assert log(engine, job) == before
    goes_on(engine, shop, 4)


def test_work_goes_on_while_the_log_waits_to_be_changed(
    database: str, engine: sa.Engine, shop: Recipe
) -> None:
    """While somebody reads the log for long, the migration lets new lines by."""
    go_back(engine, "0055")
    with ThreadPoolExecutor(1) as beside:
        with engine.connect() as reader:
            reader.exec_driver_sql("select * from oms.job_events")
            migrated = beside.submit(migrate.upgrade, database)
            wait_until(lambda: waits(engine), "the migration to wait for the log")
            assert order(engine, shop, 1)
            assert not migrated.done()
        migrated.result(20)
    assert len(log(engine, 1)) == 1


def waits(engine: sa.Engine) -> bool:
    """Whether somebody waits for the log to be read by nobody."""
    query = "select exists (select from pg_locks where not granted and mode = 'AccessExclusiveLock')"
    with engine.connect() as connection:
        return bool(connection.scalar(sa.text(query)))


def goes_on(engine: sa.Engine, shop: Recipe, number: int) -> None:
    """See that a new line has the next number, that nobody changes one, and that rights are as they were."""
    with engine.connect() as connection:
        last = connection.scalar(sa.text("select max(id) from oms.job_events"))
        assert connection.scalar(sa.text(RIGHTS))
    job = order(engine, shop, number)
    with engine.connect() as connection:
        query = sa.text("select id from oms.job_events where job_id = :job")
        assert connection.scalar(query, {"job": job}) > last
    with pytest.raises(sa.exc.DBAPIError, match="job_events is append-only"), engine.begin() as connection:
        connection.exec_driver_sql("update oms.job_events set fact = 'x'")
