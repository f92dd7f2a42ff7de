"""Reinstating cancelled jobs, giving their keys to new ones, and undoing what was just done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_oms.database import health
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, completions, ledger
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.queries import read
from hms_oms.jobs.records import Completion
from hms_oms.jobs.tickets import Ticket
from hms_oms.queues import answers, queues, sla
from hms_oms.recipes.recipes import Recipe
from hms_oms.undo import changes, queue_changes, undo
from hms_oms.undo.undo import NotUndoable, NotYours
from tests.oms.test_ledger import claim, facts, look, order
from tests.oms.test_waits import visit as visit

WHO: dict[str, Any] = {"who": "ann", "reason": "storm"}


def cancel(engine: sa.Engine, *ids: int, who: str = "ann", now: bool = False) -> int:
    """Cancel jobs so that it can be undone, and return the number of the change."""
    with engine.begin() as connection:
        change = changes.begin(connection, "cancel", who=who)
        commands.cancel_jobs(connection, ids, who=who, reason=None, now=now, change=change)
    return change


def take_back(engine: sa.Engine, change: int, who: str = "ann", *, manager: bool = False) -> undo.Undone:
    """Undo a change."""
    with engine.begin() as connection:
        return undo.undo(connection, change, who=who, manager=manager)


def done_first(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> int:
    """A job whose first step is done, and that stands in the window for the second."""
    job = order(engine, shop).id
    ledger.take(raw, "shop", 1)
    claim(raw, job, "pick")
    ledger.complete(raw, [Completion(Ticket(job, 1, "pick"), '"ok"', None, 1, "shop", False)], "w")
    return job


def test_a_cancelled_job_is_reinstated_at_its_step(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """It waits at the step at which it stood, with its results and its deadline, under a new attempt."""
    job = done_first(engine, raw, shop)
    due = look(engine, job).sla
    with engine.begin() as connection:
        commands.cancel(connection, [job], **WHO)
        assert commands.reinstate(connection, [job], **WHO) == [job]
        assert commands.reinstate(connection, [job], **WHO) == []
    back = look(engine, job)
    assert (back.status, back.step_name, back.attempt, back.results) == ("waiting", "pack", 3, {"pick": "ok"})
    assert (back.sla, back.finished_at) == (due, None)
    assert claim(raw, job, "pack", 1) is None
    [taken] = ledger.take(raw, "shop", 1)
    assert (taken.job, taken.attempt, taken.step) == (job, 3, 1)
    assert claim(raw, job, "pack", 3) is not None


def test_a_running_job_that_was_to_end_goes_on(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Reinstated before its step is over, it was never cancelled: the same attempt goes on."""
    job = order(engine, shop).id
    ledger.take(raw, "shop", 1)
    claim(raw, job, "pick")
    with engine.begin() as connection:
        commands.cancel(connection, [job], **WHO)
        assert commands.reinstate(connection, [job], **WHO) == [job]
    report = Completion(Ticket(job, 1, "pick"), "1", None, 1, "shop", False)
    assert ledger.complete(raw, [report], "w") == {report.ticket: "queued"}
    assert facts(engine, job)[-2:] == ["cancel withdrawn", "advanced"]


