"""Documents as editors and spreadsheets write them: every encoding, delimiter and way to quote."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hms_act.files import csv_rows, json_lines
from hms_act.files.csv_records import DELIMITERS
from hms_act.files.csv_rows import Row
from hms_floor.cli.incidents.oncall import _read as read_oncall
from hms_floor.cli.jobs import request
from hms_oms.documents.jobs import JobType
from hms_oms.recipes import recipes
from hms_oms.runtime import text_decoding
from hms_oms.runtime.errors import ConfigError, RequestRejected

GRANT = recipes.load_file(Path(recipes.__file__).parents[2] / "workers/recipes/farm-grant.toml")
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
NAME = "Zo\u00eb O\u2019Neill"
ROW = {
    "app_id": "219",
    "name": NAME,
    "phone": "(312) 555-0123",
    "county_fips": "19001",
    "crop": "corn",
    "acres": "120.5",
    "amount_requested": "25000",
    "submitted_on": "2026-11-01",
}
PAYLOAD = {
    "appId": 219,
    "name": NAME,
    "phone": "312-555-0123",
    "countyFips": "19001",
    "crop": "corn",
    "acres": 1,
}
PAYLOAD |= {"amountRequested": 1, "submittedOn": "2026-11-01"}
SHOP = Path(__file__).parents[1] / "recipes" / "shop.toml"


def of_csv(encode: Callable[[str], bytes], _: Path) -> Any:
    """The name in a CSV file of requests."""
    text = "\r\n".join([",".join(ROW), ",".join(ROW.values())])
    [row] = csv_rows.read(io.BytesIO(encode(text)), GRANT)
    assert isinstance(row, Row)
    return row.payload["name"]


def of_json_lines(encode: Callable[[str], bytes], _: Path) -> Any:
    """The name in a file of JSON lines."""
    text = json.dumps(PAYLOAD, ensure_ascii=False) + "\r\n"
    [row, again] = json_lines.read(io.BytesIO(encode(text + text)), GRANT)
    assert isinstance(row, Row)
    assert isinstance(again, Row)
    return again.payload["name"]


def of_request(encode: Callable[[str], bytes], _: Path) -> Any:
    """The name in a request file."""
    kind = JobType(GRANT.type, "", GRANT.queue, 60, None, (), GRANT.payload)
    return request.build(kind, [], io.BytesIO(encode(json.dumps(PAYLOAD, ensure_ascii=False))))["name"]


def of_recipe(encode: Callable[[str], bytes], folder: Path) -> Any:
    """The summary of a recipe."""
    text = SHOP.read_text(encoding="utf-8").replace("Pick, pack and send an order", NAME)
    (folder / "recipe.toml").write_bytes(encode(text))
    return recipes.load_file(folder / "recipe.toml").summary


def of_on_call(kind: str) -> Callable[[Callable[[str], bytes], Path], Any]:
    """The name in an on-call document."""

    def read(encode: Callable[[str], bytes], _: Path) -> Any:
        text = f'name = "{NAME}"' if kind == "toml" else json.dumps({"name": NAME}, ensure_ascii=False)
        file = io.BytesIO(encode(text))
        file.name = "on-call"
        return read_oncall(file)["name"]

    return read


DOCUMENTS = {
    "csv": of_csv,
    "json lines": of_json_lines,
    "request": of_request,
    "recipe": of_recipe,
    "on-call toml": of_on_call("toml"),
    "on-call json": of_on_call("json"),
}


@pytest.mark.parametrize("document", list(DOCUMENTS))
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_document_is_read_in_every_encoding(encoding: str, document: str, tmp_path: Path) -> None:
    """UTF-8 with a mark or none, UTF-16 of either order with a mark or none, and Windows-1252."""
    assert DOCUMENTS[document](lambda text: text.encode(encoding), tmp_path) == NAME


@pytest.mark.parametrize("encoding", ["mac-roman", "cp850", "cp437"])
@pytest.mark.parametrize("word", ["Jos\u00e9", "K\u00f6ln", "Se\u00f1or", "M\u00fcller"])
def test_what_is_not_sure_is_not_guessed(encoding: str, word: str) -> None:
    """Mac and DOS text is no Windows-1252: the line is named, and what to do."""
    with pytest.raises(text_decoding.Undecodable, match=r"line 2 .* save the file as UTF-8"):
        text_decoding.decode(b"first\n" + word.encode(encoding))


def test_a_document_that_cannot_be_decoded_says_why(tmp_path: Path) -> None:
    """Of a recipe and of a request, too."""
    (tmp_path / "recipe.toml").write_bytes(b'type = "\x8e"')
    with pytest.raises(ConfigError, match="save the file as UTF-8"):
        recipes.load_file(tmp_path / "recipe.toml")
    kind = JobType(GRANT.type, "", GRANT.queue, 60, None, (), GRANT.payload)
    with pytest.raises(RequestRejected, match="save the file as UTF-8"):
        request.build(kind, [], io.BytesIO(b'{"name": "\x8e"}'))


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("sep", [False, True])
@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_every_delimiter_is_found_whatever_is_quoted(delimiter: str, sep: bool, quoting: Any) -> None:
    """Also with Excel's first line, and with other delimiters inside quotes in header and rows."""
    file = io.StringIO()
    if sep:
        file.write(f"sep={delimiter}\r\n")
    writer = csv.writer(file, delimiter=delimiter, quoting=quoting)
    writer.writerow([*ROW, "notes, in; full\twords | and,,,,;;;;\t\t\t\t||||,;|\t,;|\t,;|\t"])
    name = f"Lee{delimiter} Ann"
    writer.writerow([*(ROW | {"name": name}).values(), ""])
    [row] = csv_rows.read(io.BytesIO(file.getvalue().encode()), GRANT)
    assert isinstance(row, Row)
    assert (row.payload["name"], row.line) == (name, 3 if sep else 2)


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"', "sep=;;;;", "\ufeffsep=;"])
def test_the_first_line_of_excel_is_no_header(first: str) -> None:
    """However it is written."""
    text = "\n".join([first, ";".join(ROW), ";".join(ROW.values())])
    [row] = csv_rows.read(io.BytesIO(text.encode()), GRANT)
    assert isinstance(row, Row)
