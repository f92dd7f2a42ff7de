"""The API for files: what people's spreadsheets write is read, what cannot be read is refused by line."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import time
import tracemalloc
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hms_act import accept
from hms_act.files import json_lines
from hms_act.files.csv_records import LONGEST_RECORD
from hms_act.files.csv_rows import Refusal, Row, UnreadableFile, read
from hms_oms.recipes import counties, recipes
from hms_oms.recipes.recipes import Column, Recipe
from hms_oms.runtime.errors import RequestRejected

GRANT = recipes.load_file(Path(recipes.__file__).parents[2] / "workers/recipes/farm-grant.toml")
HEADER = "app_id,name,phone,county_fips,crop,acres,amount_requested,submitted_on"
NAMES = HEADER.split(",")
GOOD = {
    "app_id": "219",
    "name": "Ann Lee",
    "phone": "(312) 555-0123",
    "county_fips": "19001",
    "crop": "corn",
    "acres": "120.5",
    "amount_requested": "25000",
    "submitted_on": "2026-11-01",
}
PAYLOAD = {
    "appId": 219,
    "name": "Ann Lee",
    "phone": "(312) 555-0123",
    "countyFips": "19001",
    "crop": "corn",
    "acres": 120.5,
    "amountRequested": 25000,
    "submittedOn": "2026-11-01",
}


def line(**cells: str) -> str:
    """A row as text, good but for the cells that are given."""
    return ",".join({**GOOD, **cells}.values())


def table(*lines: str, end: str = "\n") -> bytes:
    """A file of the usual header and these lines."""
    return "".join(text + end for text in (HEADER, *lines)).encode("utf-8", "surrogateescape")


def rows(content: bytes, recipe: Recipe = GRANT) -> list[Row | Refusal]:
    """Everything that is read from a file."""
    return list(read(io.BytesIO(content), recipe))


def refused(content: bytes) -> list[tuple[int, str]]:
    """Line and column of each refusal of a file."""
    return [(row.line, row.field) for row in rows(content) if isinstance(row, Refusal)]


def accepted(content: bytes) -> list[tuple[int, int]]:
    """Line and application number of each row that is read."""
    return [(row.line, row.payload["appId"]) for row in rows(content) if isinstance(row, Row)]


def test_a_plain_row_becomes_the_payload() -> None:
    """Each column fills its payload field with the type that its kind demands."""
    (row,) = rows(table(line()))

    assert Row(2, PAYLOAD) == row
    assert isinstance(row, Row)
    assert [type(value) for value in PAYLOAD.values()] == [type(value) for value in row.payload.values()]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_encoding_and_line_end_reads_alike(encoding: str, end: str) -> None:
    """BOM or none, UTF-16 or UTF-8, CRLF, LF or CR: the rows are the same."""
    text = "".join(part + end for part in (HEADER, line(name="王秀英"), line(app_id="220", name="محمد")))

    assert [
        (row.line, row.payload["name"]) for row in rows(text.encode(encoding)) if isinstance(row, Row)
    ] == [(2, "王秀英"), (3, "محمد")]


def test_columns_stand_in_any_order_among_others() -> None:
    """Columns are found by name, whatever their order, case and padding; those unknown are ignored."""
    content = (
        "notes,SUBMITTED_ON , Amount_Requested,acres,crop,county_fips,phone,name,app_id,\n"
        "x,2026-11-01,25000,120.5,corn,19001,(312) 555-0123,Ann Lee,219,\n"
    )

    assert [Row(2, PAYLOAD)] == rows(content.encode())


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_of_spreadsheets_are_recognised(delimiter: str) -> None:
    """Excel writes tabs into its Unicode text, and semicolons where the comma is the decimal sign."""
    text = "".join(text.replace(",", delimiter) + "\r\n" for text in (HEADER, line()))

    assert [Row(2, PAYLOAD)] == rows(text.encode("utf-16"))


def test_quoted_commas_quotes_and_newlines_belong_to_the_value() -> None:
    """A quoted value may hold what otherwise ends a cell or a line."""
    name = 'Lee, "Ann"\r\nTwo Rivers\nRanch'
    quoted = '"' + name.replace('"', '""') + '"'

    (row,) = rows(table(line(name=quoted)))

    assert Row(2, {**PAYLOAD, "name": name}) == row


def test_a_row_has_the_line_on_which_it_starts() -> None:
    """Newlines in values and blank lines are counted, for rows and refusals alike."""
    content = table(
        line(app_id="1", name='"a\nb\r\nc"'),
        "",
        "   ",
        ",,,,,,,",
        line(app_id="2"),
        line(app_id="x", name='"a\nb"'),
        line(app_id="3"),
    )

    assert accepted(content) == [(2, 1), (8, 2), (11, 3)]
    assert refused(content) == [(9, "app_id")]


def test_blank_lines_may_stand_above_the_header() -> None:
    """What a person leaves free at the top is skipped, and counted."""
    assert accepted(b"\n \n" + table(line())) == [(4, 219)]


def test_a_header_alone_has_no_rows() -> None:
    """An empty list of requests is a list."""
    assert rows(HEADER.encode()) == []


@pytest.mark.parametrize("column", NAMES)
@pytest.mark.parametrize("blank", ["", "  ", "\u00a0", '""'])
def test_a_missing_value_is_refused_by_its_column(column: str, blank: str) -> None:
    """A blank cell is a missing value, in every column."""
    assert [(2, column)] == refused(table(line(**{column: blank})))


@pytest.mark.parametrize("blank", ["", " \u00a0", '""'])
def test_an_empty_cell_of_an_optional_field_is_left_out(blank: str) -> None:
    """The payload goes without the field, wherever its column stands; what is there is checked as ever."""
    optional = ("crop", "amountRequested")
    required = [field for field in GRANT.payload["required"] if field not in optional]
    recipe = replace(GRANT, payload={**GRANT.payload, "required": required})
    file = table(line(crop=blank, amount_requested=blank), line(crop="x" * 101), line())
    first, second, third = read(io.BytesIO(file), recipe)
    rest = {field: value for field, value in PAYLOAD.items() if field not in optional}
    assert (first, third) == (Row(2, rest), Row(4, PAYLOAD))
    assert isinstance(second, Refusal)
    assert second.field == "crop"


def test_a_short_row_misses_its_last_values() -> None:
    """Cells that are not there at all are missing values too."""
    assert refused(table("219,Ann Lee,312-555-0123,19001,corn")) == [(2, "acres")]


BAD_CELLS = {
    "app_id": (
        *("0", "00", "-1", "+1", "1.0", "1e3", "1_0", "12a", "１２", "٣", "9007199254740992", "9" * 5000),
    ),
    "acres": (
        *(
            "NaN",
            "nan",
            "inf",
            "-inf",
            "Infinity",
            "1e999",
            "9" * 400,
            "1_000",
            '"1,000"',
            "1 000",
            "１２",
            "٣",
        ),
        *("0x10", ".", "e5", "1e", "$5", "5%", "--1", "twelve", "0", "-5", "-0.5"),
    ),
    "submitted_on": (
        *(
            "11/01/2026",
            "2026-11-1",
            "20261101",
            "2026-W44-7",
            "26-11-01",
            "2026-11-01T00:00",
            "２０２６-11-01",
        ),
        *("2026-02-30", "0000-01-01"),
    ),
    "name": ("x" * 301, "a\0b"),
    "phone": ("5" * 61, "none", "12345", "3.12555E+09", "312-555-0123 ask for Ann"),
    "county_fips": ("1001", "010010", "01-001", "Polk County", "US01001", "٠١٠٠١", "1.001E+03"),
}


@pytest.mark.parametrize(
    ("column", "text"), [(column, text) for column in BAD_CELLS for text in BAD_CELLS[column]]
)
def test_a_value_of_the_wrong_kind_is_refused(column: str, text: str) -> None:
    """What a column cannot mean is refused in its name, and the rows beside it are read."""
    content = table(line(app_id="1"), line(**{column: text}), line(app_id="2"))

    assert [(3, column)] == refused(content)
    assert accepted(content) == [(2, 1), (4, 2)]


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("+5", 5), ("5.", 5.0), (".5", 0.5), ("1E+05", 100000.0), ("5.0", 5.0)],
)
def test_numbers_keep_their_nature(text: str, value: float) -> None:
    """Digits alone are an int, all other numbers a float."""
    (row,) = rows(table(line(acres=text)))

    assert isinstance(row, Row)
    assert (value, type(value)) == (row.payload["acres"], type(row.payload["acres"]))


def test_a_code_that_lost_its_zero_is_refused_with_the_likely_one() -> None:
    """Five digits are needed in every format of file, and by every program: nobody is texted before."""
    content = (
        b"app_id,name,phone,county_fips,crop,acres,amount_requested,submitted_on\n"
        b"106001,Ann Lee,312-555-0142,1001,corn,120,30000,2026-11-20\n"
    )
    why = "1001: five digits are needed; 01001?"
    payload = {"appId": 1, "name": "Ann", "phone": "312-555-0142", "countyFips": "1001", "crop": "corn"}
    payload |= {"acres": 1, "amountRequested": 1, "submittedOn": "2026-11-20"}

    assert rows(content) == [Refusal(2, "county_fips", why)]
    assert list(json_lines.read(io.BytesIO(json.dumps(payload).encode()), GRANT)) == [
        Refusal(1, "countyFips", why)
    ]
    for output in (1001, "1001\n"):
        with pytest.raises(RequestRejected, match=r"five digits are needed; 01001\?"):
            accept.check(GRANT, payload | {"countyFips": output})
    with pytest.raises(RequestRejected, match="five digits are needed"):
        accept.check(GRANT, payload | {"countyFips": "19001\n"})


@pytest.mark.parametrize(
    ("column", "text", "likely"),
    [
        ("submitted_on", "46346", "2026-11-20"),
        ("submitted_on", "11/20/2026", "2026-11-20"),
        ("acres", '"1,200"', "1200"),
        ("amount_requested", '"$25,000.50"', "25000.50"),
        ("app_id", '"106,001"', "106001"),
        ("app_id", "106001.0", "106001"),
    ],
)
def test_what_a_spreadsheet_has_changed_is_refused_with_the_likely_value(
    column: str, text: str, likely: str
) -> None:
    """The value that was meant is suggested, and never taken."""
    [refusal] = [row for row in rows(table(line(**{column: text}))) if isinstance(row, Refusal)]

    assert refusal.field == column
    assert refusal.reason.endswith(f"; {likely}?")


def test_the_first_fault_in_the_order_of_the_recipe_is_told() -> None:
    """One refusal per row: the first column that is wrong, by kind or by schema, in the recipe's order."""
    backwards = (
        ",".join(reversed(NAMES)) + "\n" + ",".join(["bad", "bad", "bad", "", "1", "1", "x" * 301, "1"])
    )

    assert refused(backwards.encode()) == [(2, "name")]


