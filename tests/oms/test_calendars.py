"""The business calendar of a queue: deadlines in office hours, the way back, and what counts as before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from hms_oms.database import health
from hms_oms.jobs import commands
from hms_oms.queues import calendars
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.errors import SlaNeverOver
from hms_oms.timetables import business_time, opening_hours
from hms_oms.timetables.business_time import OfficeHours
from hms_oms.undo import queue_changes, undo
from hms_ops.reports import misses
from tests.oms.test_ledger import look, order

CHICAGO = "America/Chicago"
OFFICE = OfficeHours(opening_hours.read("Mo-Fr 08:00-16:00"), CHICAGO, "US")
NEVER = OfficeHours(opening_hours.read("We 23:59-24:00"), "UTC")


def local(written: str) -> datetime:
    """A moment by the clock of Chicago."""
    return datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(CHICAGO))


def open_hours(engine: sa.Engine, office: OfficeHours | None) -> int | None:
    """Set the calendar of the shop, so that it can be undone."""
    with (
        engine.begin() as connection,
        queue_changes.keep(connection, "calendar", "shop", who="ann") as kept,
    ):
        calendars.set_calendar(connection, "shop", office, who="ann")
    return kept.change


def test_a_job_is_due_in_office_hours(engine: sa.Engine, shop: Recipe) -> None:
    """Its SLA counts while the office is open, from acceptance or from the start that was asked for."""
    open_hours(engine, OFFICE)
    job = order(engine, shop, sla_minutes=600)
    assert job.sla == business_time.deadline(OFFICE, job.created_at, timedelta(hours=10))
    assert business_time.elapsed(OFFICE, job.created_at, job.sla) == timedelta(hours=10)
    assert job.counts_from == job.created_at
    # Wednesday afternoon; Thursday is Thanksgiving.
    later = order(engine, shop, 2, ready_at=local("2027-11-24T15:45"))
    assert (later.sla, later.counts_from) == (local("2027-11-26T08:15"), local("2027-11-24T15:45"))
    with engine.connect() as connection:
        assert calendars.of_job(connection, later.calendar_id) == OFFICE
        # The same hours are kept once.
        open_hours(engine, None)
        open_hours(engine, OFFICE)
        assert order(engine, shop, 3).calendar_id == later.calendar_id


def test_without_a_calendar_time_always_counts(engine: sa.Engine, shop: Recipe) -> None:
    """As it did before there were calendars; what was accepted before keeps its deadline."""
    before = order(engine, shop)
    assert (before.sla - before.created_at, before.calendar_id) == (timedelta(minutes=30), None)
    assert before.clock_from is None
    open_hours(engine, OFFICE)
    assert look(engine, before.id) == before
    open_hours(engine, None)
    after = order(engine, shop, 2)
    assert (after.sla - after.created_at, after.calendar_id) == (timedelta(minutes=30), None)


def test_an_sla_that_would_never_be_over_is_refused(engine: sa.Engine, shop: Recipe) -> None:
    """The office is open for one minute a week: a year of SLA is not accepted."""
    open_hours(engine, NEVER)
    with pytest.raises(SlaNeverOver, match="slaMinutes: the office is open for less than 8,760 hours"):
        order(engine, shop, sla_minutes=525_600)


def test_a_calendar_is_taken_back(engine: sa.Engine, shop: Recipe) -> None:
    """The queue has the hours that it had before, by whom they were set then; jobs keep their deadline."""
    first = open_hours(engine, NEVER)
    second = open_hours(engine, OFFICE)
    order(engine, shop)
    with engine.begin() as connection:
        undone = undo.undo(connection, second or 0, who="ann", manager=False)
        assert undone.message == (
            "Undone: the change of the calendar of shop."
            " 1 job that was accepted meanwhile keeps the deadline."
        )
        assert calendars.in_force(connection, "shop").office == NEVER
        undo.undo(connection, first or 0, who="ann", manager=False)
        held = calendars.in_force(connection, "shop")
        assert (held.office, held.set_by, held.set_at) == (None, None, None)


def test_a_miss_counts_from_acceptance(
    engine: sa.Engine, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """What is late by a calendar has spent its time since it was accepted, and not for its SLA only."""
    open_hours(engine, OFFICE)
    job = order(engine, shop, sla_minutes=60 * 24)
    forward(job.sla - job.created_at + timedelta(hours=1))
    with engine.connect() as connection:
        now = health.clock(connection)
        [miss] = misses.worst(connection, now - timedelta(days=30), now + timedelta(days=1))
    assert sum(miss.spent.values()) == pytest.approx((now - job.created_at).total_seconds(), abs=5)


@pytest.mark.usefixtures("shop")
def test_a_queue_that_nobody_knows_has_no_calendar(engine: sa.Engine) -> None:
    """Setting one is refused."""
    with engine.begin() as connection:
        assert calendars.in_force(connection, "nowhere").office is None
        with pytest.raises(commands.UnknownQueue):
            calendars.set_calendar(connection, "nowhere", OFFICE, who="ann")
