"""Steps in parts in the ledger: split once, joined once, failed with the first part that fails."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_act.waiting.parts import Parts
from hms_oms.database import connections
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, completions, ledger
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.parts import parts as verbs
from hms_oms.jobs.queries import read
from hms_oms.jobs.queries.read import Filter
from hms_oms.jobs.records import Job
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes import recipes, registry
from hms_oms.recipes.recipes import Recipe
from tests.conftest import shop_recipes
from tests.oms.test_advance import WHO
from tests.oms.test_ledger import claim, facts, look


@pytest.fixture
def boxes(engine: sa.Engine) -> Recipe:
    """The recipe `shop:boxes:v1`, known to the ledger."""
    recipe = shop_recipes()["shop:boxes:v1"]
    with engine.begin() as connection:
        registry.register(connection, recipe)
    return recipe


def started(engine: sa.Engine, recipe: Recipe, payload: dict[str, Any], **options: Any) -> int:
    """A job of these boxes."""
    with engine.begin() as connection:
        return accept.start_job(connection, recipe, payload, requested_by="test", **options).job.id


def settle(raw: RawConnection) -> int:
    """Of how many jobs something was decided about their parts."""
    return Parts(raw, lambda number: registry.snapshot(raw, number)).settle()


def work(
    raw: RawConnection, recipe: Recipe, most: int = 2000, result: dict[str, Any] | None = None
) -> list[Ticket]:
    """Do what waits in the queue, as a worker would, with this result; the tickets of what was done."""
    taken = ledger.take(raw, recipe.queue, most)
    tickets = [Ticket(job.job, job.attempt, job.steps[job.step]) for job in taken]
    claims = ledger.claim(raw, [(ticket, 60.0) for ticket in tickets], "w")
    reports = [
        completions.of(
            ticket,
            recipe,
            Done(result or {"part": claimed.part}),
            by_agent=False,
            part=claimed.part is not None,
        )
        for ticket, claimed in claims.items()
    ]
    ledger.advance(raw, reports, "w")
    return list(claims)


def split(engine: sa.Engine, raw: RawConnection, recipe: Recipe, count: int) -> tuple[int, list[Job]]:
    """A job whose second step is split into so many parts, and they."""
    job = started(engine, recipe, {"number": 1, "boxes": list(range(count))})
    work(raw, recipe)
    assert settle(raw) == 1
    return job, parts_of(engine, job)


def parts_of(engine: sa.Engine, job: int) -> list[Job]:
    """The parts of a job's steps, in order."""
    with engine.connect() as connection:
        return read.find(connection, Filter(parent=job), limit=None)[::-1]


def fail(raw: RawConnection, part: Job, attempt: int = 1) -> None:
    """Fail a part for good."""
    if part.status == "waiting":
        ledger.take(raw, part.queue, 2000)
    assert claim(raw, part.id, part.step_name, attempt)
    error = {"type": "ValueError", "message": "torn", "traceback": ""}
    ledger.fail(raw, Ticket(part.id, attempt, part.step_name), error, retry_after=None, worker="w")


def test_a_step_is_split_and_joined(engine: sa.Engine, raw: RawConnection, boxes: Recipe) -> None:
    """The parts have the place of their job, and their results become that of its step, in order."""
    job, parts = split(engine, raw, boxes, 3)
    whole = look(engine, job)
    assert (whole.status, whole.event, whole.ready_at, whole.step_name) == ("waiting", None, None, "box")
    assert [(part.part, part.parent_id, part.step_name) for part in parts] == [
        (place, job, "box") for place in range(3)
    ]
    assert {(part.sla, part.priority, part.must, part.batch_id, part.key) for part in parts} == {
        (whole.sla, whole.priority, whole.must, None, None)
    }
    assert len(work(raw, boxes, 2)) == 2
    settle(raw)
    assert look(engine, job).step_name == "box"
    assert len(work(raw, boxes)) == 1
    assert settle(raw) == 1
    assert look(engine, job).results["box"] == [{"part": 0}, {"part": 1}, {"part": 2}]
    assert settle(raw) == 1
    assert [part.part for part in parts_of(engine, job)] == [0, 1, 2, 0, 1]
    assert len(work(raw, boxes)) == 2
    settle(raw)
    assert look(engine, job).results["check"] == {"weight": {"part": 0}, "address": {"part": 1}}
    assert len(work(raw, boxes)) == 1
    assert look(engine, job).status == "done"
    assert facts(engine, job) == [
        *("accepted", "dispatched", "claimed", "awaiting", "split", "joined", "awaiting", "split", "joined"),
        *("handed over", "dispatched", "claimed", "finished"),
    ]
    assert facts(engine, parts[0].id) == ["accepted", "dispatched", "claimed", "finished"]


