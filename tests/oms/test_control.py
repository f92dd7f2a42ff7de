"""What a person may do to jobs and queues while they live."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, completions, ledger, losses, reservations, workers
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.queries import explain, read
from hms_oms.jobs.records import Completion
from hms_oms.jobs.tickets import Ticket
from hms_oms.queues import dispatch_windows
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.errors import UnknownQueue
from tests.oms.test_ledger import claim, facts, look, order

WHO = {"who": "boss", "reason": "harvest"}


def test_cancel_by_status(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Waiting and queued jobs end at once; a running one at its step boundary, where its result is kept."""
    running = order(engine, shop, 1)
    queued = order(engine, shop, 2)
    ledger.take(raw, "shop", 2)
    claim(raw, running.id, "pick")
    waiting = order(engine, shop, 3)
    with engine.begin() as connection:
        asked = commands.cancel(connection, [running.id, queued.id, waiting.id], **WHO)
    assert asked == [Ticket(running.id, 1, "pick")]
    assert [look(engine, job.id).status for job in (running, queued, waiting)] == [
        "running",
        "cancelled",
        "cancelled",
    ]
    assert claim(raw, queued.id, "pick") is None
    report = Completion(Ticket(running.id, 1, "pick"), "1", None, 1, "shop", False)
    assert ledger.complete(raw, [report], "w") == {report.ticket: "cancelled"}
    assert look(engine, running.id).results == {"pick": 1}
    assert facts(engine, running.id)[-2:] == ["cancel asked", "cancelled"]


