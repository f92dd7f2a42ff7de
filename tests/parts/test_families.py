"""What happens to a job happens to its parts, and to the jobs that it has started: cancelled, taken back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from hms_act import accept
from hms_oms.database import connections
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, completions, ledger
from hms_oms.jobs.live import running
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.parts import child_jobs
from hms_oms.jobs.parts import parts as verbs
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe
from tests.conftest import wait_until
from tests.oms.test_advance import WHO
from tests.oms.test_ledger import claim, facts, look
from tests.oms.test_undo import cancel, take_back
from tests.parts.test_child_jobs import FAMILIES, children, opened, start
from tests.parts.test_child_jobs import family as family
from tests.parts.test_split_and_join import boxes as boxes
from tests.parts.test_split_and_join import fail, parts_of, settle, split, started, work

CHILD = "test:child:v1"


def statuses(engine: sa.Engine, job: int) -> list[str]:
    """How the parts of a job stand."""
    return [part.status for part in parts_of(engine, job)]


def is_waited_for(engine: sa.Engine) -> bool:
    """Whether a session of this ledger waits for what another holds."""
    waiting = "select count(*) from pg_locks where not granted and pid <> pg_backend_pid()"
    with engine.connect() as connection:
        return bool(connection.scalar(sa.text(waiting)))


def test_what_a_job_is_just_split_into_is_cancelled_with_it(
    engine: sa.Engine, database: str, raw: RawConnection, boxes: Recipe
) -> None:
    """The cancellation waits until the parts are there."""
    job = started(engine, boxes, {"number": 1, "boxes": [1, 2]})
    work(raw, boxes)
    splitting = connections.connect(database, "splits", autocommit=False)
    [parent] = verbs.take_up(splitting)
    verbs.split(splitting, parent, boxes)
    with ThreadPoolExecutor(1) as pool:
        cancelling = pool.submit(cancel, engine, job)
        wait_until(lambda: is_waited_for(engine), "the cancellation to wait")
        splitting.commit()
        cancelling.result(20)
    splitting.close()
    assert (look(engine, job).status, statuses(engine, job)) == ("cancelled", ["cancelled"] * 2)


def test_what_a_job_just_starts_is_cancelled_with_it(
    engine: sa.Engine, database: str, raw: RawConnection, family: Recipe
) -> None:
    """And while it is being cancelled nothing is started for it."""
    job = opened(engine, raw, database, family, {"n": 1}, {"n": 2})
    with engine.connect() as connection:
        first, _ = child_jobs.asked(connection, [CHILD], 0)
        options = {"requested_by": "test", **first.options}
        child = accept.start_job(connection, FAMILIES[CHILD], first.payload, **options).job.id
        child_jobs.answer(connection, first, job=child, created=True)
        with ThreadPoolExecutor(1) as pool:
            cancelling = pool.submit(cancel, engine, job)
            wait_until(lambda: is_waited_for(engine), "the cancellation to wait")
            connection.commit()
            cancelling.result(20)
    assert look(engine, child).status == "cancelled"
    with engine.begin() as connection:
        commands.reinstate(connection, [job], **WHO)
    with engine.begin() as connection:
        commands.cancel_jobs(connection, [job], **WHO)
        assert start(engine) == 0
    assert [entry.job for entry in children(engine, job)] == [child, None]


def test_parts_that_run_are_asked_to_end(engine: sa.Engine, raw: RawConnection, boxes: Recipe) -> None:
    """When another part has failed, or their job is cancelled; taken back, those that still run go on."""
    job, parts = split(engine, raw, boxes, 3)
    ledger.take(raw, "boxes", 2)
    assert claim(raw, parts[0].id, "box")
    fail(raw, look(engine, parts[1].id))
    ticket = Ticket(parts[0].id, 1, "box")
    assert not running.is_to_end(raw, ticket)
    settle(raw)
    assert running.is_to_end(raw, ticket)
    assert statuses(engine, job) == ["running", "failed", "cancelled"]
    with engine.begin() as connection:
        assert commands.retry(connection, [job], **WHO) == [job]
    assert not running.is_to_end(raw, ticket)
    assert facts(engine, parts[0].id)[-2:] == ["cancel asked", "cancel withdrawn"]
    assert statuses(engine, job) == ["running", "waiting", "waiting"]
    change = cancel(engine, job)
    assert running.is_to_end(raw, ticket)
    take_back(engine, change)
    assert not running.is_to_end(raw, ticket)


def test_a_job_is_reinstated_whose_parts_have_ended_meanwhile(
    engine: sa.Engine, raw: RawConnection, boxes: Recipe
) -> None:
    """Its last part was running, and is done: the job goes on with it."""
    job, [part] = split(engine, raw, boxes, 1)
    ledger.take(raw, "boxes", 1)
    assert claim(raw, part.id, "box")
    with engine.begin() as connection:
        commands.cancel_jobs(connection, [job], **WHO)
    report = completions.of(Ticket(part.id, 1, "box"), boxes, Done({}), by_agent=False, part=True)
    ledger.advance(raw, [report], "w")
    settle(raw)
    with engine.begin() as connection:
        commands.reinstate(connection, [job], **WHO)
    assert settle(raw) == 1
    assert look(engine, job).step_name == "check"


def test_what_was_cancelled_by_itself_stays_cancelled(
    engine: sa.Engine, database: str, raw: RawConnection, family: Recipe
) -> None:
    """When the job that has started it is cancelled later, and that is undone."""
    job = opened(engine, raw, database, family, {"n": 1}, {"n": 2}, {"n": 3})
    start(engine)
    before, ran, _ = (child.job for child in children(engine, job))
    assert before is not None
    assert ran is not None
    with engine.begin() as connection:
        commands.promote(connection, ran, **WHO)
    ledger.take(raw, "child", 1)
    assert claim(raw, ran, "play")
    cancel(engine, before, ran)
    change = cancel(engine, job)
    assert [child.status for child in children(engine, job)] == ["cancelled", "running", "cancelled"]
    assert take_back(engine, change).restored == [job]
    assert [child.status for child in children(engine, job)] == ["cancelled", "running", "waiting"]
    assert running.is_to_end(raw, Ticket(ran, 1, "play"))
    with engine.begin() as connection:
        assert sorted(commands.reinstate(connection, [before, ran], **WHO)) == [before, ran]
    assert [child.status for child in children(engine, job)] == ["waiting", "running", "waiting"]
