"""Simulations through the API: a file or a day of a queue, under each policy, as `hms simulate` does it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hms_floor.auth.tokens import Role
from tests.api.conftest import ApiServer
from tests.support.programs import run_hms

ARRIVALS = Path(__file__).parents[2] / "docs" / "arrivals.csv"


def test_a_file_is_simulated_as_the_command_does(api_server: ApiServer) -> None:
    """The same numbers, for anyone who reads; deadlines that the file lacks come from an SLA."""
    answer = api_server.ask(
        "POST", "/simulations?workers=2", content=ARRIVALS.read_bytes(), badge=api_server.badge(Role.VIEWER)
    )
    assert answer.status_code == 200, answer.text
    printed = run_hms(["simulate", str(ARRIVALS), "--workers", "2", "--json"], os.environ)
    assert answer.json() == json.loads(printed.stdout)
    lines = b"arrival,service\n0,10\n0,10\n0,10\n"
    answer = api_server.ask("POST", "/simulations?workers=1&slaMinutes=0.4", content=lines)
    assert [policy["onTime"] for policy in answer.json()["policies"]] == [2] * 4


@pytest.mark.parametrize(
    ("query", "content", "status", "words"),
    [
        ("workers=2", b"", 422, "there is no job in it"),
        ("workers=2", b"arrival,service\n0,10\n", 422, "no column deadline"),
        ("workers=2", b"\xff\xfe", 422, "UTF-8"),
        ("workers=2&queue=shop", b"", 422, "goes with a queue"),
        ("workers=0", b"", 422, "workers"),
        ("workers=2&queue=nowhere&day=2026-11-23", b"", 404, "nowhere"),
        ("workers=2&queue=shop&day=2020-11-23", b"", 409, "has been worked on"),
        ("workers=2", b"arrival,service,deadline\n" + b"0,1,9\n" * 10_001, 413, "hms simulate"),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    api_server: ApiServer, query: str, content: bytes, status: int, words: str
) -> None:
    """With the reason, and before anything is reckoned."""
    answer = api_server.ask("POST", f"/simulations?{query}", content=content)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


def test_a_day_of_a_queue_is_simulated(api_server: ApiServer, order: Callable[..., str]) -> None:
    """Jobs that were never worked on are passed over: here all of them."""
    order(1)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    answer = api_server.ask("POST", f"/simulations?workers=2&queue=shop&day={today}&zone=UTC")
    assert answer.status_code == 409, answer.text
