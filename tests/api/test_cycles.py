"""Files through the API: looked at, kept, started as they were looked at; and the rows that were left."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa

from hms_floor.auth.tokens import Role
from tests.api.conftest import ApiServer, faults

NDJSON = {"Content-Type": "application/x-ndjson"}
LINES = b'{"number": 1, "phone": "5"}\n{"number": 2}\n{"number": 0, "phone": "=1+1"}\n'


def preview(api_server: ApiServer, content: bytes = LINES, **query: Any) -> dict[str, Any]:
    """What a file would do."""
    asked = {"jobType": "shop:order:v1", "name": "orders.ndjson", **query}
    answer = api_server.ask("POST", "/cycles/preview", content=content, headers=NDJSON, params=asked)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def run(api_server: ApiServer, content: bytes = LINES) -> dict[str, Any]:
    """Run a file, and return what became of it."""
    path = "/cycles?jobType=shop:order:v1&name=orders.ndjson"
    answer = api_server.ask("POST", path, content=content, headers=NDJSON)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def uploads(engine: sa.Engine) -> int:
    """How many files the ledger keeps."""
    with engine.connect() as connection:
        return connection.scalar(sa.text("select count(*) from oms.upload_pieces")) or 0


def test_a_file_that_is_mostly_refused_is_asked_about(api_server: ApiServer) -> None:
    """Nothing is started, with the reason and the first row, until it is said that it is meant."""
    content = b'{"number": 1}\n' + b'{"number": 0}\n' * 2
    asked = {"jobType": "shop:order:v1"}
    answer = api_server.ask("POST", "/cycles", content=content, headers=NDJSON, params=asked)

    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("2 of 3 rows would be refused for one reason")
    assert answer.json()["errors"][0]["field"] == "file"
    assert api_server.ask("GET", "/cycles").json()["cycles"] == []
    asked["acceptRefusals"] = "true"
    answer = api_server.ask("POST", "/cycles", content=content, headers=NDJSON, params=asked)
    assert (answer.status_code, answer.json()["accepted"], answer.json()["refused"]) == (201, 1, 2)


def test_a_preview_changes_nothing(api_server: ApiServer, engine: sa.Engine) -> None:
    """Counts, deadline and reasons are told; there is no job, no cycle and no file afterwards."""
    previewed = preview(api_server, slaMinutes=5)
    assert (previewed["rows"], previewed["new"], previewed["duplicates"], previewed["refused"]) == (
        3,
        2,
        0,
        1,
    )
    assert (previewed["upload"], previewed["forecast"], previewed["slaMinutes"]) == (None, None, 5)
    [refusal] = previewed["refusals"]
    assert (refusal["field"], refusal["count"], refusal["lines"]) == ("number", 1, [3])
    assert json.loads(previewed["refusedRows"][0]["original"]) == {"number": 0, "phone": "=1+1"}
    assert api_server.get("/cycles")["cycles"] == api_server.get("/jobs")["jobs"] == []
    assert uploads(engine) == 0


def test_what_was_previewed_is_started_once(api_server: ApiServer, engine: sa.Engine) -> None:
    """The same bytes, type, name and SLA; only by the one who has sent them, and only once."""
    kept = preview(api_server, keep=True, slaMinutes=5)["upload"]
    start = f"/cycles/uploads/{kept}/start"
    assert api_server.ask("POST", start, badge=api_server.badge(actor="eve")).status_code == 404
    begun = api_server.ask("POST", start)
    assert begun.status_code == 201, begun.text
    assert (begun.json()["accepted"], begun.json()["refused"], begun.json()["name"]) == (
        2,
        1,
        "orders.ndjson",
    )
    assert api_server.get(f"/cycles/{begun.json()['batch']}")["slaMinutesRange"] == [5, 5]
    assert api_server.ask("POST", start).status_code == 404
    assert uploads(engine) == 0


def test_a_kept_file_ends(
    api_server: ApiServer, engine: sa.Engine, forward: Callable[[timedelta], None]
) -> None:
    """Discarded, replaced by newer ones of the same person, or half an hour old: it cannot be started."""
    first = preview(api_server, keep=True)["upload"]
    assert api_server.ask("POST", f"/cycles/uploads/{first}/discard").status_code == 204
    assert api_server.ask("POST", f"/cycles/uploads/{first}/discard").status_code == 404
    kept = [preview(api_server, keep=True)["upload"] for _ in range(4)]
    assert uploads(engine) == 3
    assert api_server.ask("POST", f"/cycles/uploads/{kept[0]}/start").status_code == 404
    forward(timedelta(minutes=31))
    assert api_server.ask("POST", f"/cycles/uploads/{kept[3]}/start").status_code == 404
    preview(api_server, keep=True)
    assert uploads(engine) == 1
    wrong = api_server.ask(
        "POST",
        "/cycles/preview?jobType=shop:order:v1&keep=true",
        content=b"",
        headers={"Content-Type": "text/csv"},
    )
    assert set(faults(wrong)) == {"jobType"}
    assert uploads(engine) == 1


def test_refused_rows_are_had_as_long_as_the_cycle_is(api_server: ApiServer) -> None:
    """In pages, as CSV and as a workbook, with nothing in them that a spreadsheet computes."""
    content = b"".join(b'{"number": %d}\n' % -number for number in range(120))
    number = run(api_server, content + b"=cmd\n")["batch"]
    [first, second] = api_server.get(f"/cycles/{number}")["refusals"]
    assert (first["count"], second["count"], second["lines"]) == (120, 1, [121])
    page = api_server.get(f"/cycles/{number}/refused", params={"limit": 100})
    rest = api_server.get(f"/cycles/{number}/refused", params={"cursor": page["next"]})
    assert [row["line"] for row in page["rows"] + rest["rows"]] == list(range(1, 122))
    assert rest["next"] is None
    answer = api_server.ask("GET", f"/cycles/{number}/refused.csv")
    assert "attachment" in answer.headers["content-disposition"]
    header, *rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    assert (header, len(rows), rows[-1][3]) == (["line", "field", "reason", "original"], 121, "'=cmd")
    book = openpyxl.load_workbook(io.BytesIO(api_server.ask("GET", f"/cycles/{number}/refused.xlsx").content))
    assert book.active is not None
    assert (book.active.max_row, book.active["D122"].data_type) == (122, "s")
    assert api_server.ask("GET", "/cycles/999/refused.csv").status_code == 404


@pytest.mark.parametrize("end", ["", ".csv", ".xlsx"])
def test_refused_rows_are_for_those_who_see_payloads(api_server: ApiServer, end: str) -> None:
    """They hold what people have written; others see the reasons and how many there are."""
    number = run(api_server)["batch"]
    assert api_server.ask("GET", f"/cycles/{number}/refused{end}", None, Role.VIEWER).status_code == 403
    report = api_server.get(f"/cycles/{number}", Role.VIEWER)
    assert report["refusals"][0]["reason"] == "is less than the minimum of 1"


def test_differing_rows_show_values_to_those_who_see_payloads(api_server: ApiServer) -> None:
    """Everybody learns which line differs from which job in which field."""
    run(api_server)
    number = run(api_server, b'{"number": 1, "phone": "5"}\n{"phone": "6", "number": 2}\n')["batch"]
    both = api_server.get(f"/cycles/{number}/duplicates")["rows"]
    assert [(row["line"], row["job"]) for row in both] == [(1, "job-1"), (2, "job-2")]
    [row] = api_server.get(f"/cycles/{number}/duplicates", params={"differing": True})["rows"]
    assert row["differences"] == {"phone": {"known": "absent", "sent": "6"}}
    [masked] = api_server.get(f"/cycles/{number}/duplicates", Role.VIEWER, params={"differing": True})["rows"]
    assert masked["differences"] == {"phone": {"known": "***", "sent": "***"}}


def test_other_content_under_a_known_key_is_a_conflict(api_server: ApiServer) -> None:
    """The answer names the fields with both values; `supersede` replaces the job, and the trail says so."""
    order = {"jobType": "shop:order:v1", "payload": {"number": 1, "phone": "5"}}
    assert api_server.ask("POST", "/jobs", order).status_code == 201
    same = {"jobType": "shop:order:v1", "payload": {"phone": "5", "number": 1.0}}
    assert api_server.ask("POST", "/jobs", same).status_code == 200
    order["payload"] = {"number": 1, "phone": "6"}
    refused = api_server.ask("POST", "/jobs", order)
    assert refused.status_code == 409
    assert faults(refused) == {"payload.phone": 'is "5" in job-1, and "6" here'}
    replaced = api_server.ask("POST", "/jobs", {**order, "supersede": True})
    assert (replaced.status_code, replaced.json()["created"]) == (201, True)
    assert api_server.get("/jobs/job-1")["status"] == "cancelled"
    new = replaced.json()["jobId"]
    assert api_server.get(f"/jobs/{new}")["replaces"] == "job-1"
    entries = api_server.get("/audit", params={"action": "POST /jobs"})["entries"]
    assert [(entry["status"], entry["subject"]) for entry in entries] == [
        (201, new),
        (409, None),
        (200, "job-1"),
        (201, "job-1"),
    ]
    assert entries[0]["detail"] == {"supersede": True}
    assert entries[1]["detail"] == {"refused": "payload.phone"}


def test_a_kept_file_replaces_by_a_deliberate_word(api_server: ApiServer) -> None:
    """A preview tells how many jobs would be replaced; only `supersede` replaces them."""
    run(api_server)
    changed = b'{"number": 1, "phone": "6"}\n'
    previewed = preview(api_server, changed, keep=True)
    assert (previewed["new"], previewed["differing"], previewed["replaceable"]) == (0, 1, 1)
    begun = api_server.ask("POST", f"/cycles/uploads/{previewed['upload']}/start?supersede=true").json()
    assert (begun["accepted"], begun["differing"]) == (1, 0)
    assert api_server.get("/jobs/job-1")["status"] == "cancelled"