def test_a_part_has_what_its_job_has(engine: sa.Engine, raw: RawConnection, boxes: Recipe) -> None:
    """Payload and results are read with the claim, and kept once."""
    job, parts = split(engine, raw, boxes, 2)
    ledger.take(raw, "boxes", 10)
    claimed = claim(raw, parts[1].id, "box")
    assert claimed is not None
    assert (claimed.payload["boxes"], claimed.results, claimed.part) == ([0, 1], {"pick": {"part": None}}, 1)
    assert (parts[1].payload, look(engine, job).payload["number"]) == ({}, 1)


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_any_number_of_parts(engine: sa.Engine, raw: RawConnection, boxes: Recipe, count: int) -> None:
    """None are done at once, and a thousand are joined once."""
    job, parts = split(engine, raw, boxes, count)
    assert len(parts) == count
    work(raw, boxes)
    settle(raw)
    assert len(look(engine, job).results["box"]) == count
    assert facts(engine, job).count("joined") == 1


def test_the_last_parts_may_end_at_once(
    engine: sa.Engine, database: str, raw: RawConnection, boxes: Recipe
) -> None:
    """Neither waits for the other, nor sees it; the job goes on once both are committed, and once."""
    job, parts = split(engine, raw, boxes, 2)
    ledger.take(raw, "boxes", 10)
    ends = [connections.connect(database, f"end {part.id}", autocommit=False) for part in parts]
    for connection, part in zip(ends, parts, strict=True):
        assert claim(raw, part.id, "box")
        report = completions.of(Ticket(part.id, 1, "box"), boxes, Done(), by_agent=False, part=True)
        assert ledger.advance(connection, [report], "w")
    with engine.connect() as connection:
        waiting = "select count(*) from pg_locks where not granted"
        assert connection.scalar(sa.text(waiting)) == 0
        held = "select count(distinct pid) from pg_locks where relation = 'oms.ended_parts'::regclass"
        assert connection.scalar(sa.text(held)) == len(ends)
    for connection in reversed(ends):
        settle(raw)
        assert look(engine, job).step_name == "box"
        connection.commit()
        connection.close()
    assert settle(raw) == 1
    assert (look(engine, job).step_name, facts(engine, job).count("joined")) == ("check", 1)


def test_two_dispatchers_join_once(
    engine: sa.Engine, database: str, raw: RawConnection, boxes: Recipe
) -> None:
    """Who holds the job decides, and the other passes it over; if the first dies the other does it."""
    job, _ = split(engine, raw, boxes, 2)
    work(raw, boxes)
    first = connections.connect(database, "first", autocommit=False)
    [parent] = verbs.take_up(first)
    assert verbs.decide(parent) is verbs.Decision.JOIN
    verbs.join(first, parent, boxes)
    assert settle(raw) == 0
    first.rollback()
    assert look(engine, job).step_name == "box"
    assert settle(raw) == 1
    first.commit()
    first.close()
    assert facts(engine, job).count("joined") == 1


def test_a_failed_part_fails_its_job(engine: sa.Engine, raw: RawConnection, boxes: Recipe) -> None:
    """It names the part; others are cancelled unless they have begun. A retry does the failed ones again."""
    job, parts = split(engine, raw, boxes, 4)
    assert len(work(raw, boxes, 1)) == 1
    ledger.take(raw, "boxes", 2)
    assert claim(raw, parts[2].id, "box")
    fail(raw, look(engine, parts[1].id))
    assert settle(raw) == 1
    whole = look(engine, job)
    assert whole.status == "failed"
    assert whole.error is not None
    assert (whole.error["type"], whole.error["message"]) == (
        "PartFailed",
        f"part 2 of 4 of box (job-{parts[1].id}) has failed: ValueError: torn",
    )
    assert [part.status for part in parts_of(engine, job)] == ["done", "failed", "running", "cancelled"]
    with engine.begin() as connection:
        assert commands.retry(connection, [parts[0].id], **WHO) == [job]
        assert commands.retry(connection, [job], **WHO) == []
    settle(raw)
    assert [part.status for part in parts_of(engine, job)] == ["done", "waiting", "running", "waiting"]
    report = completions.of(
        Ticket(parts[2].id, 1, "box"), boxes, Done({"part": 2}), by_agent=False, part=True
    )
    ledger.advance(raw, [report], "w")
    assert len(work(raw, boxes)) == 2
    assert settle(raw) == 1
    assert look(engine, job).results["box"] == [{"part": place} for place in range(4)]