def test_too_many_cells_are_refused_unless_they_are_blank() -> None:
    """A value behind the last column means that the cells have slipped; a trailing comma means nothing."""
    content = table(line(app_id="1", name="Lee, Ann"), line(app_id="2") + ", ,")

    assert refused(content) == [(2, "submitted_on")]
    assert accepted(content) == [(3, 2)]


def test_bytes_of_an_unknown_encoding_cost_their_row_only() -> None:
    """A row that may be Mac or DOS text is refused by the column that holds the bytes."""
    content = table(line(app_id="1"), line(name="Jos\udc8e"), line(app_id="2", name="José"))

    assert refused(content) == [(3, "name")]
    assert accepted(content) == [(2, 1), (4, 2)]


def test_a_row_in_windows_1252_is_read() -> None:
    """That is what Excel writes as plain CSV; rows in UTF-8 may stand beside it."""
    content = table(line(app_id="1", name="Jos\udce9 O\udc92Neill"), line(app_id="2", name="José O’Neill"))

    assert [row.payload["name"] for row in rows(content) if isinstance(row, Row)] == ["José O’Neill"] * 2


def test_a_refusal_can_always_be_written_down() -> None:
    """Where the blame falls on a column whose name cannot be decoded, the refusal is text all the same."""
    content = HEADER.encode() + b",Gr\x9a\xa7e\n" + f'{line()},"open\n'.encode()

    assert refused(content) == [(2, "Gr\ufffd\ufffde")]


