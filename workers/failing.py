"""Report the failure of a step by the retry policy of its recipe, wherever it is noticed."""

from __future__ import annotations

import random
import traceback

from hms_oms.database import plain_text, statements
from hms_oms.database.connections import RawConnection
from hms_oms.database.lending.held_connection import TransactionHeld
from hms_oms.jobs import ledger
from hms_oms.jobs.outcomes import Retry
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes import registry
from hms_oms.recipes.recipes import Recipe
from hms_oms.recipes.steps.step import RetryPolicy
from hms_oms.runtime.errors import RecipeUnreadable
from workers.limits import TimeLimitExceeded

#: Mistakes of a program, which makes them again: tried again only if the recipe names them.
PROGRAMMING_ERRORS = (
    AssertionError,
    AttributeError,
    ImportError,
    NameError,
    NotImplementedError,
    SyntaxError,
    TypeError,
    TransactionHeld,
)
#: How much of a traceback the ledger keeps, in characters.
TRACEBACK_CHARACTERS = 8000


def overrun(connection: RawConnection, ticket: Ticket, limit: float) -> str | None:
    """Report a step that was ended at its limit; the job's status now, or None if the report is too late."""
    rows = statements.run_raw(
        connection, "begun", {"job": ticket.job, "attempt": ticket.attempt, "step": ticket.step}
    )
    if not rows:
        return None
    [row] = rows
    try:
        recipe: Recipe = registry.snapshot(connection, row["recipe_id"])
    except RecipeUnreadable as unreadable:
        return ledger.fail(connection, ticket, describe(unreadable), retry_after=None, worker="time limit")
    work = recipe.work(row["step"], row["part"])
    error = TimeLimitExceeded(f"the time limit of {limit:g} s was exceeded")
    retry_after = delay(work.retry, error, row["failures"], random.random())  # noqa: S311
    return ledger.fail(connection, ticket, describe(error), retry_after=retry_after, worker="time limit")


def delay(policy: RetryPolicy, error: Exception, failures: int, chance: float) -> float | None:
    """How many seconds to wait before the step is tried again, or None when it is not.

    Exponential back-off with additive jitter: `base * factor ** failures`, at most `max_seconds`, plus
    `chance` (0 to 1) times the jitter share of that.
    """
    if failures + 1 >= policy.attempts:
        return None
    if isinstance(error, Retry) and error.after is not None:
        return max(0.0, error.after.total_seconds())
    if not isinstance(error, Retry) and not _is_tried_again(policy, error):
        return None
    seconds = min(policy.base_seconds * policy.factor**failures, policy.max_seconds)
    return seconds * (1 + policy.jitter * chance)


def _is_tried_again(policy: RetryPolicy, error: Exception) -> bool:
    if not policy.errors:
        return not isinstance(error, PROGRAMMING_ERRORS)
    return not {kind.__name__ for kind in type(error).__mro__}.isdisjoint(policy.errors)


def describe(error: Exception) -> dict[str, str]:
    """An exception as the ledger keeps it."""
    lines = "".join(traceback.format_exception(error))
    return {
        "type": type(error).__name__,
        "message": plain_text.plain(str(error)),
        "traceback": plain_text.plain(lines[-TRACEBACK_CHARACTERS:]),
    }
