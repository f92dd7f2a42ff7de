"""A file of requests against the ledger: what it would do, what it does, and which rows it leaves."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hms_act import cycle, cycle_preview
from hms_act.files import csv_rows
from hms_act.files.csv_rows import Refusal, Row
from hms_oms.cycles import cycle_rows, cycles
from hms_oms.cycles.cycle_rows import CycleRow, gist
from hms_oms.documents.cycles import Cycle
from hms_oms.jobs.queries import read
from hms_oms.recipes import recipes
from hms_oms.recipes.recipes import Recipe


def rows(*payloads: Any) -> Iterator[Row | Refusal]:
    """Rows with these payloads on the lines from 2 on; a text is a row that was refused for it."""
    for line, payload in enumerate(payloads, start=2):
        if isinstance(payload, str):
            yield Refusal(line, "number", payload, "the row")
        else:
            yield Row(line, payload)


def run(engine: sa.Engine, recipe: Recipe, *payloads: Any) -> Cycle:
    """Run a cycle of these rows."""
    *_, batch = cycle.accept_rows(engine, recipe, rows(*payloads), name="f", requested_by="t")
    assert isinstance(batch, Cycle)
    return batch


def left(engine: sa.Engine, batch: Cycle) -> list[CycleRow]:
    """The rows that a cycle has left, with whatever result."""
    with engine.connect() as connection:
        return list(cycle_rows.every(connection, batch.id, ["refused", "known", "differs"]))


def test_rows_that_made_no_job_are_kept_with_the_cycle(engine: sa.Engine, shop: Recipe) -> None:
    """Refused ones with their text, known ones with the job, differing ones with both values."""
    run(engine, shop, {"number": 1, "phone": "5"}, {"number": 2, "phone": "5"})
    batch = run(
        engine, shop, {"number": 1, "phone": "5"}, "is 'x'", {"number": 2, "phone": "6"}, {"number": 3}
    )
    assert (batch.accepted, batch.duplicates, batch.differing, batch.refused) == (1, 2, 1, 1)
    assert left(engine, batch) == [
        CycleRow(2, "known", job=1),
        CycleRow(3, "refused", field="number", reason="is 'x'", original="the row"),
        CycleRow(4, "differs", job=2, differences={"phone": ["5", "6"]}),
    ]


def test_two_rows_of_one_file_with_one_key(engine: sa.Engine, shop: Recipe) -> None:
    """The first makes the job; the next is known if it means the same, and differs if not."""
    payloads = [{"number": 1, "phone": "5"}, {"number": 1.0, "phone": "5"}, {"number": 1, "phone": "6"}]
    previewed = cycle_preview.of(engine, shop, rows(*payloads))
    assert (previewed.new, previewed.known, previewed.differing) == (1, 1, 1)
    assert [row.line for row in previewed.differing_rows] == [4]
    batch = run(engine, shop, *payloads)
    assert (batch.accepted, batch.duplicates, batch.differing) == (1, 2, 1)
    assert [(row.line, row.result, row.job) for row in left(engine, batch)] == [
        (3, "known", 1),
        (4, "differs", 1),
    ]


def test_a_preview_tells_what_the_cycle_then_does(engine: sa.Engine, shop: Recipe) -> None:
    """The counts of both are the same, also beyond one page, and the preview changes nothing."""
    run(engine, shop, {"number": 1, "phone": "5"}, {"number": 2, "phone": "5"})
    file = [{"number": number % 1500, "phone": "5"} for number in range(1, 2600)]
    file += ["must be a number, not 'x'", "must be a number, not 'y'", {"number": 1, "phone": "7"}]
    previewed = cycle_preview.of(engine, shop, rows(*file))
    with engine.connect() as connection:
        assert read.count(connection, read.Filter()) == 2
        assert cycles.count(connection) == 1
    assert [(refusal.reason, refusal.count, refusal.lines) for refusal in previewed.refusals] == [
        ("must be a number", 2, (2601, 2602))
    ]
    batch = run(engine, shop, *file)
    assert (batch.accepted, batch.duplicates, batch.differing, batch.refused) == (
        previewed.new,
        previewed.known + previewed.differing,
        previewed.differing,
        previewed.refused,
    )
    assert previewed.rows == len(file)
    with engine.connect() as connection:
        assert cycle_rows.refusals(connection, batch.id) == previewed.refusals


@pytest.mark.parametrize(
    ("reason", "without_values"),
    [
        ("must be a date written YYYY-MM-DD, not '3/4/26'", "must be a date written YYYY-MM-DD"),
        ("there is no such day: '2026-02-30'", "there is no such day"),
        ("'Ann Lee' is not of type 'number'", "is not of type 'number'"),
        ("12 is less than the minimum of 20", "is less than the minimum of 20"),
        ("the quote opened on line 17 is never closed", "the quote opened on a line is never closed"),
        ("9 cells where the header has 8 cells", "cells where the header has cells"),
        ("is not JSON: Expecting value: line 1 column 2 (char 1)", "is not JSON: unreadable"),
        ("the value is missing", "the value is missing"),
    ],
)
def test_reasons_are_counted_without_the_values_in_them(reason: str, without_values: str) -> None:
    """What stands in a row is somebody's data, and would make every reason another one."""
    assert gist(reason) == without_values


def test_a_refused_row_is_kept_as_it_came(engine: sa.Engine) -> None:
    """Quotes, delimiters and line ends inside it are those of the file; what cannot be kept is marked."""
    grant = recipes.load_file(Path(recipes.__file__).parents[2] / "workers/recipes/farm-grant.toml")
    header = ";".join(column.name for column in grant.columns)
    good = "219;Ann;(312) 555-0123;19001;corn;1;2;2026-11-01"
    broken = ['x;"Ann\nLee";1;2;3;4;5;6', 'y;"Bob', "1;2;3;4;5;6;7;8;9", "z;\x8e;1;2;3;4;5;6"]
    file = "\n".join([header, good, *broken[:1], good, *broken[1:]]).encode("latin-1")
    *_, batch = cycle.accept_rows(
        engine, grant, csv_rows.read(io.BytesIO(file), grant), name="f", requested_by="t"
    )
    assert isinstance(batch, Cycle)
    originals = {row.line: row.original for row in left(engine, batch) if row.result == "refused"}
    assert originals[3] == broken[0]
    assert originals[6] == broken[1]
    assert originals[7] == broken[2]
    assert originals[8] == "z;?;1;2;3;4;5;6"
