"""A step is completed and the next one claimed in the same moment, unless something is in its way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, completions, ledger, workers
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.records import Completion, Progress, StepText
from hms_oms.jobs.tickets import Ticket
from hms_oms.jobs.workers import Beat
from hms_oms.recipes.recipes import Recipe
from tests.oms.test_ledger import claim, facts, look, order

WHO = {"who": "boss", "reason": None}


def begun(engine: sa.Engine, raw: RawConnection, recipe: Recipe) -> int:
    """A job whose first step runs, claimed by worker `w`."""
    job = order(engine, recipe).id
    ledger.take(raw, recipe.queue, 10)
    assert claim(raw, job, recipe.steps[0].name)
    return job


def report(recipe: Recipe, job: int, step: str, done: Done | None = None) -> Completion:
    """The report of a step by a worker that would go on with the next."""
    ticket = Ticket(job, 1, step)
    return completions.of(ticket, recipe, done or Done({}), by_agent=False)._replace(lease=60.0)


def advanced(raw: RawConnection, completion: Completion, **options: float) -> Progress | None:
    """Where the job stands after a report of worker `w`."""
    return ledger.advance(raw, [completion], "w", **options).get(completion.ticket)


def received(raw: RawConnection, *tickets: Ticket) -> None:
    """Have worker `w` say that it is there and holds these tickets."""
    says = [str(ticket) for ticket in tickets]
    workers.beat(raw, Beat("w", "w@here", "here", 1, "threads", 2, ["shop"], ["shop.pick"], says, 0.0, 0))


def test_a_worker_goes_on_to_the_end(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Each completion claims the next step under the same attempt; one line of the ledger tells both."""
    job = begun(engine, raw, shop)
    for step in ("pick", "pack"):
        made = advanced(raw, report(shop, job, step))
        assert made is not None
        assert made.status == "running"
    assert (look(engine, job).worker, look(engine, job).since) == ("w", made.since)
    made = advanced(raw, report(shop, job, "send"))
    assert made is not None
    assert made.status == "done"
    assert (look(engine, job).worker, look(engine, job).attempt) == (None, 1)
    with engine.connect() as connection:
        lines = connection.scalar(
            sa.text("select count(*) from oms.job_events where job_id = :job"), {"job": job}
        )
    assert lines == len(["accepted", "dispatched", "claimed", "pick", "pack", "send"])
    went_on = ["advanced", "claimed"]
    assert facts(engine, job) == ["accepted", "dispatched", "claimed", *went_on, *went_on, "finished"]


