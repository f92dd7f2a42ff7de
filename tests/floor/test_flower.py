"""Flower, the real one, beside real workers: it knows both, and tasks are found by their job's ticket."""

from __future__ import annotations

import base64
import json
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flower import urls

from hms_floor.local import flower
from hms_oms.recipes.recipes import Recipe
from tests.conftest import Programs, wait_until
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
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number: int = listener.getsockname()[1]
        return number


def test_flower_shows_workers_and_tasks(
    programs: Programs, engine: sa.Engine, shop: Recipe, port: int
) -> None:
    """Every step of a job is a task in Flower, found by its ticket; nothing of its payload is there."""
    command = ["-m", "celery", "-A", "workers", "flower", "--address=127.0.0.1", f"--port={port}"]
    programs.start("flower", *command, FLOWER_BASIC_AUTH="hms:secret")
    wait_until(lambda: read(port, "/api/workers") is not None, "Flower to answer")
    programs.dispatcher()
    programs.worker("w", "threads")
    wait_until(lambda: read(port, "/api/workers?refresh=true"), "Flower to see the worker")

    job = order(engine, shop, 1, name="Ermintrude Quux", phone="+12025550123")
    assert ended(engine, job).status == "done"

    def tasks() -> Any:
        result = read(port, f"/api/tasks?search=job-{job}") or {}
        return result if [task["state"] for task in result.values()] == ["SUCCESS"] * 3 else None

    result = wait_until(tasks, "three successful tasks in Flower")
    assert set(result) == {f"job-{job}.1.{step}" for step in ("pick", "pack", "send")}
    assert {task["worker"] for task in result.values()} == {"w@here"}
    shown = json.dumps([result, read(port, "/api/workers")])
    assert "Ermintrude" not in shown
    assert "2025550123" not in shown


def test_flower_asks_for_its_password(programs: Programs, port: int) -> None:
    """Without the right password the API tells nothing."""
    command = ["-m", "celery", "-A", "workers", "flower", "--address=127.0.0.1", f"--port={port}"]
    programs.start("flower", *command, FLOWER_BASIC_AUTH="hms:secret")
    wait_until(lambda: read(port, "/api/workers") is not None, "Flower to answer")
    for user in (None, "hms:wrong"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            read(port, "/api/workers", user)
        assert refused.value.code == 401


def test_flower_shows_and_does_nothing_and_leads_to_the_floor(programs: Programs, port: int) -> None:
    """It is signed in by itself, refuses to steer, and its pages lead to the floor and to a task's job."""
    command = ["-m", "celery", "-A", "workers", "flower", "--address=127.0.0.1", f"--port={port}"]
    programs.start("flower", *command, HMS_URL="http://floor.example")
    password = programs.home / "flower.password"
    wait_until(password.exists, "the password")
    assert password.stat().st_mode & 0o077 == 0
    user = "hms:" + password.read_text()
    wait_until(lambda: read(port, "/api/workers", user) is not None, "Flower to answer")
    with pytest.raises(urllib.error.HTTPError) as refused:
        read(port, "/api/workers", None)
    assert refused.value.code == 401
    assert _steer(port, user) == 403
    page = _page(port, "/tasks", user)
    assert '<a class="nav-link" href="/floor-link">Operations floor</a>' in page
    assert _leads(port, "/floor-link", user) == "http://floor.example/floor"
    assert _leads(port, "/job-link/job-219.1.inspect", user) == "http://floor.example/floor/jobs/job-219"
    lines = [json.loads(line) for line in programs.said("flower").splitlines()]
    assert {line["program"] for line in lines} == {"flower"}


def test_flower_does_not_start_open(programs: Programs, port: int) -> None:
    """With a configuration file that names no sign-in it ends, and says what to do."""
    config = programs.home / "open.py"
    config.write_text("read_only = True\n")
    command = ["-m", "celery", "-A", "workers", "flower", "--address=127.0.0.1", f"--port={port}"]
    process = programs.start("flower", *command, f"--conf={config}")
    assert process.wait(30) == 1
    assert "Flower has no sign-in: leave out --conf" in programs.said("flower")


def test_the_landmarks_in_flowers_pages_are_still_there() -> None:
    """Where Flower changes its pages, our links must be put in again."""
    folder = Path(urls.settings["template_path"])
    for name, (landmark, _) in flower._ADDITIONS.items():
        assert (folder / name).read_text().count(landmark) == 1


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _page(port: int, path: str, user: str, data: bytes | None = None) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=data)
    request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    with urllib.request.build_opener(_Stay).open(request, timeout=5) as answer:
        return str(answer.read().decode())


def _leads(port: int, path: str, user: str) -> str:
    with pytest.raises(urllib.error.HTTPError) as moved:
        _page(port, path, user)
    assert moved.value.code == 302
    return str(moved.value.headers["Location"])


def _steer(port: int, user: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as refused:
        _page(port, "/api/task/revoke/job-1.1.pick", user, b"")
    return refused.value.code
