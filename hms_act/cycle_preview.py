"""Preview a file without starting it: which rows are new, known or refused."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from hms_act import accept, cycle
from hms_act.files.csv_rows import Refusal, Row
from hms_oms.cycles import cycle_rows
from hms_oms.cycles.cycle_rows import FIRST_LINES, CycleRow
from hms_oms.documents.cycles import Refusals
from hms_oms.jobs.queries import read
from hms_oms.recipes import payload_equality
from hms_oms.recipes.recipes import Recipe
from hms_oms.retention import known_keys

#: Rows that are told one by one.
MOST_ROWS = 1000

#: The meaning of each field of a payload, as a number: what is needed to tell whether two rows differ.
_Print = Mapping[str, int]


@dataclass
class Preview:
    """How many rows of a file are new, known, differ from the job that has their key, or are refused.

    `replaceable` of the differing ones have a job that has not begun, which supersede would replace;
    `refusals` groups the refused ones; `refused_rows` and `differing_rows` are the first of them.
    """

    new: int = 0
    known: int = 0
    differing: int = 0
    replaceable: int = 0
    refused: int = 0
    refusals: list[Refusals] = field(default_factory=list)
    refused_rows: list[CycleRow] = field(default_factory=list)
    differing_rows: list[CycleRow] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """All rows of the file."""
        return self.new + self.known + self.differing + self.refused


def of(engine: Engine, recipe: Recipe, rows: Iterator[Row | Refusal]) -> Preview:
    """Look at every row, as `cycle.accept_rows` would, without accepting any."""
    preview = Preview()
    reasons: dict[tuple[str, str], list[int]] = {}
    here: dict[str, _Print] = {}
    replaceable: set[int | None] = set()
    while page := list(itertools.islice(rows, cycle.PAGE)):
        for refusal in (row for row in page if isinstance(row, Refusal)):
            reasons.setdefault((refusal.field, cycle_rows.gist(refusal.reason)), []).append(refusal.line)
            _keep(preview.refused_rows, cycle.refused(refusal))
        with engine.connect() as connection:
            good = (row for row in page if isinstance(row, Row))
            for repeated, not_begun in _compared(connection, recipe, list(good), here):
                if repeated is None:
                    preview.new += 1
                elif repeated.result == "known":
                    preview.known += 1
                else:
                    preview.differing += 1
                    replaceable.add(not_begun)
                    _keep(preview.differing_rows, repeated)
    preview.replaceable = len(replaceable - {None})
    preview.refused = sum(map(len, reasons.values()))
    preview.refusals = [
        Refusals(column, reason, len(lines), tuple(lines[:FIRST_LINES]))
        for (column, reason), lines in sorted(reasons.items(), key=lambda entry: -len(entry[1]))
    ]
    return preview


def _compared(
    connection: Connection, recipe: Recipe, rows: list[Row], here: dict[str, _Print]
) -> Iterable[tuple[CycleRow | None, int | None]]:
    """Each row held against the job or the earlier row that has its key, and the job if it has not begun.

    None stands for a new row.
    """
    keys = [accept.key_of(recipe, row.payload) for row in rows]
    asked = [key for key in keys if key is not None]
    known = read.by_keys(connection, recipe.type, asked)
    removed = known_keys.find(connection, recipe.type, [key for key in asked if key not in known])
    for row, key in zip(rows, keys, strict=True):
        if key is None:
            yield None, None
        elif key in here:
            yield _within(row, here[key], _print(recipe, row)), None
        elif key in known:
            job = known[key]
            not_begun = job.id if job.status in accept.NOT_BEGUN else None
            yield cycle.compared(recipe, row, job), not_begun
        elif key in removed:
            yield CycleRow(row.line, "known", job=removed[key].id), None
        else:
            here[key] = _print(recipe, row)
            yield None, None


def _within(row: Row, first: _Print, second: _Print) -> CycleRow:
    names = [name for name in dict.fromkeys([*first, *second]) if first.get(name) != second.get(name)]
    # The earlier row is not kept, so its values cannot be told.
    differences = {name: [None, row.payload.get(name, payload_equality.ABSENT)] for name in names}
    return CycleRow(row.line, "differs" if names else "known", differences=differences or None)


def _print(recipe: Recipe, row: Row) -> _Print:
    fields = recipe.payload.get("properties", {})
    return {
        name: hash(payload_equality.meaning(fields.get(name), value)) for name, value in row.payload.items()
    }


def _keep(rows: list[CycleRow], row: CycleRow) -> None:
    if len(rows) < MOST_ROWS:
        rows.append(row)
