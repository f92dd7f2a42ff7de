"""Each guard of the ledger's verbs meets what it is there for: late reports, old tickets, silent workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, ledger, losses, reservations, workers
from hms_oms.jobs.records import Completion
from hms_oms.jobs.tickets import Ticket
from hms_oms.order.estimates import Estimate
from hms_oms.order.plan import Move
from hms_oms.queues import backlogs
from hms_oms.recipes.recipes import Recipe
from tests.oms.test_advance import advanced, begun, received, report
from tests.oms.test_ledger import claim, look, order

WHO = {"who": "boss", "reason": None}
ERROR = {"type": "ValueError", "message": "no", "traceback": ""}
Forward = Callable[[timedelta], None]


def begun_again(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> int:
    """A job whose first step was lost, and runs under its second attempt."""
    job = begun(engine, raw, shop)
    assert losses.lose(raw, [Ticket(job, 1, "pick")], "test", blame="none") == 1
    ledger.take(raw, "shop", 1)
    assert claim(raw, job, "pick", 2)
    return job


def test_an_old_attempt_reports_nothing(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """A worker that was taken for lost and comes back can neither fail nor complete the new attempt."""
    job = begun_again(engine, raw, shop)
    assert ledger.fail(raw, Ticket(job, 1, "pick"), ERROR, retry_after=None, worker="w") is None
    assert advanced(raw, report(shop, job, "pick")) is None
    assert losses.lose(raw, [Ticket(job, 1, "pick")], "test") == 0
    left = look(engine, job)
    assert (left.status, left.step_name, left.attempt) == ("running", "pick", 2)


def test_what_does_not_run_cannot_fail(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """A failure of a step that was never claimed moves nothing."""
    job = order(engine, shop).id
    ledger.take(raw, "shop", 1)
    assert ledger.fail(raw, Ticket(job, 1, "pick"), ERROR, retry_after=None, worker="w") is None
    assert look(engine, job).status == "queued"


def test_a_step_does_not_pay_for_the_one_before(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Two workers that were lost in a step, and one in the next, are no three in one."""
    job = order(engine, shop).id
    for attempt in (1, 2):
        ledger.take(raw, "shop", 1)
        assert claim(raw, job, "pick", attempt)
        losses.lose(raw, [Ticket(job, attempt, "pick")], "test")
    ledger.take(raw, "shop", 1)
    assert claim(raw, job, "pick", 3)
    assert ledger.complete(raw, [_of_attempt(shop, job, "pick", 3)], "w")
    assert claim(raw, job, "pack", 3)
    losses.lose(raw, [Ticket(job, 3, "pack")], "test")
    assert look(engine, job).status == "waiting"


