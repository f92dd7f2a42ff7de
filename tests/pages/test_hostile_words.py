"""Words that would act, if anybody let them: in every page, file, text and terminal they are words."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import openpyxl
import pytest

from hms_floor.auth.tokens import Role
from tests.pages.test_refusals import PAGES, look
from tests.support.api import RunningApi, standing
from tests.support.programs import run_hms

#: Markup, the end of a script, a template, another direction of writing, a terminal's orders, and very much.
MARKUP = "<img src=x onerror=alert(1)></script><script>alert(2)</script>`${alert(3)}{{alert(4)}}"
STEERS = "lee\u202egnp.exe\u2066\x1b[2J\x1b]0;owned\x07\x9b5n"
HOSTILE = f"=HYPERLINK(1){MARKUP}{STEERS}" + "x" * 60
#: What people type has no such characters, nor has a name: they are refused.
TYPED = f"=1+1{MARKUP}"
NAME = f"=1+1{MARKUP[:28]}"


def ask(api: RunningApi, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
    """Ask the API as a manager whose own name is hostile."""
    headers = {"Authorization": f"Bearer {api.badge(Role.MANAGER, actor=NAME)}", **more.pop("headers", {})}
    return httpx.request(
        method, f"{api.url}{path}", json=body, headers=headers, trust_env=False, timeout=30, **more
    )


@pytest.fixture(scope="module")
def api_server(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """An API in which everything that people may name or say is hostile."""
    home = tmp_path_factory.mktemp("hostile") / "home"
    with standing(module_database, "redis://127.0.0.1:1/0", home) as opened:
        rows = [{"number": 1, "phone": "+12025550123", "name": HOSTILE}, {"number": HOSTILE, "name": HOSTILE}]
        answers = [
            ask(
                opened,
                "POST",
                "/cycles",
                params={"jobType": "shop:order:v1", "name": NAME, "acceptRefusals": "true"},
                content="".join(json.dumps(row) + "\n" for row in rows),
                headers={"Content-Type": "application/x-ndjson"},
            ),
            ask(
                opened,
                "POST",
                "/jobs",
                {"jobType": "shop:order:v1", "payload": {"number": 2, "name": HOSTILE}, "key": NAME},
            ),
            ask(opened, "POST", "/jobs/job-1/hold", {"reason": TYPED}),
            ask(opened, "POST", "/queues/shop/pause", {"reason": TYPED}),
            ask(opened, "PUT", "/queues/shop/sla", {"minutes": 7, "reason": TYPED}),
            ask(opened, "POST", "/silences", {"endsAt": "2099-01-01T00:00:00Z", "reason": TYPED}),
        ]
        for answer in answers:
            assert answer.is_success, answer.text
        yield opened


def _elements(answer: httpx.Response) -> list[dict[str, Any]]:
    """What a page is made of, as it is sent to the browser."""
    [tree] = re.findall(r"parseElements\(String\.raw`(.*?)`\)", answer.text, re.DOTALL)
    return list(json.loads(html.unescape(tree)).values())


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _words(part)


def test_on_every_page_they_are_words(api_server: RunningApi) -> None:
    """No page has them as markup, in a script, or with characters that turn the direction of others."""
    shown = 0
    for path, example in PAGES.items():
        answer = look(api_server, example, Role.MANAGER, Role.ADMIN)
        assert answer.status_code in (200, 404), path
        # What is sent is escaped: nothing of it ends the script in which it stands, or its string.
        assert not re.search(r"<img src=x|<script>alert|`\$\{alert", answer.text), path
        assert not re.search("[\x1b\x9b\u202e\u2066]", answer.text), path
        for element in _elements(answer):
            words = list(_words(element))
            assert not any(re.search("[\x1b\x9b\u202e\u2066]", word) for word in words), path
            if any("<img src=x" in word for word in words):
                shown += 1
                # Text, or a property that is shown as text: nothing that is read as HTML.
                assert not element["tag"].startswith(("nicegui-html", "nicegui-markdown")), path
                assert "innerHTML" not in element.get("props", {}), path
    assert shown >= 10


def test_in_a_file_for_spreadsheets_they_are_words(api_server: RunningApi) -> None:
    """A cell that begins as a formula does is text, in CSV and in a workbook."""
    rows = list(csv.reader(io.StringIO(ask(api_server, "GET", "/cycles/1/refused.csv").text, newline="")))
    book = openpyxl.load_workbook(io.BytesIO(ask(api_server, "GET", "/cycles/1/refused.xlsx").content))
    cells = [str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row]
    assert any(MARKUP in cell for row in rows for cell in row)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)
    assert any(MARKUP in cell for cell in cells)
    assert all(cell.data_type != "f" for sheet in book for row in sheet.iter_rows() for cell in row)


@pytest.mark.parametrize(
    "words",
    [
        ("job", "list"),
        ("job", "get", "1"),
        ("cycle", "refused", "1"),
        ("audit",),
    ],
    ids=" ".join,
)
def test_on_a_terminal_they_are_words(api_server: RunningApi, words: tuple[str, ...]) -> None:
    """None of what the command line prints steers the terminal or turns the direction of writing."""
    done = run_hms(words, environment=api_server.environment(api_server.badge(Role.MANAGER)))
    assert done.returncode == 0, done.stderr
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", done.stdout + done.stderr)


def test_in_a_log_they_are_words(api_server: RunningApi) -> None:
    """The API's log has a line for each thing that it says, and nothing in it that steers."""
    log = (api_server.settings.home / "floor.log").read_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", log)
    assert MARKUP not in log


@pytest.mark.parametrize("typed", ["a\0b", "\x1b[2J", "\x9b5n", "lee\u202egnp.exe", "\u2066", "x" * 501])
def test_what_steers_cannot_be_typed(api_server: RunningApi, typed: str) -> None:
    """A reason with such a character, or without end, is refused with its field."""
    answer = ask(api_server, "POST", "/queues/shop/pause", {"reason": typed})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["reason"]