def test_a_job_is_cancelled_with_its_parts(engine: sa.Engine, raw: RawConnection, boxes: Recipe) -> None:
    """And reinstated with them; it is one job that was changed."""
    job, _ = split(engine, raw, boxes, 3)
    work(raw, boxes, 1)
    with engine.begin() as connection:
        assert commands.cancel_jobs(connection, [job], **WHO).jobs == [job]
    settle(raw)
    assert [part.status for part in parts_of(engine, job)] == ["done", "cancelled", "cancelled"]
    assert look(engine, job).status == "cancelled"
    with engine.begin() as connection:
        assert commands.reinstate(connection, [job], **WHO) == [job]
    settle(raw)
    assert len(work(raw, boxes)) == 2
    settle(raw)
    assert look(engine, job).step_name == "check"


def test_a_cancelled_part_fails_its_job(engine: sa.Engine, raw: RawConnection, boxes: Recipe) -> None:
    """Its result cannot come."""
    job, parts = split(engine, raw, boxes, 2)
    with engine.begin() as connection:
        assert commands.cancel_jobs(connection, [parts[0].id], **WHO).jobs == [parts[0].id]
    settle(raw)
    error = look(engine, job).error
    assert error is not None
    assert error["message"] == f"part 1 of 2 of box (job-{parts[0].id}) was cancelled"


def test_parts_go_where_their_job_goes(engine: sa.Engine, raw: RawConnection, boxes: Recipe) -> None:
    """Its priority and queue are theirs, too; it cannot be delayed, and neither are they."""
    job, _ = split(engine, raw, boxes, 2)
    with engine.begin() as connection:
        assert commands.prioritize(connection, [job], 7, **WHO) == [job]
        connection.execute(sa.text("insert into oms.queues (name) values ('other')"))
        assert commands.move(connection, [job], "other", **WHO) == [job]
        assert commands.delay(connection, [job], None, **WHO) == []
    assert {(part.queue, part.priority) for part in parts_of(engine, job)} == {("other", 7)}


def test_only_so_many_at_once(engine: sa.Engine, raw: RawConnection) -> None:
    """The others wait until one of them has ended."""
    recipe = parsed([{"name": "box", "parts": "payload.boxes", "at_once": 2}])
    with engine.begin() as connection:
        registry.register(connection, recipe)
    job = started(engine, recipe, {"boxes": [1, 2, 3, 4, 5]})
    settle(raw)
    done = []
    while looked := ledger.let_in(raw)[0] or not done:
        assert looked <= 2
        done.append(len(work(raw, recipe)))
    settle(raw)
    assert (done, look(engine, job).status) == ([2, 2, 1], "done")


def test_what_is_no_list_fails_the_job(engine: sa.Engine, raw: RawConnection) -> None:
    """With the reason."""
    recipe = parsed([{"name": "read"}, {"name": "box", "parts": "results.read.pages"}])
    with engine.begin() as connection:
        registry.register(connection, recipe)
    job = started(engine, recipe, {"boxes": []})
    work(raw, recipe)
    settle(raw)
    error = look(engine, job).error
    assert error is not None
    assert (error["type"], error["message"]) == ("PartsFault", "results.read.pages is no list")


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ([{"name": "a", "parts": "boxes"}], "steps.0.parts: 'boxes' does not match"),
        ([{"name": "a", "parts": "payload.crates"}], "crates is not a field of the payload"),
        ([{"name": "a", "parts": "payload.number"}], "payload.number is a field of the type integer"),
        ([{"name": "a", "parts": "results.b.c"}, {"name": "b"}], "steps.0.parts: b is no earlier step"),
        ([{"name": "a", "at_once": 2}], "steps.0.at_once: only a step in parts has it"),
        ([{"name": "a", "by": "agent", "parts": "payload.boxes"}], "steps.0.parts: only a step by workers"),
        (
            [{"name": "a", "run": "x", "branches": [{"name": "b"}]}],
            "steps.0.run: a step with branches has none",
        ),
        (
            [{"name": "a", "branches": [{"name": "b"}, {"name": "b"}]}],
            "steps.0.branches: b stands there twice",
        ),
    ],
)
def test_parts_that_cannot_be_meant_are_a_fault(steps: list[dict[str, Any]], fault: str) -> None:
    """It is named before anything starts."""
    with pytest.raises(recipes.ConfigError, match=fault):
        parsed(steps)


def test_a_recipe_with_parts_is_read_back(boxes: Recipe) -> None:
    """As it was."""
    assert Recipe.from_document(boxes.as_document()) == boxes
    assert [step.run for step in boxes.works] == [
        "shop.pick",
        "shop.box",
        "shop.weigh",
        "shop.pack",
        "shop.send",
    ]


def parsed(steps: list[dict[str, Any]], **given: Any) -> Recipe:
    """A recipe with these steps, whose payload has these fields."""
    fields = {"boxes": {"type": "array"}, "number": {"type": "integer"}, **given}
    kind = {"type": "test:parts:v1", "queue": "parts", "sla_minutes": 5}
    payload = {"type": "object", "properties": fields}
    return recipes.parse({**kind, "payload": payload, "steps": steps}, "test")
