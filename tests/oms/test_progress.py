"""What a running step tells of itself, and what it learns of its job."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, ledger
from hms_oms.jobs.live import running
from hms_oms.jobs.live.running import MOST_NOTE, StepProgress
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe
from tests.oms.test_advance import advanced, begun, report
from tests.oms.test_ledger import claim, facts, look


def test_the_newest_progress_stands_with_the_job(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """It is seen while its step runs, is in no event log, and the next step has none yet."""
    job = begun(engine, raw, shop)
    ticket = Ticket(job, 1, "pick")
    before = facts(engine, job)
    for share, note in ((0.1, "page 3"), (0.4, "page 12")):
        running.note_progress(raw, {ticket: StepProgress(share, note)})
    last = look(engine, job).progress
    assert last is not None
    assert (last.share, last.note) == (0.4, "page 12")
    assert last.at.tzinfo is not None
    assert facts(engine, job) == before
    advanced(raw, report(shop, job, "pick"))
    assert (look(engine, job).step_name, look(engine, job).progress) == ("pack", None)


def test_a_step_that_was_given_up_tells_nothing(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """What an earlier attempt says is void, whether the next one runs or not."""
    job = begun(engine, raw, shop)
    first, second = Ticket(job, 1, "pick"), Ticket(job, 2, "pick")
    running.note_progress(raw, {first: StepProgress(0.9)})
    ledger.fail(raw, first, {"type": "ValueError"}, retry_after=0.0, worker="w")
    assert look(engine, job).progress is None
    ledger.take(raw, "shop", 1)
    assert claim(raw, job, "pick", attempt=2)
    assert look(engine, job).progress is None
    running.note_progress(raw, {first: StepProgress(1.0), second: StepProgress(0.2)})
    last = look(engine, job).progress
    assert last is not None
    assert last.share == 0.2


def test_progress_waits_for_nobody(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """While somebody else changes the job nothing is noted of it, and the next time again."""
    job = begun(engine, raw, shop)
    ticket = Ticket(job, 1, "pick")
    with engine.begin() as other:
        commands.hold(other, [job])
        running.note_progress(raw, {ticket: StepProgress(0.3)})
    assert look(engine, job).progress is None
    running.note_progress(raw, {ticket: StepProgress(0.3)})
    assert look(engine, job).progress is not None


@pytest.mark.parametrize("end", ["cancelled with its step", "cancelled now", "another attempt"])
def test_a_step_learns_that_it_works_for_nothing(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, end: str
) -> None:
    """By a cancellation at its end or now, and by the loss of its attempt."""
    job = begun(engine, raw, shop)
    ticket = Ticket(job, 1, "pick")
    assert not running.is_to_end(raw, ticket)
    if end == "another attempt":
        ledger.fail(raw, ticket, {}, retry_after=0.0, worker="w")
    else:
        with engine.begin() as connection:
            commands.cancel(connection, [job], who="boss", reason=None, now=end == "cancelled now")
    assert running.is_to_end(raw, ticket)


def test_progress_is_a_share_and_a_short_line() -> None:
    """Sums of shares may be a little off, and a note is one line."""
    assert StepProgress.of(sum([0.1] * 10) + 1e-9, "page\n12") == StepProgress(1.0, "page 12")
    assert len(StepProgress.of(0, "x" * 999).note) == MOST_NOTE


@pytest.mark.parametrize("share", [40, -0.1, float("nan")])
def test_what_is_no_share_is_refused(share: float) -> None:
    """The error says what a share is."""
    with pytest.raises(ValueError, match="a share from 0 to 1"):
        StepProgress.of(share, "")
