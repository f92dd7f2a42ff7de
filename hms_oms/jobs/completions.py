"""Completions: what a step function returned, as the report of its step, with the step that comes next."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hms_oms.database.plain_text import plain
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.records import Completion
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe
from hms_oms.recipes.steps.step import Step

# A NUL as JSON writes it; an escaped backslash before u0000 is only text.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

#: The longest result of a step, in characters: each later step of the job is sent all of them.
MOST_RESULT = 1_000_000


def of(ticket: Ticket, recipe: Recipe, done: Done, *, by_agent: bool, part: bool = False) -> Completion:
    """The report of a step that is done, with the step that comes next by the recipe: after a part none.

    Dates, times, decimals and UUIDs in the result are kept as text. Raises TypeError or ValueError for a
    result that is no JSON otherwise, is too large, or a skip that does not lead ahead.
    """
    step = recipe.index(ticket.step)
    following = step + 1
    if done.skip_to is not None:
        following = next((place for place, ahead in enumerate(recipe.steps) if ahead.name == done.skip_to), 0)
        if following <= step:
            raise ValueError(f"{ticket.step} cannot skip to {done.skip_to!r}: no later step has this name")
    result = json.dumps(done.result, allow_nan=False, ensure_ascii=False, default=_as_text)
    if _NUL.search(result) or result != plain(result):
        raise ValueError(f"the result of {ticket.step} holds characters that the ledger cannot keep")
    if len(result) > MOST_RESULT:
        raise ValueError(
            f"the result of {ticket.step} has {len(result):,} characters, at most {MOST_RESULT:,} are kept:"
            " store it elsewhere and return where it is"
        )
    outcome = None if done.outcome is None else plain(done.outcome)
    if part:
        if done.skip_to is not None or done.until is not None:
            raise ValueError(
                f"a part of {ticket.step} can neither skip nor sleep: its job goes on without it"
            )
        return Completion(ticket, result, outcome)
    if following == len(recipe.steps):
        if done.until is not None:
            raise ValueError(f"{ticket.step} is the last step: there is none to begin later")
        return Completion(ticket, result, outcome)
    ahead = recipe.steps[following]
    # Past a step that does not follow at once the chain has no message: the job waits to be dispatched.
    at_once = all(passed.is_at_once for passed in recipe.steps[step + 1 : following + 1])
    return Completion(
        ticket,
        result,
        outcome,
        following,
        ahead.queue,
        ahead.by == "agent",
        by_agent or not at_once or done.until is not None,
        next_event=ahead.awaits,
        **_begins(ahead, done.until),
    )


def _begins(ahead: Step, until: datetime | timedelta | None) -> dict[str, Any]:
    """When the next step begins, or what it waits for is over, as fields of a completion."""
    if ahead.event is not None and until is not None:
        raise ValueError(f"{ahead.name} waits for an event already: no sleep can come before it")
    if isinstance(until, datetime):
        if until.tzinfo is None:
            raise ValueError("a job sleeps until a time with a zone")
        return {"ready_at": until}
    seconds = [ahead.wait, until.total_seconds() if until is not None else None]
    # What waits stands in no backlog: the dispatcher begins a step in parts, or by jobs, at its next look.
    least = 0.0 if ahead.awaits != ahead.event else None
    return {"wait": max((wait for wait in seconds if wait is not None), default=least)}


def _as_text(value: Any) -> str:
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    raise TypeError(f"a {type(value).__name__} is nothing that a result can hold")
