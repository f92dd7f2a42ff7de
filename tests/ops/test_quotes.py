"""Quotes on a real ledger: by the queue of the first step, and none if nobody can tell."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from hms_floor.api.accept import Request
from hms_floor.api.access.guard import Caller
from hms_floor.api.routes.jobs import predictions
from hms_floor.auth.tokens import Badge
from hms_oms.database.connections import RawConnection
from hms_oms.documents.foresight import Quoted
from hms_oms.recipes.recipes import Recipe
from tests.oms.test_bands import orders
from tests.ops.test_ends import measured
from tests.ops.test_previews import other_queue

ANN = Caller(Badge("ann", frozenset(), ("*",), "1", 0.0), "POST /jobs", None)


def quoted(engine: sa.Engine, recipe: Recipe, **first: object) -> Quoted:
    """The quote for a job of a recipe whose first step is another one in this."""
    begins = replace(recipe, steps=(replace(recipe.steps[0], **first), *recipe.steps[1:]))
    with engine.connect() as connection:
        return predictions.quote(connection, Request(begins, {"number": 9}, None, 10, 0, None, ANN))


def test_a_quote_goes_by_the_queue_of_the_first_step(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """The recipe's own queue says how long its SLA is; the job waits where its first step is done."""
    orders(engine, shop, (5,))
    measured(engine, raw)
    other_queue(engine)
    here = quoted(engine, shop)
    assert (here.queue, here.holds, here.unknown) == ("shop", True, None)
    there = quoted(engine, shop, queue="desk")
    # Nobody works there.
    assert (there.queue, there.holds, there.predicted_end) == ("desk", False, None)


def test_a_quote_says_why_nobody_can_tell(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """An agent is as fast as it is, parts are not there yet, and what was not measured is not known."""
    orders(engine, shop, (5,))
    assert quoted(engine, shop).unknown == "too little of shop was measured lately"
    measured(engine, raw)
    for first, unknown in (
        ({"by": "agent"}, "pick is done by an agent, and how fast agents are is not known"),
        (
            {"parts": "payload.boxes"},
            "pick is done in parts, and nothing can be told of them before they are there",
        ),
    ):
        quote = quoted(engine, shop, **first)
        assert (quote.holds, quote.late_chance, quote.predicted_end, quote.unknown) == (
            None,
            None,
            None,
            unknown,
        )