def test_the_claim_has_a_lease_and_only_then(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """The lease of the next step runs from its claim; without the claim there is none."""
    job = begun(engine, raw, shop)
    advanced(raw, report(shop, job, "pick"))
    lease = sa.text("select lease_until - since from oms.jobs where id = :job")
    with engine.connect() as connection:
        assert connection.scalar(lease, {"job": job}) == timedelta(seconds=60)
    advanced(raw, report(shop, job, "pack")._replace(lease=None))
    with engine.connect() as connection:
        assert connection.scalar(lease, {"job": job}) is None
    assert look(engine, job).status == "queued"


def test_a_skip_leads_on_as_well(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """What is claimed is the step that the finished one has named."""
    job = begun(engine, raw, shop)
    made = advanced(raw, report(shop, job, "pick", Done({}, skip_to="send")))
    assert made is not None
    assert (made.status, look(engine, job).step_name) == ("running", "send")


def test_a_pause_holds_between_steps(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """In a paused queue the job waits for its next step, and belongs to no worker."""
    job = begun(engine, raw, shop)
    with engine.begin() as connection:
        commands.pause(connection, "shop", **WHO)
    made = advanced(raw, report(shop, job, "pick"))
    assert made is not None
    assert (made.status, look(engine, job).worker) == ("waiting", None)


def test_a_cancellation_holds_between_steps(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """A job that was to end with its step ends, and nobody has it."""
    job = begun(engine, raw, shop)
    with engine.begin() as connection:
        commands.cancel(connection, [job], **WHO)
    made = advanced(raw, report(shop, job, "pick"))
    assert made is not None
    assert (made.status, look(engine, job).worker) == ("cancelled", None)
    assert facts(engine, job)[-2:] == ["cancel asked", "cancelled"]


def test_no_worker_goes_on_with_an_agents_step(
    engine: sa.Engine, raw: RawConnection, returns: Recipe
) -> None:
    """What is an agent's waits to be reserved, whatever the worker asks for."""
    job = begun(engine, raw, returns)
    made = advanced(raw, report(returns, job, "receive"))
    assert made is not None
    assert (made.status, look(engine, job).worker) == ("waiting", None)


def test_a_worker_whose_heartbeats_fail_does_not_go_on(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """It would be judged lost with what it claims: the next step goes to anyone who is heard."""
    job = begun(engine, raw, shop)
    made = advanced(raw, report(shop, job, "pick"), heartbeat_within=6.0)
    assert made is not None
    assert (made.status, look(engine, job).worker) == ("queued", None)
    assert claim(raw, job, "pack")
    received(raw, Ticket(job, 1, "pack"))
    made = advanced(raw, report(shop, job, "pack"), heartbeat_within=6.0)
    assert made is not None
    assert made.status == "running"


def test_what_is_not_claimed_says_why(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """A step that an unheard worker may not claim is suspected of nothing, then or once it is heard."""
    job = order(engine, shop).id
    ledger.take(raw, shop.queue, 10)
    ticket = Ticket(job, 1, "pick")
    assert ledger.claim(raw, [(ticket, 60.0)], "w", alone=(), heartbeat_within=6.0) == {}
    assert ledger.claimable(raw, [ticket], "w", 6.0) == {ticket: (False, False)}
    received(raw)
    assert ledger.claimable(raw, [ticket], "w", 6.0) == {ticket: (True, False)}
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.jobs set suspicions = 1")
    assert ledger.claim(raw, [(ticket, 60.0)], "w", alone=(), heartbeat_within=6.0) == {}
    assert ledger.claimable(raw, [ticket], "w", 6.0) == {ticket: (True, True)}


def test_a_late_report_claims_nothing(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """A second report, or one of an attempt that was taken back, moves no row."""
    job = begun(engine, raw, shop)
    assert advanced(raw, report(shop, job, "pick"))
    assert advanced(raw, report(shop, job, "pick")) is None
    with engine.begin() as connection:
        commands.cancel(connection, [job], now=True, **WHO)
    assert advanced(raw, report(shop, job, "pack")) is None


def test_a_lost_answer_is_found_again(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """A worker whose connection broke after the commit learns that its report stands; nobody else does."""
    job, other = begun(engine, raw, shop), begun(engine, raw, replace(shop, key=None))
    made, completion = advanced(raw, report(shop, job, "pick")), report(shop, job, "pick")
    assert ledger.recorded(raw, [completion], "w") == {completion.ticket: made}
    assert ledger.recorded(raw, [completion], "v") == {}
    assert ledger.recorded(raw, [report(shop, other, "pick")], "w") == {}
    # Taken back meanwhile: the report stands, and the next step is somebody else's.
    with engine.begin() as connection:
        connection.execute(sa.text("update oms.jobs set attempt = 2 where id = :job"), {"job": job})
    assert ledger.recorded(raw, [completion], "w") == {}


def test_the_last_report_is_found_again(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """The same with a job that is done, or whose next step is to be published."""
    job = begun(engine, raw, shop)
    queued = report(shop, job, "pick", Done({}, skip_to="send"))._replace(lease=None)
    made = advanced(raw, queued)
    assert ledger.recorded(raw, [queued], "w") == {queued.ticket: made}
    assert claim(raw, job, "send")
    made = advanced(raw, report(shop, job, "send"))
    assert ledger.recorded(raw, [report(shop, job, "send")], "w") == {Ticket(job, 1, "send"): made}


@pytest.mark.parametrize(("said", "orphans"), [("pick", 0), ("pack", 0), ("", 1)])
def test_a_job_is_held_by_any_of_its_tickets(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, said: str, orphans: int
) -> None:
    """A worker that has not learnt yet that it has the next step names the one before; that is no loss."""
    job = begun(engine, raw, shop)
    assert advanced(raw, report(shop, job, "pick"))
    with engine.begin() as connection:
        connection.execute(sa.text("update oms.jobs set since = since - interval '10 seconds'"))
    received(raw, *([Ticket(job, 1, said)] if said else []))
    asked = {"gone": 6.0, "silent": 3.5, "unheld": 4.0, "judge_workers": True, "in_flight_from": None}
    assert len(statements.run_raw(raw, "orphans", asked)) == orphans


def test_a_step_that_was_just_reported_is_not_given_up(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """A heartbeat that still names it is answered by nothing; one of a job taken back names it."""
    job = begun(engine, raw, shop)
    assert advanced(raw, report(shop, job, "pick"))
    running = str(Ticket(job, 1, "pick"))
    says = Beat("w", "w@here", "here", 1, "threads", 2, ["shop"], [], [running], 0.0, 0, begun=[running])
    assert workers.beat(raw, says) == []
    with engine.begin() as connection:
        commands.cancel(connection, [job], now=True, **WHO)
    assert workers.beat(raw, says) == [running]


def texts(engine: sa.Engine) -> list[tuple[int, str, str, str, str]]:
    """The texts in the outbox."""
    asked = "select job_id, token, recipient, body, state from oms.messages order by id"
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(asked))]  # type: ignore[misc]


def test_texts_are_sent_when_and_only_when_their_step_is_complete(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """In one batch those of a step that is recorded go into the outbox, those of a late one do not."""
    job, late = begun(engine, raw, shop), order(engine, shop, 2).id
    text = StepText(f"job-{job}.1.1", "+12025550123", 'it\'s "done" \\ now')
    other = StepText(f"job-{late}.1.1", "+12025550124", "never")
    reports = [
        report(shop, job, "pick")._replace(texts=(text,)),
        report(shop, late, "pick")._replace(texts=(other,)),
    ]
    assert list(ledger.advance(raw, reports, "w")) == [Ticket(job, 1, "pick")]
    assert texts(engine) == [(job, text.token, text.recipient, text.body, "pending")]
    # A token is one text, ever, and a second report puts none.
    assert ledger.advance(raw, reports, "w") == {}
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.messages set state = 'accepted'")
    again = StepText(text.token, text.recipient, "again")
    assert advanced(raw, report(shop, job, "pack")._replace(texts=(again,)))
    assert [item[-1] for item in texts(engine)] == ["accepted"]


def test_a_text_of_before_a_restore_is_in_doubt(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """The job may have sent it after the backup was made: the provider is asked first."""
    job = begun(engine, raw, shop)
    with engine.begin() as connection:
        connection.execute(sa.text("insert into oms.restores (restored_at, found) values (oms.now(), '{}')"))
    text = StepText(f"job-{job}.1.1", "+12025550123", "done")
    assert advanced(raw, report(shop, job, "pick")._replace(texts=(text,)))
    assert [item[-1] for item in texts(engine)] == ["unknown"]
    with engine.connect() as connection:
        attempts = connection.execute(
            sa.text("select number, sender, outcome from oms.message_attempts")
        ).all()
    assert attempts == [(1, "before the restore", "unknown")]
