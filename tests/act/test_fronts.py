"""Looks that cost much begin where the last found the front; what was put before it is found in a while."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa

from hms_act.fronts import Fronts
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, ledger
from hms_oms.recipes.recipes import Recipe
from tests.conftest import wait_until
from tests.oms.test_ledger import claim, order


def front(fronts: Fronts, raw: RawConnection) -> int | None:
    """The job that a look finds at the front of the shop's backlog."""
    [window] = [item for item in fronts.windows(raw) if item.queue == "shop"]
    return None if window.front is None else window.front.job


def take(fronts: Fronts, raw: RawConnection, count: int) -> list[int]:
    """What is taken from the shop's backlog then."""
    taken = ledger.take(raw, "shop", count, fronts.place("shop"))
    fronts.passed("shop", taken)
    return [item.job for item in taken]


def test_a_costly_look_is_not_made_each_time(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """By a clock on which each look takes a second, one in twenty seconds begins at the beginning, beside."""
    first, second, third, last = (order(engine, shop, number).id for number in range(1, 5))
    fronts = Fronts(engine, itertools.count().__next__)
    assert front(fronts, raw) == first
    assert take(fronts, raw, 2) == [first, second]
    with engine.begin() as connection:
        commands.promote(connection, last, who="test", reason=None)
    assert front(fronts, raw) == third
    assert [front(fronts, raw) for _ in range(5)] == [third] * 5
    wait_until(lambda: front(fronts, raw) == last, "the promoted job at the front")
    assert take(fronts, raw, 2) == [last, third]
    assert front(fronts, raw) is None


def test_looks_that_cost_little_see_everything(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """While nobody holds dead rows each look is from the beginning."""
    job, other = order(engine, shop, 1).id, order(engine, shop, 2).id
    fronts = Fronts(engine, lambda: 0.0)
    assert front(fronts, raw) == job
    assert take(fronts, raw, 2) == [job, other]
    with engine.begin() as connection:
        commands.promote(connection, job, who="test", reason=None)
    assert front(fronts, raw) == job


def test_what_runs_since_long_stays_in_sight(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """A look that begins at the oldest job in flight counts all of the window."""
    order(engine, shop, 1)
    job = order(engine, shop, 2).id
    fronts = Fronts(engine, itertools.count().__next__)
    assert front(fronts, raw) is not None
    assert len(take(fronts, raw, 2)) == 2
    assert claim(raw, job, "pick")
    for _ in range(3):
        [window] = [item for item in fronts.windows(raw) if item.queue == "shop"]
        assert window.queued == 1
    assert fronts.in_flight_from is not None


def test_what_is_taken_after_the_clock_was_set_back_is_in_sight(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """The look before was at a later time: it does not begin there."""
    order(engine, shop, 1)
    order(engine, shop, 2)
    fronts = Fronts(engine, itertools.count().__next__)
    assert front(fronts, raw) is not None
    assert front(fronts, raw) is not None
    forward(timedelta(hours=-1))
    assert len(take(fronts, raw, 2)) == 2
    [window] = [item for item in fronts.windows(raw) if item.queue == "shop"]
    assert window.queued == 2
