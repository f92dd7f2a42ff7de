"""Split the bytes of a CSV file into records with line numbers; broken records are reported, not fatal."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import IO

from hms_oms.runtime import text_decoding

#: No record is longer than this: a quote that nobody closed must not read the file to its end.
LONGEST_RECORD = 100_000
#: What stands between cells; of several the one that the header has most of.
DELIMITERS = ",\t;|"
#: The first line by which Excel is told the delimiter.
_SEP = re.compile(r'"?sep=(?P<delimiter>[^\w\s"]|\t)"?[,;\t|]*\s*', re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')


@dataclass(frozen=True, slots=True)
class Record:
    """The cells of one record, the physical line (from 1) on which it starts, and its text as it stands."""

    line: int
    cells: list[str]
    text: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A record whose quoting or length makes it unreadable, and the position of the cell that broke it."""

    line: int
    cell: int
    reason: str
    text: str = ""


class Records:
    """The records of a CSV file, blank ones left out, read as they are asked for.

    Behind a broken record reading goes on with the line after the one where the broken cell began, so
    that a stray quote costs its own row and not the rows that follow. The delimiter is the one that Excel's
    line `sep=;` names, or the one of comma, tab, semicolon and bar that the first line has most of.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._lines = text_decoding.lines(stream, LONGEST_RECORD)
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._size = 0
        self._line = 1
        self._least, self._most = 0, LONGEST_RECORD
        self.delimiter = self._guessed_delimiter()
        self._cell = _cell_pattern(self.delimiter)
        self._reader = self._fresh_reader()

    def expect(self, least: int, most: int) -> None:
        """Take a record of several lines with fewer or more cells than these for a stray quote's work."""
        self._least, self._most = least, most

    def __iter__(self) -> Iterator[Record | Broken]:
        return self

    def __next__(self) -> Record | Broken:
        while True:
            self._line += len(self._taken)
            self._taken.clear()
            self._size = 0
            try:
                cells = next(self._reader)
            except (csv.Error, _TooLong) as error:
                return self._broken(error)
            if len(self._taken) > 1 and not self._least <= _filled(cells) <= self._most:
                return self._runaway(cells)
            if any(map(str.strip, cells)):
                return Record(self._line, cells, self._text())

    def _broken(self, error: Exception) -> Broken:
        cell, offset = self._broken_cell("".join(self._taken))
        before = sum(end <= offset for end in accumulate(map(len, self._taken)))
        opened = self._line + before
        if isinstance(error, _TooLong) and len(self._taken) == 1:
            reason = f"the line is longer than {LONGEST_RECORD:,} characters"
        elif isinstance(error, _TooLong):
            reason = f"the quote opened on line {opened} is not closed within {LONGEST_RECORD:,} characters"
        elif "unexpected end" in str(error):
            reason = f"the quote opened on line {opened} is never closed"
        elif "expected after" in str(error):
            reason = f"text follows the closing quote of the value that begins on line {opened}"
        else:
            reason = f"not readable as CSV: {error}"
        return self._resumed(Broken(self._line, cell, reason), before + 1)

    def _runaway(self, cells: list[str]) -> Broken:
        cell = next(position for position, text in enumerate(cells) if "\n" in text or "\r" in text)
        last = self._line + len(self._taken) - 1
        reason = f"the quote opened here is closed on line {last} only, which leaves {len(cells)} cells"
        return self._resumed(Broken(self._line, cell, reason), 1)

    def _resumed(self, broken: Broken, kept: int) -> Broken:
        self._again.extendleft(reversed(self._taken[kept:]))
        del self._taken[kept:]
        self._reader = self._fresh_reader()
        return replace(broken, text=self._text())

    def _text(self) -> str:
        """The record at hand, without its end of line."""
        text = self._taken[0] if len(self._taken) == 1 else "".join(self._taken)
        return text.rstrip("\r\n")

    def _broken_cell(self, text: str) -> tuple[int, int]:
        """The first cell that is not well quoted, or is most of a record too long, and where it begins."""
        cell, offset = 0, 0
        while match := self._cell.match(text, offset):
            end = match.end()
            if end - offset > LONGEST_RECORD // 2 or text[end : end + 1] != self.delimiter:
                break
            cell, offset = cell + 1, end + 1
        return cell, offset

    def _guessed_delimiter(self) -> str:
        delimiter = None
        for line in self._lines:
            sep = _SEP.fullmatch(line)
            if sep and delimiter is None:
                delimiter = sep["delimiter"]
            elif line.strip():
                self._again.append(line)
                return delimiter or max(DELIMITERS, key=_QUOTED.sub("", line[:LONGEST_RECORD]).count)
            self._line += 1
        return delimiter or DELIMITERS[0]

    def _fresh_reader(self) -> Iterator[list[str]]:
        return csv.reader(
            iter(self._take, None), delimiter=self.delimiter, strict=True, skipinitialspace=True
        )

    def _take(self) -> str | None:
        line = self._again.popleft() if self._again else next(self._lines, None)
        if line is not None:
            self._taken.append(line)
            self._size += len(line)
            # Our own limit, because csv.field_size_limit belongs to the whole process.
            if self._size > LONGEST_RECORD:
                raise _TooLong
        return line


class _TooLong(Exception):
    """The record at hand has outgrown LONGEST_RECORD."""


def _filled(cells: list[str]) -> int:
    count = len(cells)
    while count and not cells[count - 1].strip():
        count -= 1
    return count


def _cell_pattern(delimiter: str) -> re.Pattern[str]:
    end = rf"[{re.escape(delimiter)}\r\n]"
    quoted = rf'"[^"]*+(?:""[^"]*+)*+"(?={end}|\Z)'
    plain = rf'(?!")[^{re.escape(delimiter)}\r\n]*+'
    return re.compile(rf" *+(?:{quoted}|{plain})")
