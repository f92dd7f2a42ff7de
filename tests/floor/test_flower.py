"""Flower, the real one, beside real workers: it knows both, and tasks are found by their job's ticket."""

from __future__ import annotations

import base64
import json
import socket
import urllib.error
import urllib.request
from typing import Any

import pytest
import sqlalchemy as sa

from hms_oms.recipes import Recipe
from tests.conftest import Crew, wait_until
from tests.workers.test_running import ended, order


def read(port: int, path: str, user: str | None = "hms:secret") -> Any:
    """What Flower's HTTP API answers; None while it does not."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)
    except urllib.error.HTTPError:
        raise
    except OSError:
        return None


@pytest.fixture
def port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        number: int = found.getsockname()[1]
        return number


def test_flower_shows_workers_and_tasks(crew: Crew, engine: sa.Engine, shop: Recipe, port: int) -> None:
    """Every step of a job is a task in Flower, found by its ticket; nothing of its payload is there."""
    command = ["-m", "celery", "-A", "workers", "flower", "--address=127.0.0.1", f"--port={port}"]
    crew.start("flower", *command, FLOWER_BASIC_AUTH="hms:secret")
    wait_until(lambda: read(port, "/api/workers") is not None, "Flower to answer")
    crew.dispatcher()
    crew.worker("w", "threads")
    wait_until(lambda: read(port, "/api/workers?refresh=true"), "Flower to see the worker")

    job = order(engine, shop, 1, name="Ermintrude Quux", phone="+12025550123")
    assert ended(engine, job).status == "done"

    def tasks() -> Any:
        found = read(port, f"/api/tasks?search=job-{job}") or {}
        return found if [task["state"] for task in found.values()] == ["SUCCESS"] * 3 else None

    found = wait_until(tasks, "three successful tasks in Flower")
    assert set(found) == {f"job-{job}.1.{step}" for step in ("pick", "pack", "send")}
    assert {task["worker"] for task in found.values()} == {"w@here"}
    shown = json.dumps([found, read(port, "/api/workers")])
    assert "Ermintrude" not in shown
    assert "2025550123" not in shown


def test_flower_asks_for_its_password(crew: Crew, port: int) -> None:
    """Without the right password the API tells nothing."""
    command = ["-m", "celery", "-A", "workers", "flower", "--address=127.0.0.1", f"--port={port}"]
    crew.start("flower", *command, FLOWER_BASIC_AUTH="hms:secret")
    wait_until(lambda: read(port, "/api/workers") is not None, "Flower to answer")
    for user in (None, "hms:wrong"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            read(port, "/api/workers", user)
        assert refused.value.code == 401
