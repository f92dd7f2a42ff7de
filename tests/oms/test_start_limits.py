"""Limits of how many jobs with one key start within a minute, by any dispatcher and any way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_floor.presentation import explanation, explanation_words
from hms_oms.database import connections, statements
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, ledger
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes import limits, recipes
from hms_oms.recipes.limits import Limit
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.errors import ConfigError, RequestRejected
from tests.oms.test_limits import end, start, taken
from tests.races.test_races import Contender

Forward = Callable[[timedelta], None]


def seconds(number: float) -> timedelta:
    """So many seconds."""
    return timedelta(seconds=number)


def several(engine: sa.Engine, shop: Recipe, numbers: range, **options: Any) -> list[int]:
    """Start orders with the key of ann."""
    return [start(engine, shop, number, limit_key="ann", **options).job.id for number in numbers]


def test_no_more_jobs_with_a_key_start_in_a_minute_than_may(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward
) -> None:
    """Any minute, not each minute of the clock; another key, and none, are free; what has ended counts."""
    ann = several(engine, shop, range(1, 7), starts_per_minute=3)
    bob = start(engine, shop, 11, limit_key="bob", starts_per_minute=1).job.id
    free = start(engine, shop, 21).job.id
    assert sorted(taken(raw)) == sorted([*ann[:3], bob, free])
    for job in ann[:3]:
        end(raw, job)
    forward(seconds(30))
    assert ledger.let_in(raw) == (0, 1)
    assert taken(raw) == []
    later = several(engine, shop, range(7, 8), starts_per_minute=4, priority=9)
    assert taken(raw) == later
    forward(seconds(31))
    assert taken(raw) == ann[3:5]
    assert taken(raw) == []
    forward(seconds(30))
    assert taken(raw) == ann[5:]
    forward(seconds(61))
    ledger.let_in(raw)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from oms.limited_starts")) == 0


def test_both_limits_of_a_key_hold(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward
) -> None:
    """Two at once and three in a minute: the third comes when one has ended, the fourth a minute after."""
    jobs = several(engine, shop, range(1, 6), at_once=2, starts_per_minute=3)
    assert taken(raw) == jobs[:2]
    end(raw, jobs[0])
    assert taken(raw) == jobs[2:3]
    end(raw, jobs[1])
    assert taken(raw) == []
    forward(seconds(61))
    assert taken(raw) == jobs[3:4]


def test_starts_are_counted_however_a_job_comes_into_the_backlog(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward
) -> None:
    """A retry is a start, a person's too; what was let in while nothing was taken is no burst."""
    jobs = several(engine, shop, range(1, 5), starts_per_minute=2)
    for number in (2, 0, 0):
        forward(seconds(61))
        assert ledger.let_in(raw)[0] == number
    assert taken(raw) == jobs[:2]
    ticket = Ticket(jobs[0], 1, "pick")
    assert ledger.claim(raw, [(ticket, 60.0)], "w")
    ledger.fail(raw, ticket, {"type": "X", "message": "", "traceback": ""}, retry_after=5.0, worker="w")
    end(raw, jobs[1])
    with engine.begin() as connection:
        commands.retry(connection, [jobs[1]], who="x", reason=None)
    forward(seconds(6))
    ledger.wake(raw)
    assert taken(raw) == []
    forward(seconds(61))
    assert taken(raw) == jobs[:2]


def test_two_dispatchers_start_no_more_than_one_may(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, database: str
) -> None:
    """One that has lost its place and still takes jobs waits for the other, and gets none of its starts."""
    former = connections.connect(database, "former", autocommit=False)
    jobs = several(engine, shop, range(1, 4), starts_per_minute=2)
    for job in jobs:
        with engine.begin() as connection:
            connection.execute(sa.text("update oms.jobs set ready_at = null where id = :job"), {"job": job})
    assert [job.job for job in ledger.take(former, "shop", 1)] == jobs[:1]
    contender = Contender(database, lambda own: [job.job for job in ledger.take(own, "shop", 100)])
    contender.wait_for_lock(engine)
    former.commit()
    former.close()
    assert contender.finish() == jobs[2:]
    assert taken(raw) == []


def test_a_recipe_says_how_many_start_in_a_minute(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """Its jobs wait for each other, and explain says for what."""
    limited = replace(shop, limit=Limit("number", None, 3), key=None)
    with engine.begin() as connection:
        jobs = accept.accept_many(connection, limited, [{"number": 7}] * 5, requested_by="x").jobs
    assert taken(raw) == jobs[:3]
    with engine.connect() as connection:
        words = list(explanation_words.sentences(explanation.read(connection, jobs[4], ZoneInfo("UTC"))))
    assert "It waits: 3 of 3 starts with its limit key have been in the last minute." in words


@pytest.mark.parametrize(
    ("recipe", "given", "is_then"),
    [
        (None, (None, None), Limit(None, 1)),
        (Limit("a"), (None, None), Limit("a", 1)),
        (Limit("a", None, 5), (None, None), Limit("a", None, 5)),
        (Limit("a", 2, 5), (3, None), Limit("a", 3, 5)),
        (Limit("a", 2), (None, 4), Limit("a", 2, 4)),
    ],
)
def test_what_a_job_is_given_goes_before_what_its_recipe_says(
    recipe: Limit | None, given: tuple[int | None, int | None], is_then: Limit
) -> None:
    """One at once is the limit only if nobody says a number."""
    assert limits.of_job(recipe, *given) == is_then


def test_a_rate_that_cannot_be_is_refused(engine: sa.Engine, shop: Recipe) -> None:
    """In a recipe and beside a job, by its name, before the ledger has it."""
    for options in ({"starts_per_minute": 0}, {"starts_per_minute": 3001}, {"at_once": -1}):
        with pytest.raises(RequestRejected, match=next(iter(options))):
            start(engine, shop, limit_key="ann", **options)
    document = {
        "type": "a:b:v1",
        "queue": "a",
        "sla_minutes": 1,
        "steps": [{"name": "look"}],
        "payload": {"type": "object", "properties": {"account": {"type": "string"}}},
        "limit": {"field": "account", "starts_per_minute": 3},
    }
    assert recipes.parse(document, "a.toml").limit == Limit("account", None, 3)
    for number in (0, 3001):
        with pytest.raises(ConfigError, match=r"limit\.starts_per_minute"):
            recipes.parse({**document, "limit": {"starts_per_minute": number}}, "a.toml")


def test_starts_follow_a_jump_of_the_clock(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward
) -> None:
    """Back by an hour, and nobody waits for an hour; forward by one, and nothing is forgotten too early."""
    jobs = several(engine, shop, range(1, 4), starts_per_minute=1)
    assert taken(raw) == jobs[:1]
    for hours, next_one in ((-1, jobs[1:2]), (1, jobs[2:])):
        forward(timedelta(hours=hours))
        statements.run_raw(raw, "shift_lengths", {"seconds": 3600.0 * hours})
        assert taken(raw) == []
        forward(seconds(61))
        assert taken(raw) == next_one
