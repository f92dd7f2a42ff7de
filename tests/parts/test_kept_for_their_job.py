"""Parts and child jobs are kept as long as their job may need them, and personal data in them is erased."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa

from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands
from hms_oms.recipes import registry
from hms_oms.recipes.recipes import Recipe
from hms_oms.retention import holds
from hms_oms.retention.holds import Target
from tests.oms.test_advance import WHO
from tests.oms.test_ledger import look
from tests.oms.test_retention import PHONE, prune
from tests.parts.test_child_jobs import children, opened, play, start
from tests.parts.test_child_jobs import family as family
from tests.parts.test_child_jobs import parsed as recipe_of
from tests.parts.test_child_jobs import settle as settle_children
from tests.parts.test_split_and_join import boxes as boxes
from tests.parts.test_split_and_join import parsed, settle, split, started, work

Forward = Callable[[timedelta], None]


def test_parts_are_kept_while_their_job_waits_for_them(
    engine: sa.Engine, raw: RawConnection, boxes: Recipe, forward: Forward
) -> None:
    """However long ago they have ended: their results are joined."""
    job, _ = split(engine, raw, boxes, 2)
    work(raw, boxes, 1)
    forward(timedelta(days=400))
    assert not any(prune(engine, forward).values())
    work(raw, boxes)
    settle(raw)
    assert look(engine, job).results["box"] == [{"part": 0}, {"part": 1}]


def test_what_a_job_has_started_is_kept_while_it_waits_for_it(
    engine: sa.Engine, raw: RawConnection, database: str, family: Recipe, forward: Forward
) -> None:
    """However long ago it has ended: its results are what its job waits for."""
    job = opened(engine, raw, database, family, {"n": 1}, {"n": 2})
    start(engine)
    play(raw)
    forward(timedelta(days=400))
    assert not any(prune(engine, forward).values())
    play(raw)
    assert settle_children(raw) == 1
    results = [child["results"] for child in look(engine, job).results["wait"]]
    assert results == [{"play": {"played": True}}] * 2


def test_a_child_that_failed_and_was_removed_is_not_done(
    engine: sa.Engine, raw: RawConnection, database: str, family: Recipe, forward: Forward
) -> None:
    """Its job, which is held, is tried again when nothing else is left of it."""
    job = opened(engine, raw, database, family, {"n": 1}, {"n": 2})
    start(engine)
    play(raw)
    play(raw, "ValueError")
    assert settle_children(raw) == 1
    with engine.begin() as connection:
        holds.add(connection, Target(job_id=job), who="ann", reason="court")
    forward(timedelta(days=40))
    assert prune(engine, forward)["jobs"] == 2
    assert [(child.status, child.is_done) for child in children(engine, job)] == [
        ("done", True),
        ("failed", False),
    ]
    with engine.begin() as connection:
        assert commands.retry(connection, [job], **WHO) == [job]
    assert settle_children(raw) == 1
    assert look(engine, job).status == "failed"


def test_personal_data_of_parts_is_erased(engine: sa.Engine, raw: RawConnection, forward: Forward) -> None:
    """In the list of their results, in their own, and in what an item of the list held."""
    item = {"type": "object", "properties": {"phone": {"type": "string", "format": "phone"}}}
    recipe = parsed([{"name": "box", "parts": "payload.boxes"}], boxes={"type": "array", "items": item})
    with engine.begin() as connection:
        registry.register(connection, recipe)
    job = started(engine, recipe, {"boxes": [{"phone": PHONE}]})
    settle(raw)
    work(raw, recipe, result={"box": {"phone": PHONE, "acres": 2}})
    settle(raw)
    assert PHONE in kept(engine)
    forward(timedelta(days=8))
    assert prune(engine, forward)["personal_data"] == 2
    assert look(engine, job).results == {"box": [{"box": {"acres": 2}}]}
    assert PHONE not in kept(engine)


def test_personal_data_of_child_jobs_is_erased(
    engine: sa.Engine, raw: RawConnection, database: str, forward: Forward
) -> None:
    """In the results of the job that has started them, and in the payload of one that could not be."""
    phone = {"phone": {"type": "string", "format": "phone"}}
    parent = recipe_of(
        [{"name": "open"}, {"name": "wait", "by": "jobs", "on_failed": "continue"}, {"name": "close"}]
    )
    child = recipe_of([{"name": "play"}], "child", **phone)
    with engine.begin() as connection:
        for recipe in (parent, child):
            registry.register(connection, recipe)
    job = opened(engine, raw, database, parent, {"n": 1}, {"n": "one", "phone": PHONE})
    start(engine, {child.type: child})
    play(raw, result={"phone": PHONE, "played": True})
    settle_children(raw)
    assert PHONE in kept(engine)
    work(raw, parent)
    forward(timedelta(days=8))
    prune(engine, forward)
    assert look(engine, job).results["wait"][0]["results"] == {"play": {"played": True}}
    assert PHONE not in kept(engine)


def kept(engine: sa.Engine) -> str:
    """All that the ledger has of jobs, and of what their steps have asked for."""
    tables = "select to_jsonb(job)::text from oms.jobs as job", "select payload::text from oms.child_jobs"
    with engine.connect() as connection:
        return " ".join(str(row) for table in tables for row in connection.scalars(sa.text(table)))