def test_half_a_character_at_the_end_of_utf16_costs_the_last_row_only() -> None:
    """A UTF-16 file that was cut off is read up to the cut."""
    content = table(line(app_id="1"), line(app_id="2")).decode().rstrip("\n").encode("utf-16") + b"\x30"

    assert accepted(content) == [(2, 1)]
    assert refused(content) == [(3, "submitted_on")]


def test_a_lone_surrogate_in_utf16_costs_its_row_only() -> None:
    """What is no character cannot be stored, so it is refused."""
    text = "".join(part + "\n" for part in (HEADER, line(name="\ud800x"), line(app_id="2")))
    content = b"\xff\xfe" + text.encode("utf-16-le", "surrogatepass")

    assert refused(content) == [(2, "name")]
    assert accepted(content) == [(3, 2)]


def test_a_quote_that_is_never_closed_costs_its_row_only() -> None:
    """The row where the quote opened is refused; those that it would have swallowed are read."""
    content = table(line(app_id="1"), line(name='"Ann Lee'), line(app_id="2"), line(app_id="3"))

    assert accepted(content) == [(2, 1), (4, 2), (5, 3)]
    (refusal,) = [row for row in rows(content) if isinstance(row, Refusal)]
    assert Refusal(3, "name", "the quote opened on line 3 is never closed") == refusal


