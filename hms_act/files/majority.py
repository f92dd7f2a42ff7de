"""Refuse a file of which most rows fail for one reason: the file itself is probably the wrong one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from hms_act.files.csv_rows import Refusal, Row
from hms_oms.cycles.cycle_rows import gist
from hms_oms.runtime.errors import HmsError

#: Rows that are looked at before the first is accepted; work on a longer file does not wait for its end.
LOOKED_AT = 10_000


class MostRefused(HmsError):
    """One reason refuses more than half of the rows, and others would be accepted; nothing was begun."""

    def __init__(self, *, field: str, reason: str, refused: int, rows: int, example: Refusal) -> None:
        self.field = field
        self.refused = refused
        self.rows = rows
        #: The first such row, with its value: for the sender's eyes only.
        self.example = f"line {example.line}: {example.reason}"
        super().__init__(
            f"{refused:,} of {rows:,} rows would be refused for one reason, so nothing was started:"
            f" {field}: {reason}"
        )


def checked(rows: Iterator[Row | Refusal]) -> Iterator[Row | Refusal]:
    """The same rows. Raises MostRefused before the first one.

    A file of which every row is refused starts nothing, so there is nothing to ask about.
    """
    ahead: list[Row | Refusal] = []
    failure: Exception | None = None
    try:
        for row in rows:
            ahead.append(row)
            if len(ahead) == LOOKED_AT:
                break
    except Exception as error:  # noqa: BLE001 -- it is raised below, behind the rows before it
        # A file that breaks off is accepted as far as it came, and then fails.
        failure = error
    _judge(ahead)
    yield from ahead
    if failure is not None:
        raise failure
    yield from rows


def _judge(rows: Sequence[Row | Refusal]) -> None:
    refusals = [row for row in rows if isinstance(row, Refusal)]
    if len(refusals) in (0, 1, len(rows)):
        return
    reasons = Counter((row.field, gist(row.reason)) for row in refusals)
    [((field, reason), refused)] = reasons.most_common(1)
    if 2 * refused > len(rows):
        example = next(row for row in refusals if (row.field, gist(row.reason)) == (field, reason))
        raise MostRefused(field=field, reason=reason, refused=refused, rows=len(rows), example=example)
