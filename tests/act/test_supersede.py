"""A key that comes again: the same is the same, other content is told, and replaces by a deliberate word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from hms_act import accept, cycle, cycle_preview
from hms_act.files.csv_rows import Row
from hms_oms.cycles import cycle_rows
from hms_oms.database.connections import RawConnection
from hms_oms.documents.cycles import Cycle
from hms_oms.jobs import completions, ledger
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.queries import read as jobs
from hms_oms.jobs.records import Job
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.errors import KeyReused

FIRST = {"number": 1, "phone": "5"}
CORRECTED = {"number": 1, "phone": "6"}


def start(engine: sa.Engine, recipe: Recipe, payload: Mapping[str, Any], *, supersede: bool = False) -> Job:
    """The job that a request leads to."""
    with engine.begin() as connection:
        return accept.start_job(connection, recipe, payload, requested_by="ann", supersede=supersede).job


def read(engine: sa.Engine, job: int) -> Job:
    """A job as it is now."""
    with engine.connect() as connection:
        return jobs.get(connection, job)


def run(engine: sa.Engine, recipe: Recipe, *payloads: Mapping[str, Any], supersede: bool) -> Cycle:
    """Run a cycle of these rows."""
    rows = iter([Row(line, dict(payload)) for line, payload in enumerate(payloads, start=1)])
    *_, batch = cycle.accept_rows(engine, recipe, rows, name="f", requested_by="ann", supersede=supersede)
    assert isinstance(batch, Cycle)
    return batch


def bring(raw: RawConnection, recipe: Recipe, job: int, status: str) -> None:
    """Bring a job into a status."""
    if status == "waiting":
        return
    ledger.take(raw, "shop", 10)
    if status == "queued":
        return
    for step in recipe.steps:
        ticket = Ticket(job, 1, step.name)
        ledger.claim(raw, [(ticket, 60.0)], "w")
        if status == "running":
            return
        if status == "failed":
            ledger.fail(raw, ticket, {"type": "Error", "message": "no"}, retry_after=None, worker="w")
            return
        ledger.complete(raw, [completions.of(ticket, recipe, Done({}), by_agent=False)], "w")


def test_other_content_under_a_known_key_is_told(engine: sa.Engine, shop: Recipe) -> None:
    """The error names the job, its status and both values; the same written otherwise is the same job."""
    first = start(engine, shop, FIRST)
    assert start(engine, shop, {"phone": "5", "number": 1.0}).id == first.id
    with pytest.raises(KeyReused, match="job-1 has this key, is waiting, and differs in phone") as reused:
        start(engine, shop, CORRECTED)
    assert reused.value.differences == {"phone": ("5", "6")}


@pytest.mark.parametrize("status", ["waiting", "queued"])
def test_a_job_that_has_not_begun_is_replaced(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, status: str
) -> None:
    """The old one is cancelled, with who and why; the new one refers to it; asking again changes nothing."""
    first = start(engine, shop, FIRST)
    bring(raw, shop, first.id, status)
    second = start(engine, shop, CORRECTED, supersede=True)
    assert (second.id != first.id, second.replaces, second.payload) == (True, first.id, CORRECTED)
    assert read(engine, first.id).status == "cancelled"
    with engine.connect() as connection:
        last = jobs.event_log(connection, first.id)[-1]
    assert (last.fact, last.who) == ("cancelled", "ann")
    assert last.detail is not None
    assert last.detail["reason"] == "superseded by a corrected request"
    assert start(engine, shop, CORRECTED, supersede=True).id == second.id
    assert start(engine, shop, CORRECTED).id == second.id


@pytest.mark.parametrize("status", ["running", "done", "failed"])
def test_a_job_that_has_begun_is_not_replaced(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, status: str
) -> None:
    """What runs or has ended may have been told to somebody: it stays as it is, and the way out is told."""
    first = start(engine, shop, FIRST)
    bring(raw, shop, first.id, status)
    assert read(engine, first.id).status == status
    with pytest.raises(KeyReused, match="is not replaced"):
        start(engine, shop, CORRECTED, supersede=True)
    assert read(engine, first.id).status == status
    batch = run(engine, shop, CORRECTED, supersede=True)
    assert (batch.accepted, batch.differing) == (0, 1)
    assert read(engine, first.id).status == status


def test_a_file_replaces_what_differs(engine: sa.Engine, shop: Recipe) -> None:
    """Only by the deliberate word; what is the same stays, and the preview has told how many it would be."""
    run(engine, shop, FIRST, {"number": 2}, {"number": 3}, supersede=False)
    rows = [CORRECTED, {"number": 2}, {"number": 3, "phone": "7"}, {"number": 4}]
    previewed = cycle_preview.of(engine, shop, iter([Row(line, row) for line, row in enumerate(rows)]))
    assert (previewed.new, previewed.known, previewed.differing, previewed.replaceable) == (1, 1, 2, 2)
    output = run(engine, shop, CORRECTED, supersede=False)
    assert (output.accepted, output.differing) == (0, 1)
    batch = run(engine, shop, *rows, supersede=True)
    assert (batch.accepted, batch.duplicates, batch.differing) == (3, 1, 0)
    assert [read(engine, job).status for job in (1, 2, 3)] == ["cancelled", "waiting", "cancelled"]
    with engine.connect() as connection:
        made = jobs.find(connection, jobs.Filter(batch=batch.id), limit=None)
    assert sorted((job.key, job.replaces) for job in made) == [("1", 1), ("3", 3), ("4", None)]


def test_two_rows_of_one_file_do_not_replace_each_other(engine: sa.Engine, shop: Recipe) -> None:
    """The first replaces the job of an earlier file, the second is told as differing from the first."""
    run(engine, shop, FIRST, supersede=False)
    batch = run(engine, shop, CORRECTED, {"number": 1, "phone": "8"}, supersede=True)
    assert (batch.accepted, batch.duplicates, batch.differing) == (1, 1, 1)
    with engine.connect() as connection:
        [row] = cycle_rows.every(connection, batch.id, ["differs"])
    assert (row.line, row.differences) == (2, {"phone": ["6", "8"]})