def test_a_stray_quote_before_a_quoted_value_costs_its_row_only() -> None:
    """The next proper quote would close the stray one: that is noticed, and nothing is swallowed."""
    content = table(
        line(name='"Ann Lee'), line(app_id="1"), line(app_id="2", name='"Lee, Bo"'), line(app_id="3")
    )

    assert refused(content) == [(2, "name")]
    assert accepted(content) == [(3, 1), (4, 2), (5, 3)]


def test_a_stray_quote_that_ends_with_a_line_costs_no_other_row() -> None:
    """A quote closed at the very end of a later line leaves too few cells: those lines are read again."""
    content = table(line(name='"Ann Lee'), line(app_id="1"), line(app_id="2", submitted_on='2026-11-01"'))

    assert refused(content) == [(2, "name"), (4, "submitted_on")]
    assert accepted(content) == [(3, 1)]


def test_the_reason_names_the_line_where_the_quote_opened() -> None:
    """Behind a proper value of several lines, the quote's own line is told beside the row's."""
    content = table(line(name='"a\nb"', crop='"corn'), line(app_id="1"))

    first, second = rows(content)

    assert Refusal(2, "crop", "the quote opened on line 3 is never closed") == first
    assert isinstance(second, Row)
    assert second.line == 4


def test_text_behind_a_closing_quote_is_refused() -> None:
    """A value that goes on after its closing quote is nobody's spelling."""
    assert refused(table(line(name='"Ann" Lee'))) == [(2, "name")]


@pytest.mark.parametrize("quote", ["{}", '"{}"', '"{}'])
@pytest.mark.parametrize("length", [LONGEST_RECORD + 1, 5 * LONGEST_RECORD])
def test_an_over_long_value_costs_its_row_only(quote: str, length: int) -> None:
    """A line without measure is refused, and reading goes on behind it."""
    content = table(line(app_id="1"), line(name=quote.format("x" * length)), line(app_id="2"))

    assert refused(content) == [(3, "name")]
    assert accepted(content) == [(2, 1), (4, 2)]


