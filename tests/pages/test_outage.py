"""Servers that fall silent while somebody looks and acts: every page says so, and what came of an action."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import Floor

Visit = Callable[..., Page]
PATHS = ("", "jobs", "queues/farm-grant", "cycles", "incidents", "workers")


@contextmanager
def frozen(floor: Floor, name: str) -> Iterator[None]:
    """A server of the floor, with all its processes, stands still."""
    server = psutil.Process(json.loads((floor.home / "pids.json").read_text())[name]["pid"])
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


@pytest.mark.drill
def test_every_page_says_that_the_ledger_is_frozen(visit: Visit, floor: Floor) -> None:
    """The age of the numbers turns amber, with words; a dialog waits in words, and tells what came of it."""
    pages = {path: visit(f"/floor/{path}") for path in PATHS}
    for page in pages.values():
        expect(page.get_by_label("Age of the numbers")).to_have_text(re.compile(r"^as of \d\d:\d\d:\d\d$"))
        expect(page.locator(".silence.bad")).to_have_count(0)
    queue = pages["queues/farm-grant"]
    queue.get_by_role("button", name="Pause").click()
    dialog = queue.get_by_role("dialog", name="Pause farm-grant")
    dialog.get_by_label("Why?").fill("county fair")
    with frozen(floor, "postgres"):
        dialog.get_by_label("Why?").press("Enter")
        expect(dialog.get_by_text("Waiting for an answer")).to_be_visible()
        expect(dialog.get_by_role("button", name="Pause")).to_have_attribute("aria-busy", "true")
        for page in pages.values():
            expect(page.locator(".trouble")).to_have_text(re.compile(r"The numbers below are \d+ s old"))
            silence = page.locator(".silence.bad", has_text="PostgreSQL does not answer since")
            expect(silence).to_be_visible()
            expect(page.locator(".as-of.old")).to_be_visible()
    expect(queue.get_by_text("farm-grant is paused.")).to_be_visible(timeout=30_000)
    expect(dialog).to_have_count(0)
    for page in pages.values():
        expect(page.locator(".silence.bad")).to_have_count(0)
        expect(page.locator(".as-of.old")).to_have_count(0)
    floor.ask("POST", "/queues/farm-grant/resume", {})


def test_every_page_says_that_redis_is_frozen(visit: Visit, floor: Floor) -> None:
    """Nothing can be handed out, which no number of the ledger shows."""
    pages = [visit(f"/floor/{path}") for path in PATHS[:3]]
    with frozen(floor, "redis"):
        for page in pages:
            silence = page.locator(".silence.bad", has_text="Cannot hand out: Redis does not answer")
            expect(silence).to_be_visible()
    for page in pages:
        expect(page.locator(".silence.bad")).to_have_count(0)
