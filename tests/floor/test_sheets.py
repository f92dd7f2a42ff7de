"""Tables for spreadsheets: nothing in them is a formula, and everything comes back as it was."""

from __future__ import annotations

import csv
import io

import openpyxl
import pytest

from hms_floor.presentation import spreadsheets

DANGEROUS = ["=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1+1"]


@pytest.mark.parametrize("place", ["header", "cell"])
@pytest.mark.parametrize("text", DANGEROUS)
def test_no_cell_of_a_csv_file_begins_like_a_formula(place: str, text: str) -> None:
    """An apostrophe stands before it, in the header as in a row."""
    header, row = ([text], ["1"]) if place == "header" else (["line"], [text])
    file = "".join(spreadsheets.csv_lines(header, [row])).removeprefix("\ufeff")
    result = list(csv.reader(io.StringIO(file, newline="")))
    assert result[0 if place == "header" else 1] == [f"'{text}"]


@pytest.mark.parametrize("text", ["Ann Lee", "-12.5", "+7", "1-2", "a=b", "", "'quoted'"])
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    """Numbers with a sign are numbers."""
    assert spreadsheets.escaped(text) == text


def test_a_workbook_holds_texts_and_no_formulas() -> None:
    """Each is a text with a quote before it; what a workbook cannot keep is marked."""
    made = spreadsheets.workbook(
        "Rows", ["line", DANGEROUS[0]], [[1, text] for text in [*DANGEROUS, "a\x00b"]]
    )
    sheet = openpyxl.load_workbook(io.BytesIO(made)).active
    assert sheet is not None
    cells = [row[1] for row in sheet.iter_rows()]
    assert all(cell.data_type == "s" for cell in cells)
    assert cells[1].value == DANGEROUS[0]
    assert cells[1].quotePrefix
    assert cells[-1].value == "a\ufffdb"
    assert sheet.freeze_panes == "A2"