def test_the_field_size_limit_of_the_process_raises_nothing() -> None:
    """Anyone who else sets csv.field_size_limit, a long value is a refusal."""
    before = csv.field_size_limit(100)
    try:
        content = table(line(app_id="1"), line(name="x" * 200), line(app_id="2"))

        assert [number for number, _ in refused(content)] == [3]
        assert accepted(content) == [(2, 1), (4, 2)]
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ["empty"]),
        (b"\n\n  \n", ["empty"]),
        (
            b"app_id,name,phone,county_fips,crop,acres\n",
            ["amount_requested is missing", "submitted_on is missing"],
        ),
        (f"{HEADER},Phone\n".encode(), ["phone is named twice (cells 3 and 9)"]),
        (b"phone,PHONE\n", ["app_id is missing", "phone is named twice"]),
        (b'"app_id,name\n1,2\n', ["line 1", "never closed"]),
        (b"PK\x03\x04\x14\x00\x06\x00", ["not text", "CSV UTF-8"]),
        (HEADER.replace("app_id", "app_\x00id").encode(), ["not text"]),
        (HEADER.encode("utf-32"), ["not text"]),
        (b"x" * 300_000, ["longer than"]),
    ],
)
def test_a_file_that_is_no_such_list_names_every_fault(content: bytes, expected: list[str]) -> None:
    """The header is judged at once and whole, and the message says what was expected."""
    with pytest.raises(UnreadableFile) as caught:
        read(io.BytesIO(content), GRANT)

    for words in [*expected, HEADER.replace(",", ", ")]:
        assert words in str(caught.value)


def test_a_recipe_without_columns_reads_no_file() -> None:
    """Where the recipe names no columns, the message says so."""
    with pytest.raises(UnreadableFile, match="has no columns"):
        read(io.BytesIO(b"a\n1\n"), replace(GRANT, columns=()))


class Pipe(io.BytesIO):
    """A stream that gives a byte at a time, as a slow pipe may."""

    def read(self, size: int | None = -1, /) -> bytes:
        """The next byte."""
        return super().read(1)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_stream_may_come_in_pieces(encoding: str) -> None:
    """Byte order marks, characters and CRLF may be torn apart by the pipe."""
    text = "".join(part + "\r\n" for part in (HEADER, line(name="王秀英"), "", line()))

    result = list(read(Pipe(text.encode(encoding)), GRANT))

    assert [Row(2, {**PAYLOAD, "name": "王秀英"}), Row(4, PAYLOAD)] == result


def test_the_stream_is_read_as_rows_are_asked_for_and_left_open() -> None:
    """A long file does not have to fit into memory, and closing it is its owner's business."""
    stream = io.BytesIO(table(*[line()] * 20_000))

    result = read(stream, GRANT)
    next(result)
    position = stream.tell()
    del result

    assert position < len(stream.getvalue()) / 10
    assert not stream.closed


def test_many_rows_are_read_in_seconds_and_little_memory() -> None:
    """Ten times the daily file is no burden."""
    content = table(*[line(name='"Lee, Ann"')] * 30_000)
    started = time.process_time()
    assert sum(isinstance(result, Row) for result in read(io.BytesIO(content), GRANT)) == 30_000
    assert time.process_time() - started < 5

    tracemalloc.start()
    try:
        for _ in itertools.islice(read(io.BytesIO(content), GRANT), 5_000):
            pass
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


words = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)
    .map(str.strip)
    .filter(bool)
)
payloads = st.fixed_dictionaries(
    {
        "appId": st.integers(1, 2**53 - 1),
        "name": words,
        "phone": st.from_regex(r"[(][0-9]{3}[)] [0-9]{3}-[0-9]{4}", fullmatch=True),
        "countyFips": st.sampled_from(sorted(counties.codes())),
        "crop": words,
        "acres": st.integers(1, 10**15) | st.floats(1e-6, allow_nan=False, allow_infinity=False),
        "amountRequested": st.integers(1) | st.floats(1e-6, allow_nan=False, allow_infinity=False),
        "submittedOn": st.dates(date(2000, 1, 1), date(2099, 12, 31)).map(str),
    }
)