def test_cancel_now_refuses_the_report(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Cancelled with `now`, a running job is over at once, and what its step reports changes nothing."""
    job = order(engine, shop)
    ledger.take(raw, "shop", 1)
    claim(raw, job.id, "pick")
    with engine.begin() as connection:
        assert commands.cancel(connection, [job.id], now=True, **WHO) == [Ticket(job.id, 1, "pick")]
    report = Completion(Ticket(job.id, 1, "pick"), "1", None, 1, "shop", False)
    assert ledger.complete(raw, [report], "w") == {}
    assert look(engine, job.id).status == "cancelled"


def test_promoted_job_is_next(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Promotion puts a job before all others, those promoted before it included."""
    first, second, third = (order(engine, shop, number) for number in (1, 2, 3))
    with engine.begin() as connection:
        commands.prioritize(connection, [first.id], 7, **WHO)
        commands.promote(connection, second.id, **WHO)
        commands.promote(connection, third.id, **WHO)
        order_now = [job.id for job in read.peek(connection, "shop", 10)]
    assert order_now == [third.id, second.id, first.id]
    assert [job.job for job in ledger.take(raw, "shop", 1)] == [third.id]


def test_what_stands_in_the_window_can_still_be_moved(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """A queued job goes to another queue under a new attempt; its ticket on the way is void."""
    job = order(engine, shop)
    with engine.begin() as connection:
        connection.execute(sa.text("insert into oms.queues (name) values ('annex')"))
    ledger.take(raw, "shop", 1)
    with engine.begin() as connection:
        assert commands.move(connection, [job.id], "annex", **WHO) == [job.id]
    assert claim(raw, job.id, "pick") is None
    [taken] = ledger.take(raw, "annex", 1)
    assert (taken.job, taken.attempt) == (job.id, 2)
    with pytest.raises(UnknownQueue, match="nowhere"), engine.begin() as connection:
        commands.move(connection, [job.id], "nowhere", **WHO)


def test_a_paused_queue_starts_nothing(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Pause calls the window back, voids tickets, holds jobs at the step boundary; resume lets them go on."""
    begun, queued = order(engine, shop, 1), order(engine, shop, 2)
    ledger.take(raw, "shop", 2)
    claim(raw, begun.id, "pick")
    with engine.begin() as connection:
        assert commands.pause(connection, "shop", **WHO) == 1
    assert claim(raw, queued.id, "pick") is None
    report = Completion(Ticket(begun.id, 1, "pick"), "1", None, 1, "shop", False)
    assert ledger.complete(raw, [report], "w") == {report.ticket: "waiting"}
    assert [window.queue for window in dispatch_windows.windows(raw)] == []
    with engine.begin() as connection:
        standing = explain.standing(connection, queued.id)
        assert (standing.paused_by, standing.pause_reason) == ("boss", "harvest")
        assert commands.resume(connection, "shop")
    assert {(job.job, job.attempt, job.step) for job in ledger.take(raw, "shop", 9)} == {
        (begun.id, 1, 1),
        (queued.id, 2, 0),
    }


def test_a_failed_job_is_retried_from_its_step(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Retry puts a failed job back at the step that failed, with the results of the steps before it."""
    job = order(engine, shop)
    ledger.take(raw, "shop", 1)
    claim(raw, job.id, "pick")
    ledger.complete(raw, [Completion(Ticket(job.id, 1, "pick"), '"ok"', None, 1, "shop", False)], "w")
    claim(raw, job.id, "pack")
    ledger.fail(raw, Ticket(job.id, 1, "pack"), {"type": "E"}, retry_after=None, worker="w")
    with engine.begin() as connection:
        assert commands.retry(connection, [job.id], **WHO) == [job.id]
        assert commands.retry(connection, [job.id], **WHO) == []
    [taken] = ledger.take(raw, "shop", 1)
    assert (taken.attempt, taken.step) == (3, 1)
    claimed = claim(raw, job.id, "pack", 3)
    assert claimed is not None
    assert claimed.results == {"pick": "ok"}


def test_a_delayed_job_waits(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """A job delayed until a moment is not dispatched before it."""
    job = order(engine, shop)
    with engine.begin() as connection:
        moment = job.created_at + timedelta(hours=1)
        commands.delay(connection, [job.id], moment, **WHO)
    assert ledger.take(raw, "shop", 1) == []
    forward(timedelta(hours=1, seconds=1))
    ledger.wake(raw)
    assert [taken.job for taken in ledger.take(raw, "shop", 1)] == [job.id]


def test_starts_per_minute(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """A queue limited to 30 starts a minute allows one every two seconds, and saves up no more than one."""
    for number in range(5):
        order(engine, shop, number + 1)
    with engine.begin() as connection:
        commands.limit(connection, "shop", window=100, starts_per_minute=30, who="test")

    def room() -> int:
        [window] = dispatch_windows.windows(raw)
        return window.room(0)

    assert room() == 0
    forward(timedelta(seconds=60))
    assert room() == 1
    dispatch_windows.charge(raw, "shop", 1)
    assert room() == 0
    forward(timedelta(seconds=2.1))
    assert room() == 1
    dispatch_windows.charge(raw, "shop", 1)
    # A clock that was set back holds up nothing until it is there again.
    forward(timedelta(hours=-1))
    assert room() == 1
    dispatch_windows.charge(raw, "shop", 1)
    assert room() == 0
    forward(timedelta(seconds=2.1))
    assert room() == 1


def test_an_agent_reserves_extends_and_reports(
    engine: sa.Engine, raw: RawConnection, returns: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """An agent's step: reserved by one, lost when the lease runs out, reported once, late reports refused."""
    with engine.begin() as connection:
        job = accept.start_job(connection, returns, {}, requested_by="test").job
    assert reservations.reserve(raw, "returns-desk", agent="ann") is None
    ledger.take(raw, "returns", 1)
    ticket = Ticket(job.id, 1, "receive")
    assert ledger.claim(raw, [(ticket, 60)], "w")
    report = completions.of(ticket, returns, Done({"box": 1}), by_agent=False)
    assert ledger.complete(raw, [report], "w") == {ticket: "waiting"}

    first = reservations.reserve(raw, "returns-desk", agent="ann", lease=60)
    assert first is not None
    assert first.results == {"receive": {"box": 1}}
    assert reservations.reserve(raw, "returns-desk", agent="bob") is None
    forward(timedelta(seconds=30))
    reservations.extend(raw, first, 60)
    forward(timedelta(seconds=50))
    sweep(raw)
    assert look(engine, job.id).status == "running"
    forward(timedelta(seconds=20))
    sweep(raw)

    second = reservations.reserve(raw, "returns-desk", agent="bob", lease=60)
    assert second is not None
    with pytest.raises(reservations.LeaseLost, match=f"job-{job.id}"):
        reservations.report_done(raw, first, Done("mine"))
    with pytest.raises(reservations.LeaseLost):
        reservations.extend(raw, first)
    assert reservations.report_done(raw, second, Done({"refund": True}, outcome="granted")) == "waiting"
    [taken] = ledger.take(raw, "returns", 1)
    assert (taken.step, look(engine, job.id).outcome) == (2, "granted")


def sweep(raw: RawConnection) -> None:
    """Take back reservations whose lease has run out."""
    from hms_oms.database import statements

    rows = statements.run_raw(
        raw,
        "orphans",
        {
            "gone": workers.GONE_SECONDS,
            "silent": 3.5,
            "unheld": 4.0,
            "judge_workers": True,
            "in_flight_from": None,
        },
    )
    losses.lose(
        raw, [Ticket(row["job"], row["attempt"], row["step"]) for row in rows], "the lease has run out"
    )