def test_one_lost_worker_is_charged_once(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """A worker that is lost again and again, as it seems, is one worker that the step has ended."""
    job = order(engine, shop).id
    for attempt in range(1, 5):
        ledger.take(raw, "shop", 1)
        assert claim(raw, job, "pick", attempt)
        losses.lose(raw, [Ticket(job, attempt, "pick")], "test", blame="worker")
    assert look(engine, job).status == "waiting"


def test_a_silent_worker_gets_nothing(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward
) -> None:
    """One whose last heartbeat is too old neither claims nor goes on: it would be lost with the step."""
    job = begun(engine, raw, shop)
    received(raw)
    forward(timedelta(seconds=workers.GONE_SECONDS + 1))
    made = advanced(raw, report(shop, job, "pick"), heartbeat_within=workers.GONE_SECONDS)
    assert made is not None
    assert made.status == "queued"
    ticket = Ticket(job, 1, "pack")
    within = workers.GONE_SECONDS
    assert ledger.claim(raw, [(ticket, 60.0)], "w", heartbeat_within=within) == {}
    received(raw)
    assert list(ledger.claim(raw, [(ticket, 60.0)], "w", heartbeat_within=within)) == [ticket]


def test_a_paused_queue_claims_nothing(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """What stands in Redis already is not begun while the queue is paused."""
    job = order(engine, shop).id
    ledger.take(raw, "shop", 1)
    with engine.begin() as connection:
        commands.pause(connection, "shop", **WHO)
    assert claim(raw, job, "pick") is None
    # The pause has taken it out of the window; what was in flight to the worker is void.
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.jobs set status = 'queued', dispatched_at = oms.now()")
    assert claim(raw, job, "pick", look(engine, job).attempt) is None


def test_the_earliest_deadline_is_taken_first(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Of a window of one, the job that is due first has it, whichever came first."""
    order(engine, shop, 1, sla_minutes=60)
    early = order(engine, shop, 2, sla_minutes=5)
    assert [taken.job for taken in ledger.take(raw, "shop", 1)] == [early.id]


def test_a_cancelled_job_leaves_no_good_ticket(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Reinstated and dispatched again, it is claimed by its new message alone."""
    job = order(engine, shop).id
    ledger.take(raw, "shop", 1)
    with engine.begin() as connection:
        commands.cancel(connection, [job], **WHO)
    assert look(engine, job).attempt == 2
    with engine.begin() as connection:
        commands.reinstate(connection, [job], **WHO)
    [taken] = ledger.take(raw, "shop", 1)
    assert claim(raw, job, "pick", 1) is None
    assert claim(raw, job, "pick", taken.attempt)


def test_what_must_be_on_time_is_not_given_up_for_another(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """Of two jobs with the same work and deadline the plan means the one that need not."""
    must, other = (order(engine, shop, number, must=number == 1).id for number in (1, 2))
    # What must be on time is served a little earlier than it is due: here at the same moment as the other.
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "update oms.jobs set due = due.at,"
            " sla = due.at + case when must then interval '1 minute' else '0' end"
            " from (select max(sla) as at from oms.jobs) as due"
        )
    cells = backlogs.read(raw, "shop", time.time(), lambda _: Estimate(1.0, 1.0)).cells
    [key] = [cell.key for cell in cells if not cell.must]
    assert backlogs.move(raw, "shop", [Move(key, 1)]) == 1
    assert look(engine, must).given_up_at is None
    assert look(engine, other).given_up_at is not None


def test_only_what_is_over_its_time_may_be_removed(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """A job that has ended later than was seen at first is left."""
    job = begun(engine, raw, shop)
    assert ledger.fail(raw, Ticket(job, 1, "pick"), ERROR, retry_after=None, worker="w") == "failed"
    ended = look(engine, job).finished_at
    assert ended is not None
    with engine.begin() as connection:
        asked = {"jobs": [job], "before": ended}
        assert statements.run(connection, "removable", asked) == []
        asked["before"] = ended + timedelta(seconds=1)
        assert len(statements.run(connection, "removable", asked)) == 1


def on_desk(engine: sa.Engine, raw: RawConnection, returns: Recipe, **options: float) -> int:
    """A job that waits for an agent."""
    job = order(engine, returns, **options).id
    ledger.take(raw, "returns", 1)
    assert claim(raw, job, "receive")
    assert advanced(raw, report(returns, job, "receive"))
    return job


def test_an_agent_gets_the_earliest_deadline(engine: sa.Engine, raw: RawConnection, returns: Recipe) -> None:
    """Whichever job came to the desk first; none while the desk is paused."""
    later, early = (on_desk(engine, raw, returns, sla_minutes=minutes) for minutes in (60, 5))
    with engine.begin() as connection:
        commands.pause(connection, "returns-desk", **WHO)
    assert reservations.reserve_now(raw, "returns-desk", agent="ann") is None
    with engine.begin() as connection:
        commands.resume(connection, "returns-desk")
    given = [reservations.reserve_now(raw, "returns-desk", agent="ann") for _ in range(2)]
    assert [item.ticket.job for item in given if item] == [early, later]


def test_a_reservation_is_an_attempt_of_its_own(
    engine: sa.Engine, raw: RawConnection, returns: Recipe
) -> None:
    """Once another agent has the step, the former one neither extends nor reports."""
    job = on_desk(engine, raw, returns)
    first = reservations.reserve_now(raw, "returns-desk", agent="ann")
    assert first is not None
    assert first.ticket.attempt == 2
    assert losses.lose(raw, [first.ticket], "test", blame="none") == 1
    second = reservations.reserve_now(raw, "returns-desk", agent="bob")
    assert second is not None
    with pytest.raises(reservations.LeaseLost):
        reservations.extend(raw, first)
    with pytest.raises(reservations.LeaseLost):
        reservations.report_failure(raw, first, "no")
    assert (look(engine, job).status, look(engine, job).worker) == ("running", "bob")


def _of_attempt(recipe: Recipe, job: int, step: str, attempt: int) -> Completion:
    return report(recipe, job, step)._replace(ticket=Ticket(job, attempt, step), lease=None)
