"""Read a CSV file of requests by a recipe's columns: each row becomes a payload or a refusal."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from hms_act.files.cells import BadCell, Form
from hms_act.files.csv_records import Broken, Record, Records
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.errors import HmsError
from hms_oms.runtime.text_decoding import UNDECODABLE, shown


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be read, and the physical line (from 1) on which it starts."""

    line: int
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that cannot be read: where it starts, the column that is to blame, why, and its text.

    Two refusals are equal if they say the same of the same line.
    """

    line: int
    field: str
    reason: str
    original: str = dataclasses.field(default="", compare=False, repr=False)


class UnreadableFile(HmsError):
    """The file as a whole is no list of such requests; `faults` holds every reason."""

    def __init__(self, faults: Sequence[str], expected: Sequence[str]) -> None:
        self.faults = tuple(faults)
        self.expected = tuple(expected)
        super().__init__(
            f"{'; '.join(self.faults)}. Expected is CSV text (UTF-8) whose first line names, in any order, "
            f"the columns {', '.join(self.expected)}"
        )


def read(stream: IO[bytes], recipe: Recipe) -> Iterator[Row | Refusal]:
    """Read the header at once and the rows as they are asked for, in the order of the file.

    Blank rows, and rows of nothing but delimiters, are left out. Of a bad row the first fault is told,
    in the order of the recipe's columns. Raises UnreadableFile where the header will not do.
    """
    records = Records(stream)
    header = _header(records, recipe)
    positions = _positions(header, recipe)
    records.expect(least=max(positions) + 1, most=len(header))
    return _rows(records, _names(header, recipe), Form(recipe, positions))


def _header(records: Records, recipe: Recipe) -> list[str]:
    expected = [column.name for column in recipe.columns]
    if not expected:
        raise UnreadableFile(
            [f"the recipe {recipe.type} has no columns, so no file can be read by it"], expected
        )
    first = next(records, None)
    if first is None:
        raise UnreadableFile(["the file is empty"], expected)
    if isinstance(first, Broken):
        raise UnreadableFile([f"line {first.line} is not a CSV header: {first.reason}"], expected)
    return first.cells


def _positions(header: Sequence[str], recipe: Recipe) -> list[int]:
    faults = []
    positions = []
    for column in recipe.columns:
        matching = [place for place, name in enumerate(header) if _folded(name) == _folded(column.name)]
        positions.extend(matching[:1])
        if not matching:
            faults.append(f"the column {column.name} is missing")
        elif len(matching) > 1:
            places = " and ".join(str(place + 1) for place in matching)
            faults.append(f"the column {column.name} is named twice (cells {places})")
    if len(positions) < len(recipe.columns):
        faults.append(_what_was_found(header))
    if faults:
        raise UnreadableFile(faults, [column.name for column in recipe.columns])
    return positions


def _what_was_found(header: Sequence[str]) -> str:
    text = ", ".join(name.strip() for name in header)
    if "\0" in text or UNDECODABLE.search(text):
        return "the first line is not text (is it a workbook or another encoding? save it as CSV UTF-8)"
    return f"found {shown(text, 200)}"


def _names(header: Sequence[str], recipe: Recipe) -> list[str]:
    known = {_folded(column.name): column.name for column in recipe.columns}
    # Refusals are written to files: what could not be decoded could not be written either.
    return [known.get(_folded(name), UNDECODABLE.sub("\ufffd", name.strip())) for name in header]


def _folded(name: str) -> str:
    return name.strip().casefold()


def _rows(records: Records, names: Sequence[str], form: Form) -> Iterator[Row | Refusal]:
    for record in records:
        if isinstance(record, Broken):
            column = names[min(record.cell, len(names) - 1)]
            yield Refusal(record.line, column, record.reason, record.text)
        elif any(map(str.strip, record.cells[len(names) :])):
            yield _too_many(record, names)
        else:
            try:
                yield Row(record.line, form.payload(record.cells))
            except BadCell as bad:
                yield Refusal(record.line, bad.column, bad.reason, record.text)


def _too_many(record: Record, names: Sequence[str]) -> Refusal:
    count = f"{len(record.cells)} cells where the header has {len(names)}"
    reason = f"{count}: does a value hold a delimiter without quotes around it?"
    return Refusal(record.line, names[-1], reason, record.text)