@settings(deadline=None)
@given(
    st.lists(payloads, max_size=5),
    st.permutations(NAMES),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    # Python 3.11 leaves a lone CR or LF without quotes where neither ends a line.
    st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\n", csv.QUOTE_ALL), ("\r", csv.QUOTE_NONNUMERIC)]),
)
def test_whatever_a_csv_writer_writes_is_read_back(
    expected: list[dict[str, Any]], order: list[str], encoding: str, style: tuple[str, Any]
) -> None:
    """Any payloads written by Python's csv module come back whole, each with its line."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator=style[0], quoting=style[1])
    writer.writerow(order)
    lines = []
    field = {column.name: column.field for column in GRANT.columns}
    for payload in expected:
        lines.append(len(io.StringIO(stream.getvalue(), newline="").readlines()) + 1)
        writer.writerow([payload[field[name]] for name in order])

    value = rows(stream.getvalue().encode(encoding))

    assert [Row(number, payload) for number, payload in zip(lines, expected, strict=True)] == value


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text('",\n\r \tab1;', max_size=60).map(str.encode), st.booleans())
def test_no_content_raises_anything_but_unreadable_file(content: bytes, with_header: bool) -> None:
    """Behind a good header nothing raises; without one, only UnreadableFile does."""
    if with_header:
        rows(table() + content)
        return
    with contextlib.suppress(UnreadableFile):
        rows(content)


@settings(deadline=None)
@given(
    st.integers(0, 5),
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(["Lee", '"Lee, Bo"', '"a""b"']), min_size=6),
)
def test_a_stray_quote_never_costs_another_row(place: int, column: str, names: list[str]) -> None:
    """Wherever a quote is opened and not closed, all other rows are read with their lines."""
    lines = [line(app_id=str(number), name=name) for number, name in enumerate(names, start=1)]
    lines[place] = line(**{column: '"' + GOOD[column]})

    content = table(*lines)

    assert [place + 2] == [number for number, _ in refused(content)]
    assert [(n + 1, n) for n in range(1, len(lines) + 1) if n != place + 1] == accepted(content)


numbers = st.integers(-20, 20)
number_schemas = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["number", "integer", "string", ["number", "null"]]),
        "minimum": numbers,
        "maximum": numbers,
        "exclusiveMinimum": numbers,
        "exclusiveMaximum": numbers,
        "multipleOf": st.integers(1, 5),
        "maxLength": st.integers(0, 3),
        "enum": st.lists(numbers),
        "title": st.just("a title"),
    },
)
text_schemas = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "number", ["string", "null"]]),
        "minLength": st.integers(0, 4),
        "maxLength": st.integers(0, 12),
        "minimum": numbers,
        "pattern": st.just("^[a-m2]"),
        "format": st.sampled_from(["date", "email"]),
        "$ref": st.just("#/$defs/short"),
    },
)


@settings(deadline=None)
@given(
    number_schemas, text_schemas, text_schemas, st.booleans(), numbers, st.text("anz", min_size=1, max_size=5)
)
def test_a_row_is_read_exactly_when_jsonschema_has_no_fault(
    of_number: dict[str, Any],
    of_text: dict[str, Any],
    of_date: dict[str, Any],
    linked: bool,
    number: int,
    text: str,
) -> None:
    """The quick tests of a column never say anything else than the schema."""
    schema: dict[str, Any] = {
        "type": "object",
        "$defs": {"short": {"maxLength": 3}},
        "properties": {"n": of_number, "t": of_text, "d": of_date},
        **(
            {"if": {"properties": {"n": {"minimum": 0}}}, "then": {"properties": {"t": {"minLength": 2}}}}
            if linked
            else {}
        ),
    }
    columns = (Column("n", "n", "number"), Column("t", "t"), Column("d", "d", "date"))
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    payload = {"n": number, "t": text, "d": "2026-11-01"}

    (result,) = rows(
        f"t,n,d\n{text},{number},2026-11-01\n".encode(), replace(GRANT, payload=schema, columns=columns)
    )

    faulty = [error.absolute_path[0] for error in validator.iter_errors(payload)]
    if isinstance(result, Row):
        assert not faulty
        assert payload == result.payload
    else:
        # A fault that needs all fields together can be told only after those of single columns.
        assert result.field in faulty
        assert linked or min(faulty, key="ntd".index) == result.field


def test_a_schema_that_ties_columns_together_is_held() -> None:
    """Rules over several fields, and fields that no column fills, are judged by the full schema."""
    schema = {**GRANT.payload, "required": [*GRANT.payload["required"], "region"]}

    (refusal,) = rows(table(line()), replace(GRANT, payload=schema))

    assert isinstance(refusal, Refusal)
    assert (refusal.field, refusal.reason) == ("app_id", "'region' is a required property")
