"""Tables for spreadsheets, as CSV and xlsx; no cell of them is ever a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

Cell = str | int | float | None
Row = Sequence[Cell]

CSV = "text/csv; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

#: What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
#: A plain number is none, whatever its sign.
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
#: The longest text that a cell of a workbook may hold.
_LONGEST = 32_767
_UNKEEPABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def escaped(cell: Cell) -> Cell:
    """A cell that a spreadsheet shows and does not compute: an apostrophe stands before what it would."""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def csv_lines(header: Row, rows: Iterable[Row]) -> Iterator[str]:
    """A CSV file, line by line; with a mark at its start, spreadsheets know that it is UTF-8."""
    line = io.StringIO()
    writer = csv.writer(line)
    line.write("\ufeff")
    for row in _first(header, rows):
        writer.writerow([escaped(cell) for cell in row])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def workbook(title: str, header: Row, rows: Iterable[Row]) -> bytes:
    """An xlsx file with one sheet, its header fixed while the rows are scrolled."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    for number, row in enumerate(_first(header, rows)):
        cells = []
        for value in row:
            text = _UNKEEPABLE.sub("\ufffd", value)[:_LONGEST] if isinstance(value, str) else value
            cell = WriteOnlyCell(sheet, text)
            if isinstance(text, str):
                # What begins like a formula is text all the same, also after somebody has edited it.
                cell.data_type = "s"
                cell.quotePrefix = text.startswith(_FORMULA)
            if number == 0:
                cell.font = Font(bold=True)
            cells.append(cell)
        sheet.append(cells)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _first(header: Row, rows: Iterable[Row]) -> Iterator[Row]:
    yield header
    yield from rows
