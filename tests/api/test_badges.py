"""`hms badge`, and a file of farm-grant applications: the API with the recipes that it comes with."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from io import StringIO
from pathlib import Path

import pytest

from hms_oms.runtime.settings import Settings
from tests.api.conftest import ApiServer
from tests.conftest import wait_until
from tests.support.programs import run_hms
from workers.farm_grant import sample

Hms = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def hms(api_server: ApiServer) -> Hms:
    """Run `hms` on the machine of the API."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HMS_")}
    urls = {
        "HMS_DATABASE_URL": str(api_server.settings.database_url),
        "HMS_BROKER_URL": "redis://127.0.0.1:1/0",
    }

    def run(*words: str, feed: str = "") -> subprocess.CompletedProcess[str]:
        environment = {
            **kept,
            **urls,
            "HMS_HOME": str(api_server.settings.home),
            "HMS_URL": api_server.url,
            "NO_COLOR": "1",
        }
        return run_hms(words, environment, feed=feed)

    return run


def test_a_badge_is_issued_shown_and_taken_back(api_server: ApiServer, hms: Hms) -> None:
    """The token alone goes to standard output; it opens the API until it is taken back by its number."""
    issued = hms("badge", "issue", "--actor", "desk", "--role", "agent", "--queue", "shop", "--hours", "1")
    assert issued.returncode == 0, issued.stderr
    token = issued.stdout.strip()
    assert token.count(".") == 2
    shown = json.loads(hms("badge", "show", "-", "--json", feed=token).stdout)
    assert (shown["actor"], shown["roles"], shown["queues"]) == ("desk", ["agent"], ["shop"])
    assert api_server.ask("GET", "/me", badge=token).json()["jti"] == shown["jti"]
    assert "holds" in hms("badge", "list").stdout
    assert hms("badge", "revoke", shown["jti"], "--reason", "lost").returncode == 0
    assert "taken back by" in hms("badge", "list").stdout
    [listed] = json.loads(hms("badge", "list", "--json").stdout)
    assert (listed["jti"], listed["actor"], listed["reason"]) == (shown["jti"], "desk", "lost")
    assert token not in str(listed)
    wait_until(
        lambda: api_server.ask("GET", "/me", badge=token).status_code == 401, "the badge to be refused", 3.0
    )
    done = [entry["action"] for entry in api_server.get("/audit")["entries"]]
    assert done == ["hms badge revoke", "hms badge issue"]


def test_what_is_no_badge_is_told_so(hms: Hms) -> None:
    """Neither a forged badge nor one on the command line is read."""
    assert "does not hold" in hms("badge", "show", "-", feed="a.b.c").stderr
    assert hms("badge", "show", "a.b.c").returncode == 2


def test_a_file_of_applications_is_taken_in_while_it_comes(
    open_api: Callable[..., ApiServer], database: str
) -> None:
    """A CSV file in pieces: rows become jobs, others are refused by line, field and reason."""
    api_server = open_api(HMS_RECIPES=str(Settings().recipes))
    text = StringIO()
    sample.write(text, 500, 7, date(2026, 11, 20))

    def pieces() -> Iterator[bytes]:
        content = text.getvalue().encode()
        for start in range(0, len(content), 7000):
            yield content[start : start + 7000]

    path, headers = "/cycles?jobType=farm:grant:v1&name=today.csv", {"Content-Type": "text/csv"}
    answer = api_server.ask("POST", path, content=pieces(), headers=headers)
    assert answer.status_code == 201, answer.text
    document = answer.json()
    assert (document["accepted"], document["refused"]) == (500, len(document["refusedRows"]))
    assert document["refused"] > 0
    assert {"line", "field", "reason"} == set(document["refusedRows"][0])
    again = api_server.ask("POST", path, content=pieces(), headers=headers).json()
    assert (again["accepted"], again["duplicates"]) == (0, document["accepted"] + document["duplicates"])
    wrong = api_server.ask("POST", path, content=b"a,b\n1,2\n", headers=headers)
    assert wrong.status_code == 422
    assert "app_id is missing" in wrong.text
    assert Path(api_server.settings.home / "badge").exists()
