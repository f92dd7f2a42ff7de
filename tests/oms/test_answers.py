"""Waiting for the applicant: the clock stands, nobody is late meanwhile, and the deadline is moved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from hms_oms.cycles import cycles
from hms_oms.database import health
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, ledger
from hms_oms.jobs.queries import read
from hms_oms.jobs.queries.read import Filter
from hms_oms.queues import answers, queues
from hms_oms.recipes.recipes import Recipe
from hms_ops.metrics import counts
from hms_ops.metrics.deadlines import Deadlines
from hms_ops.reports import misses, sla_report
from hms_ops.reports.misses import Cause
from tests.oms.test_calendars import OFFICE, open_hours
from tests.oms.test_ledger import claim, facts, look, order

Forward = Callable[[timedelta], None]
WHO = {"who": "ann", "reason": "the map is missing"}
HOUR = timedelta(hours=1)


def hold(engine: sa.Engine, *jobs: int) -> list[int]:
    """Hold jobs until their applicants answer."""
    with engine.begin() as connection:
        return answers.hold(connection, jobs, **WHO)


def go_on(engine: sa.Engine, *jobs: int) -> list[int]:
    """Let jobs go on."""
    with engine.begin() as connection:
        return answers.go_on(connection, jobs, who="bob", reason=None)


def test_the_clock_of_a_job_stands_until_the_answer(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward
) -> None:
    """It is in no backlog, and due later by exactly the time that it was held, also the second time."""
    job = order(engine, shop)
    for times in (1, 2):
        assert hold(engine, job.id) == [job.id]
        assert hold(engine, job.id) == []
        assert look(engine, job.id).ready_at is None
        forward(HOUR)
        ledger.wake(raw)
        ledger.let_in(raw)
        assert ledger.take(raw, "shop", 10) == []
        with engine.begin() as connection:
            held_at = look(engine, job.id).held_at
            assert held_at is not None
            assert answers.go_on(connection, [job.id], who="bob", reason=None) == [job.id]
            stood = health.clock(connection) - held_at
        after = look(engine, job.id)
        assert (after.status, after.held_at, after.counts_from) == ("waiting", None, job.counts_from)
        assert (after.held_seconds or 0) == pytest.approx(times * 3600, abs=30)
        assert timedelta(0) <= after.sla - job.sla - stood < timedelta(seconds=30) + (times - 1) * HOUR
        assert go_on(engine, job.id) == []
    assert facts(engine, job.id) == ["accepted", "held", "answered", "held", "answered"]
    [taken] = ledger.take(raw, "shop", 10)
    assert (taken.job, taken.place.due) == (job.id, look(engine, job.id).sla)


def test_in_office_hours_the_deadline_moves_by_office_hours(
    engine: sa.Engine, shop: Recipe, forward: Forward
) -> None:
    """What is held over a weekend is due later by the hours in which the office was open."""
    open_hours(engine, OFFICE)
    job = order(engine, shop, sla_minutes=600)
    hold(engine, job.id)
    held_at = look(engine, job.id).held_at
    assert held_at is not None
    forward(timedelta(days=7))
    # What is set meanwhile changes nothing for it.
    open_hours(engine, None)
    with engine.begin() as connection:
        now = health.clock(connection)
        answers.go_on(connection, [job.id], who="bob", reason=None)
    stood = answers.counted(OFFICE, held_at, now)
    assert stood < timedelta(hours=41)
    assert look(engine, job.id).sla == answers.moved(OFFICE, job.sla, stood)


def test_what_is_held_is_not_late_and_counted_as_held(
    engine: sa.Engine, shop: Recipe, forward: Forward
) -> None:
    """Queue, cycle, watch and reports say so; once it goes on it is measured by its new deadline."""
    with engine.begin() as connection:
        cycle = cycles.begin(connection, job_type=shop.type, name="today.csv", requested_by="ann")
    job, other = order(engine, shop), order(engine, shop, 2)
    with engine.begin() as connection:
        connection.execute(sa.text("update oms.jobs set batch_id = :id"), {"id": cycle.id})
    hold(engine, job.id)
    forward(5 * HOUR)
    with engine.connect() as connection:
        now = health.clock(connection)
        [queue] = [queue for queue in queues.overview(connection) if queue.name == "shop"]
        progress = cycles.progress(connection, cycle.id)
        measured = counts.standings(connection, now)["shop"]
        for source in (queue, progress, measured):
            assert (source.waiting, source.delayed, source.held, source.late) == (1, 0, 1, 1)
        assert queue.open == progress.open == 2
        assert queue.next_sla == other.sla
        assert [jobs for _, jobs in measured.histogram] == [1]
        [row] = [row for row in Deadlines().look(connection, now) if row["name"] == "shop"]
        assert (row["next_sla"], row["late"]) == (other.sla, 1)
        span = (now - timedelta(days=1), now + timedelta(days=1))
        assert sla_report.report(connection, *span, UTC).whole.open_late == 1
        assert sum(bucket.jobs for bucket in sla_report.lateness(connection, None, *span)) == 1
        assert [miss.job for miss in misses.worst(connection, *span)] == [other.name]
        assert [item.id for item in read.find(connection, Filter(held=True), limit=None)] == [job.id]
    go_on(engine, job.id)
    forward(HOUR)
    with engine.connect() as connection:
        now = health.clock(connection)
        span = (now - timedelta(days=1), now + timedelta(days=1))
        late = {miss.job: miss for miss in misses.worst(connection, *span)}
        assert late[job.name].deadline == look(engine, job.id).sla
        # Of six hours it was held for five, and half an hour late in the end.
        assert late[job.name].spent[Cause.HELD] == pytest.approx(5 * 3600, abs=60)
        assert late[job.name].late_seconds == pytest.approx(1800, abs=60)


def test_the_window_gives_a_held_job_back(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Its ticket is stale; what runs, and what has ended, is not held."""
    job, running = order(engine, shop), order(engine, shop, 2)
    ledger.take(raw, "shop", 10)
    assert claim(raw, running.id, "pick") is not None
    assert hold(engine, job.id, running.id) == [job.id]
    assert claim(raw, job.id, "pick") is None
    with engine.begin() as connection:
        commands.cancel(connection, [job.id], who="ann", reason=None)
    assert hold(engine, job.id) == []
    assert go_on(engine, job.id) == []


def test_a_hold_outlives_other_changes(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """A held job may be put in front, and may not be delayed; reinstated it is still held."""
    job = order(engine, shop)
    hold(engine, job.id)
    with engine.begin() as connection:
        assert commands.delay(connection, [job.id], None, who="ann", reason=None) == []
        assert commands.promote(connection, job.id, who="ann", reason=None) == [job.id]
        commands.cancel(connection, [job.id], who="ann", reason=None)
        assert commands.reinstate(connection, [job.id], who="ann", reason=None) == [job.id]
    assert ledger.take(raw, "shop", 10) == []
    assert go_on(engine, job.id) == [job.id]
    assert [taken.job for taken in ledger.take(raw, "shop", 10)] == [job.id]


def test_what_may_not_start_yet_is_held_and_still_may_not(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """Its clock has not begun to run, so its deadline stays."""
    start = datetime(2027, 11, 24, tzinfo=UTC)
    job = order(engine, shop, ready_at=start)
    hold(engine, job.id)
    go_on(engine, job.id)
    after = look(engine, job.id)
    assert (after.ready_at, after.sla) == (start, job.sla)
    assert ledger.take(raw, "shop", 10) == []
