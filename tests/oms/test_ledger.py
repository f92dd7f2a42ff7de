"""The verbs of the ledger, one transition at a time, on real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import completions, ledger
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.queries import read
from hms_oms.jobs.records import Claimed, Completion, Job
from hms_oms.jobs.tickets import Ticket
from hms_oms.queues import queues, sla
from hms_oms.recipes.recipes import Recipe


def order(engine: sa.Engine, shop: Recipe, number: int = 1, **options: Any) -> Job:
    """Accept one order."""
    with engine.begin() as connection:
        started = accept.start_job(connection, shop, {"number": number}, requested_by="test", **options)
        return started.job


def look(engine: sa.Engine, job: int) -> Job:
    """The job as it stands now."""
    with engine.connect() as connection:
        return read.get(connection, job)


def facts(engine: sa.Engine, job: int) -> list[str]:
    """The facts of a job's event log."""
    with engine.connect() as connection:
        return [event.fact for event in read.event_log(connection, job)]


def claim(raw: RawConnection, job: int, step: str, attempt: int = 1) -> Claimed | None:
    """Claim one step for worker `w`."""
    ticket = Ticket(job, attempt, step)
    return ledger.claim(raw, [(ticket, 60.0)], "w").get(ticket)


def test_a_job_lives_from_accepted_to_done(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Accept, take, claim and complete each step: the job is done, with each result and a full event log."""
    job = order(engine, shop)
    assert (job.status, job.sla - job.created_at) == ("waiting", timedelta(minutes=30))

    [taken] = ledger.take(raw, "shop", 10)
    assert (taken.job, taken.attempt, taken.step) == (job.id, 1, 0)
    for position, step in enumerate(["pick", "pack", "send"]):
        assert claim(raw, job.id, step) is not None
        following = position + 1 if position < 2 else None
        report = Completion(
            Ticket(job.id, 1, step), f'"{step} ok"', None, following, "shop" if following else None, False
        )
        status = ledger.complete(raw, [report], "w")[report.ticket]
        assert status == ("queued" if following else "done")

    done = look(engine, job.id)
    assert done.status == "done"
    assert done.results == {"pick": "pick ok", "pack": "pack ok", "send": "send ok"}
    assert facts(engine, job.id) == [
        "accepted", "dispatched", "claimed", "advanced", "claimed", "advanced", "claimed", "finished",
    ]  # fmt: skip


def test_a_doubled_ticket_is_good_once(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """The second claim of the same ticket, and the second report of the same step, move no row."""
    job = order(engine, shop)
    ledger.take(raw, "shop", 1)
    assert claim(raw, job.id, "pick") is not None
    assert claim(raw, job.id, "pick") is None
    report = Completion(Ticket(job.id, 1, "pick"), "1", None, 1, "shop", False)
    assert ledger.complete(raw, [report], "w")
    assert ledger.complete(raw, [report], "w") == {}


@pytest.mark.parametrize(
    ("step", "attempt"), [("pack", 1), ("pick", 2), ("nonsense", 1)], ids=["step", "attempt", "forged"]
)
def test_a_void_ticket_does_nothing(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, step: str, attempt: int
) -> None:
    """A ticket for another step or attempt than the ledger's claims nothing."""
    job = order(engine, shop)
    ledger.take(raw, "shop", 1)
    assert claim(raw, job.id, step, attempt) is None
    assert look(engine, job.id).status == "queued"


def test_the_backlog_is_taken_by_priority_then_deadline(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """The most urgent job goes first: higher priority, then the earlier deadline, then the older one."""
    late = order(engine, shop, 1, sla_minutes=60)
    early = order(engine, shop, 2, sla_minutes=5)
    urgent = order(engine, shop, 3, sla_minutes=60, priority=5)
    twin = order(engine, shop, 4, sla_minutes=60)
    taken = [job.job for job in ledger.take(raw, "shop", 10)]
    assert taken[:2] == [urgent.id, early.id]
    assert taken[2:] == [late.id, twin.id]


def test_the_same_key_is_one_job(engine: sa.Engine, shop: Recipe) -> None:
    """A repeated key leads to the job that is there, in one call and in the next."""
    first = order(engine, shop, 7)
    assert order(engine, shop, 7).id == first.id
    with engine.begin() as connection:
        accepted = accept.accept_many(
            connection, shop, [{"number": 7}, {"number": 8}, {"number": 8}], requested_by="test"
        )
    assert (len(accepted.jobs), accepted.duplicates) == (1, 2)


def test_a_failed_step_waits_and_then_fails_for_good(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """A failure goes back under a new attempt, not before its time; the last one is final."""
    job = order(engine, shop)
    ledger.take(raw, "shop", 1)
    claim(raw, job.id, "pick")
    error = {"type": "ValueError", "message": "no", "traceback": ""}
    assert ledger.fail(raw, Ticket(job.id, 1, "pick"), error, retry_after=60, worker="w") == "waiting"
    assert ledger.take(raw, "shop", 1) == []
    assert 55 < ledger.wake(raw) <= 60

    forward(timedelta(seconds=61))
    ledger.wake(raw)
    [again] = ledger.take(raw, "shop", 1)
    assert (again.attempt, again.step) == (2, 0)
    claim(raw, job.id, "pick", 2)
    assert ledger.fail(raw, Ticket(job.id, 2, "pick"), error, retry_after=None, worker="w") == "failed"
    failed = look(engine, job.id)
    assert (failed.status, failed.failures, failed.error) == ("failed", 2, error)


def test_a_new_sla_holds_for_future_jobs_only(engine: sa.Engine, shop: Recipe) -> None:
    """set_sla changes the deadline of jobs accepted afterwards, and keeps its history."""
    before = order(engine, shop, 1)
    with engine.begin() as connection:
        sla.set_sla(connection, "shop", 5, set_by="boss", reason="harvest")
    after = order(engine, shop, 2)
    assert look(engine, before.id).sla_minutes == 30
    assert after.sla - after.created_at == timedelta(minutes=5)
    with engine.connect() as connection:
        assert [(entry.minutes, entry.set_by) for entry in sla.history(connection, "shop")] == [
            (5, "boss"),
            (30, "recipe"),
        ]


def test_an_sla_holds_though_the_clock_was_set_back(
    engine: sa.Engine, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """Behind the time of its entry it is still the one that was set last, and so is one that is set then."""
    forward(timedelta(hours=-1))
    with engine.begin() as connection:
        assert sla.minutes_in_force(connection, "shop") == 30
        sla.set_sla(connection, "shop", 5, set_by="boss", reason="harvest")
        assert sla.minutes_in_force(connection, "shop") == 5
        assert [entry.minutes for entry in sla.history(connection, "shop")] == [5, 30]
        assert {row.name: row.sla_minutes for row in queues.overview(connection)}["shop"] == 5
    forward(timedelta(hours=1))
    with engine.begin() as connection:
        assert sla.minutes_in_force(connection, "shop") == 5


def test_the_event_log_cannot_be_rewritten(engine: sa.Engine, shop: Recipe) -> None:
    """The event log is append-only: the database refuses to change or remove one."""
    order(engine, shop)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
        connection.exec_driver_sql("update oms.job_events set fact = 'nothing'")


def test_a_result_that_the_ledger_cannot_keep_is_refused(shop: Recipe) -> None:
    """NUL characters and lone surrogates are refused with the step's name; their spelling as text is not."""
    ticket = Ticket(1, 1, "pick")
    for result in ({"x": "a\0b"}, ["\ud800"]):
        with pytest.raises(ValueError, match="pick holds characters"):
            completions.of(ticket, shop, Done(result), by_agent=False)
    assert completions.of(ticket, shop, Done("C:\\u0000"), by_agent=False)


def test_a_skip_past_an_agents_step_waits_in_the_ledger(returns: Recipe) -> None:
    """The chain ends at an agent's step, so what is behind it has no message: it is handed over."""
    report = completions.of(Ticket(1, 1, "receive"), returns, Done(skip_to="refund"), by_agent=False)
    assert (report.next_step, report.next_agent, report.hand_over) == (2, False, True)


def test_a_retried_job_keeps_its_outcome(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """What an earlier step has decided is still decided when a later one is tried again."""
    from hms_oms.jobs import commands

    job = order(engine, shop)
    ledger.take(raw, "shop", 1)
    claim(raw, job.id, "pick")
    ledger.complete(raw, [Completion(Ticket(job.id, 1, "pick"), "1", "assigned", 1, "shop", False)], "w")
    claim(raw, job.id, "pack")
    ledger.fail(raw, Ticket(job.id, 1, "pack"), {"type": "E"}, retry_after=None, worker="w")
    with engine.begin() as connection:
        commands.retry(connection, [job.id], who="boss", reason=None)
    assert look(engine, job.id).outcome == "assigned"