def test_a_delayed_job_is_still_delayed_after_it(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """An earliest start that is still ahead holds; one that has passed does not keep the job back."""
    job = order(engine, shop)
    with engine.begin() as connection:
        commands.delay(connection, [job.id], job.created_at + timedelta(hours=1), **WHO)
        commands.cancel(connection, [job.id], **WHO)
        commands.reinstate(connection, [job.id], **WHO)
    assert look(engine, job.id).ready_at is not None
    with engine.begin() as connection:
        commands.cancel(connection, [job.id], **WHO)
    forward(timedelta(hours=2))
    with engine.begin() as connection:
        commands.reinstate(connection, [job.id], **WHO)
    assert [taken.job for taken in ledger.take(raw, "shop", 1)] == [job.id]


def test_a_cancelled_jobs_key_makes_a_new_job(engine: sa.Engine, shop: Recipe) -> None:
    """Asked again with its key, a new job refers to it; then the key is the new job's."""
    old = order(engine, shop, 1).id
    with engine.begin() as connection:
        commands.cancel(connection, [old], **WHO)
        new = accept.start_job(connection, shop, {"number": 1}, requested_by="test")
        again = accept.start_job(connection, shop, {"number": 1}, requested_by="test")
    assert (new.created, again.created, again.job.id) == (True, False, new.job.id)
    assert look(engine, new.job.id).replaces == old
    with engine.begin() as connection:
        assert commands.reinstate(connection, [old], **WHO) == []
        assert commands.key_holders(connection, [old, new.job.id]) == {old: new.job.id}


def test_of_jobs_with_one_key_the_newest_is_reinstated(engine: sa.Engine, shop: Recipe) -> None:
    """Two cancelled jobs with one key, named together: only the newer one comes back."""
    old = order(engine, shop, 1).id
    cancel(engine, old)
    new = order(engine, shop, 1).id
    cancel(engine, new)
    with engine.begin() as connection:
        assert commands.key_holders(connection, [old, new]) == {old: new}
        assert commands.reinstate(connection, [old, new], **WHO) == [new]


def test_a_cancellation_is_undone(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """What waited waits again, what was to end with its step goes on, and the logs name the undone change."""
    running, waiting = order(engine, shop, 1).id, order(engine, shop, 2).id
    ledger.take(raw, "shop", 1)
    claim(raw, running, "pick")
    change = cancel(engine, running, waiting)
    done = take_back(engine, change)
    assert (done.restored, done.left) == ([running, waiting], {})
    assert done.message == "Undone: the cancellation of 2 jobs."
    assert [look(engine, job).status for job in (running, waiting)] == ["running", "waiting"]
    with engine.connect() as connection:
        last = read.event_log(connection, waiting)[-1]
    assert (last.fact, last.who, (last.detail or {})["undo"]) == ("reinstated", "ann", change)


def test_a_change_is_undone_once_in_its_time_by_whom_it_is(
    engine: sa.Engine, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """By the one who made it or a manager, once, and within thirty seconds of the ledger's clock."""
    first, second = order(engine, shop, 1).id, order(engine, shop, 2).id
    change = cancel(engine, first)
    with pytest.raises(NotYours, match="is by ann: they or a manager"):
        take_back(engine, change, "bob")
    take_back(engine, change, "bob", manager=True)
    with pytest.raises(NotUndoable, match="undone already, by bob"):
        take_back(engine, change)
    late = cancel(engine, second)
    forward(timedelta(seconds=changes.UNDO_SECONDS - 1))
    with engine.connect() as connection:
        assert [item.id for item in changes.undoable(connection, "ann")] == [late]
        assert changes.undoable(connection, "bob") == []
    forward(timedelta(seconds=2))
    with pytest.raises(NotUndoable, match="30 seconds, and they are over"):
        take_back(engine, late)
    assert look(engine, second).status == "cancelled"
    with pytest.raises(changes.UnknownChange):
        take_back(engine, 999)


def test_the_order_is_restored_where_nobody_has_changed_it(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """A job that has started stays, one that somebody else has promoted since stays, the rest goes back."""
    ids = [order(engine, shop, number).id for number in (1, 2, 3)]
    with engine.begin() as connection:
        change = changes.begin(connection, "priority", who="ann")
        commands.prioritize(connection, ids, 5, **WHO, change=change)
        other = changes.begin(connection, "promote", who="bob")
        commands.promote(connection, ids[1], who="bob", reason=None, change=other)
        commands.promote(connection, ids[0], **WHO)
    ledger.take(raw, "shop", 1)
    claim(raw, ids[0], "pick")
    done = take_back(engine, change)
    assert (done.restored, done.left) == ([ids[2]], {"started already": 1, "changed again by bob": 1})
    assert [look(engine, job).priority for job in ids[1:]] == [6, 0]
    assert "of 1 of 3 jobs; 1 started already; 1 changed again by bob." in done.message


def test_changes_are_undone_one_after_the_other(engine: sa.Engine, shop: Recipe) -> None:
    """The last first: what has been undone does not keep the one before it from being undone."""
    job = order(engine, shop).id
    with engine.begin() as connection:
        made = []
        for number in (3, 8):
            made.append(changes.begin(connection, "priority", who="ann"))
            commands.prioritize(connection, [job], number, **WHO, change=made[-1])
    with pytest.raises(NotUndoable, match="1 changed again by ann"):
        take_back(engine, made[0])
    take_back(engine, made[1])
    assert look(engine, job).priority == 3
    take_back(engine, made[0])
    assert look(engine, job).priority == 0


def test_a_moved_and_a_delayed_job_go_back(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """To the queue and to the earliest start that they had; a ticket that went out meanwhile is void."""
    job = order(engine, shop)
    with engine.begin() as connection:
        connection.execute(sa.text("insert into oms.queues (name) values ('annex')"))
        moved = changes.begin(connection, "move", who="ann")
        commands.move(connection, [job.id], "annex", **WHO, change=moved)
    ledger.take(raw, "annex", 1)
    take_back(engine, moved)
    back = look(engine, job.id)
    assert (back.queue, back.status, back.attempt) == ("shop", "waiting", 2)
    assert claim(raw, job.id, "pick", 1) is None
    with engine.begin() as connection:
        delayed = changes.begin(connection, "delay", who="ann")
        until = job.created_at + timedelta(hours=1)
        commands.delay(connection, [job.id], until, **WHO, change=delayed)
    take_back(engine, delayed)
    assert look(engine, job.id).ready_at is None


def test_what_has_gone_on_is_not_moved_back(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """A job that was moved and has done its step since stands where the next step is done."""
    job = order(engine, shop).id
    with engine.begin() as connection:
        connection.execute(sa.text("insert into oms.queues (name) values ('annex')"))
        moved = changes.begin(connection, "move", who="ann")
        commands.move(connection, [job], "annex", **WHO, change=moved)
    ledger.take(raw, "annex", 1)
    assert claim(raw, job, "pick")
    assert ledger.complete(raw, [Completion(Ticket(job, 1, "pick"), "1", None, 1, "shop", False)], "w")
    with pytest.raises(undo.NotUndoable, match="1 gone on since"):
        take_back(engine, moved)
    left = look(engine, job)
    assert (left.status, left.attempt, left.step_name) == ("queued", 1, "pack")


def test_a_delay_is_not_undone_while_a_job_waits_for_something_else(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, visit: Recipe
) -> None:
    """For an answer, or for an event: neither is cut short by the earliest start that it had before."""
    held, awaiting = order(engine, shop).id, order(engine, visit).id
    delays = []
    for job in (held, awaiting):
        with engine.begin() as connection:
            delays.append(changes.begin(connection, "delay", who="ann"))
            commands.delay(connection, [job], health.clock(connection), **WHO, change=delays[-1])
    with engine.begin() as connection:
        answers.hold(connection, [held], **WHO)
    ledger.wake(raw)
    ledger.take(raw, "visit", 1)
    claim(raw, awaiting, "pick")
    report = completions.of(Ticket(awaiting, 1, "pick"), visit, Done(), by_agent=False)
    assert ledger.complete(raw, [report], "w") == {report.ticket: "waiting"}
    limit = look(engine, awaiting).ready_at
    for change, words in zip(delays, ("an answer", "an event"), strict=True):
        with pytest.raises(NotUndoable, match=f"nothing is left to undo: 1 waits for {words} now"):
            take_back(engine, change)
    ledger.wake(raw)
    assert ledger.take(raw, "shop", 1) == []
    assert limit is not None
    assert look(engine, awaiting).ready_at == limit


def test_a_reinstatement_is_undone(engine: sa.Engine, shop: Recipe) -> None:
    """The job is cancelled again."""
    job = order(engine, shop).id
    cancel(engine, job)
    with engine.begin() as connection:
        change = changes.begin(connection, "reinstate", who="ann")
        commands.reinstate(connection, [job], **WHO, change=change)
    take_back(engine, change)
    assert (look(engine, job).status, facts(engine, job)[-1]) == ("cancelled", "cancelled")


def test_a_job_that_was_replaced_meanwhile_stays_cancelled(engine: sa.Engine, shop: Recipe) -> None:
    """Its key is a newer job's: the answer names it."""
    job = order(engine, shop, 1).id
    change = cancel(engine, job)
    new = order(engine, shop, 1).id
    with pytest.raises(NotUndoable, match=f"1 replaced by job-{new}"):
        take_back(engine, change)


def do(engine: sa.Engine, action: str, by: str = "ann", **options: Any) -> int | None:
    """Do something to the queue shop, and return the number of the change."""
    verbs: dict[str, Callable[..., object]] = {
        "pause": commands.pause,
        "resume": commands.resume,
        "limit": commands.limit,
        "sla": sla.set_sla,
    }
    with engine.begin() as connection, queue_changes.keep(connection, action, "shop", who=by) as kept:
        verbs[action](connection, "shop", **options)
    return kept.change


@pytest.mark.usefixtures("shop")
def test_a_queue_stands_as_it_did_before(engine: sa.Engine) -> None:
    """Pause, limit and SLA go back; what changes nothing leaves nothing to undo."""
    pause, limit = do(engine, "pause", **WHO), do(engine, "limit", window=5, starts_per_minute=60, who="ann")
    sla = do(engine, "sla", minutes=1.0, set_by="ann", reason=None)
    assert do(engine, "limit", window=5, starts_per_minute=60, who="ann") is None
    assert None not in (pause, limit, sla)
    for change in (pause, limit, sla):
        assert take_back(engine, change or 0).message.endswith("of shop.")
    with engine.connect() as connection:
        [queue] = [item for item in queues.overview(connection) if item.name == "shop"]
        assert (queue.paused_at, queue.sla_minutes) == (None, 30)
        assert commands.limits(connection, "shop") == commands.Limits(None, None)


@pytest.mark.usefixtures("shop")
def test_a_resumed_queue_is_paused_again_since_it_was(
    engine: sa.Engine, forward: Callable[[timedelta], None]
) -> None:
    """By whom it was paused, since when and why."""
    do(engine, "pause", **WHO)
    with engine.connect() as connection:
        before = queue_changes.standing(connection, "pause", "shop")
    forward(timedelta(minutes=5))
    resume = do(engine, "resume", "bob")
    take_back(engine, resume or 0, "bob")
    with engine.connect() as connection:
        assert queue_changes.standing(connection, "pause", "shop") == before
    assert before["pausedBy"] == "ann"


@pytest.mark.usefixtures("shop")
def test_a_queue_that_somebody_else_has_changed_stays(engine: sa.Engine) -> None:
    """A later change is not overwritten; who made it is told."""
    first = do(engine, "limit", window=None, starts_per_minute=60, who="ann")
    do(engine, "limit", "bob", window=None, starts_per_minute=90, who="bob")
    with pytest.raises(NotUndoable, match="shop was changed again by bob since"):
        take_back(engine, first or 0)
    with engine.connect() as connection:
        assert commands.limits(connection, "shop").starts_per_minute == 90


def test_jobs_accepted_under_an_undone_sla_are_counted(engine: sa.Engine, shop: Recipe) -> None:
    """They keep the deadline that they were given."""
    change = do(engine, "sla", minutes=1.0, set_by="ann", reason=None)
    order(engine, shop)
    assert "1 job that was accepted meanwhile keeps the deadline" in take_back(engine, change or 0).message


@pytest.mark.usefixtures("shop")
def test_changes_of_long_ago_are_removed(engine: sa.Engine, forward: Callable[[timedelta], None]) -> None:
    """The next change takes what has long been over with it."""
    do(engine, "pause", **WHO)
    forward(timedelta(seconds=changes.KEEP_SECONDS + changes.UNDO_SECONDS + 1))
    do(engine, "resume")
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from oms.changes")) == 1
