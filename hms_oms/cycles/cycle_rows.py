"""Rows of a cycle's file that made no job, kept as long as the cycle; the writer of oms.cycle_rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, text

from hms_oms.database.plain_text import plain
from hms_oms.documents.cycles import Refusals

Result = Literal["refused", "known", "differs"]

#: Lines that are named for each reason.
FIRST_LINES = 5
#: Rows that are read at a time.
PAGE = 1000

# Reasons quote values: at the start, behind "not" or a colon, or as a number of a line.
_VALUES = (
    # A likely value at the end, and the value that was sent in front.
    (re.compile(r"; \S+\?$"), ""),
    (re.compile(r"^(?:'.*?'|\".*?\"|\w+): (?=\w+ digits are needed|a spreadsheet |a phone )", re.DOTALL), ""),
    (re.compile(r"^(?:'.*?'|\".*?\"): .* is not understood: ", re.DOTALL), "is not understood: "),
    (re.compile(r"^(?:'.*?'|\".*?\"|[-+0-9.]+|\[.*?\]|\{.*?\}) (?=is |does |was |has |are )", re.DOTALL), ""),
    (re.compile(r"(?:, not|:) (?:'.*'|\".*\")$", re.DOTALL), ""),
    (re.compile(r"\bline \d+"), "a line"),
    (re.compile(r"\b\d+ cells"), "cells"),
    (re.compile(r"(?<=is not JSON: ).*", re.DOTALL), "unreadable"),
)


@dataclass(frozen=True, slots=True)
class CycleRow:
    """A row that made no job, with the line (from 1) on which it starts.

    `field`, `reason` and `original` are those of a refused row; `job` has the key of any other, which differs
    in `differences`: by field what the job has, and what was sent.
    """

    line: int
    result: Result
    field: str | None = None
    reason: str | None = None
    original: str | None = None
    job: int | None = None
    differences: Mapping[str, Any] | None = None


def add(connection: Connection, batch: int, rows: Sequence[CycleRow]) -> None:
    """Keep rows, in the transaction that counts them."""
    if rows:
        documents = [_document(row) for row in rows]
        connection.execute(text(_ADD), {"batch": batch, "rows": json.dumps(documents)})


def find(
    connection: Connection, batch: int, results: Sequence[Result], *, limit: int, after: int = 0
) -> list[CycleRow]:
    """The rows with these results in the order of the file, behind the line `after`."""
    asked = {"batch": batch, "results": list(results), "limit": limit, "after": after}
    return [CycleRow(**row) for row in connection.execute(text(_FIND), asked).mappings()]


def every(connection: Connection, batch: int, results: Sequence[Result]) -> Iterator[CycleRow]:
    """All rows with these results in the order of the file, page by page."""
    after = 0
    while page := find(connection, batch, results, limit=PAGE, after=after):
        yield from page
        after = page[-1].line


def refusals(connection: Connection, batch: int) -> list[Refusals]:
    """The reasons for which rows were refused, the most frequent first."""
    rows = connection.execute(text(_REFUSALS), {"batch": batch, "lines": FIRST_LINES})
    return [Refusals(**{**row, "lines": tuple(row["lines"])}) for row in rows.mappings()]


def gist(reason: str) -> str:
    """A reason without the values that it quotes."""
    for pattern, instead in _VALUES:
        reason = pattern.sub(instead, reason)
    return reason


def _document(row: CycleRow) -> dict[str, Any]:
    return {
        "line": row.line,
        "result": row.result,
        "field": row.field and plain(row.field),
        "reason": row.reason and plain(row.reason),
        "gist": row.reason and plain(gist(row.reason)),
        "original": row.original and plain(row.original),
        "job_id": row.job,
        "differences": row.differences,
    }


_ADD = """
insert into oms.cycle_rows (batch_id, line, result, field, reason, gist, original, job_id, differences)
select cast(:batch as bigint), line, result, field, reason, gist, original, job_id, differences
from jsonb_to_recordset(cast(:rows as jsonb)) as row (line int, result text, field text, reason text,
    gist text, original text, job_id bigint, differences jsonb)
"""

_FIND = """
select line, result, field, reason, original, job_id as job, differences
from oms.cycle_rows
where batch_id = :batch and result = any(:results) and line > :after
order by line
limit :limit
"""

_REFUSALS = """
select field, gist as reason, count(*) as count, (array_agg(line order by line))[1 : :lines] as lines
from oms.cycle_rows
where batch_id = :batch and result = 'refused'
group by field, gist
order by count(*) desc, min(line)
"""
