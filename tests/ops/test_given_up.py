"""What was given up, as the watch counts and tells it: it is done last, and the forecast says who is late."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from hms_oms.database import health
from hms_oms.order.policy import Policy
from hms_oms.queues import policies
from hms_oms.queues.plans import BacklogPlan
from hms_oms.recipes.recipes import Recipe
from hms_ops.forecast import order_words
from hms_ops.forecast.capacity import Capacity
from hms_ops.forecast.forecast import arrival, forecast
from hms_ops.metrics.counts import standings
from tests.oms.test_bands import give_up, orders

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
#: Four slots, a job takes a minute.
CAPACITY = Capacity(4, 1 / 60, trusted=True)


def test_what_was_given_up_is_counted_and_served_last(engine: sa.Engine, shop: Recipe) -> None:
    """Remedies are asked for by all deadlines in their order, lateness by the order of service."""
    jobs = orders(engine, shop, (5, 10, 20))
    give_up(engine, jobs[0])
    with engine.connect() as connection:
        standing = standings(connection, health.clock(connection))["shop"]
    assert (standing.given_up, standing.waiting) == (1, 3)
    early, middle, late = (deadline for deadline, _ in standing.histogram)
    assert [deadline for deadline, _ in standing.served] == [middle, late, early]


def test_a_queue_by_acceptance_is_drained_so(engine: sa.Engine, shop: Recipe) -> None:
    """The oldest is served first, though its deadline is the last: of the other two one is late, not none."""
    with engine.begin() as connection:
        policies.set_policy(connection, "shop", Policy.FIFO, who="test")
    old, *_ = orders(engine, shop, (30, 3, 3))
    with engine.begin() as connection:
        connection.execute(
            sa.text("update oms.jobs set created_at = created_at - interval '1 minute' where id = :job"),
            {"job": old},
        )
    with engine.connect() as connection:
        now = health.clock(connection)
        histogram = standings(connection, now)["shop"].histogram
    assert histogram[0] == (max(deadline for deadline, _ in histogram), 1)
    assert forecast(histogram, Capacity(1, 1 / 65), now).late == 1
    assert forecast(sorted(histogram), Capacity(1, 1 / 65), now).late == 0
    assert arrival(histogram, Capacity(1, 1 / 65), now, jobs=1, deadline=now, last=True).others_late == 0


def test_the_forecast_of_who_is_late_is_the_plan() -> None:
    """By deadline nearly all would be late; in the order of service only those that were given up are."""
    due = NOW + timedelta(minutes=5)
    kept, given_up = (due + timedelta(seconds=1), 20), (due, 10)
    ahead = forecast([given_up, kept], CAPACITY, NOW, served=[kept, given_up])
    assert (ahead.late, ahead.first_late) == (10, due)
    assert ahead.slots_needed == forecast([given_up, kept], CAPACITY, NOW).slots_needed == 6


def test_an_incident_tells_what_was_given_up() -> None:
    """How many and since when; what an earlier version has written says nothing of it."""
    facts = {"given_up": 12, "given_up_since": "12:00"}
    words = " (12 given up since 12:00)"
    assert order_words.in_brief(facts, str) == words
    assert order_words.in_brief({}, str) == ""


def test_the_reason_names_what_binds() -> None:
    """Without a limit the work is held against the slots; under one it is the limit that may be raised."""
    plan = BacklogPlan("shop", NOW, 279, 600.0, 16, 180, 0, NOW)
    words = "10 min of work in 279 waiting jobs is more than 16 slots can do before all deadlines."
    assert order_words.because(plan).startswith(words)
    limited = order_words.because(replace(plan, starts_per_minute=60))
    words = "60 starts a minute and 16 slots are too few for 279 waiting jobs to end by their deadlines."
    assert limited.startswith(words)
