"""Silence on the pages: frozen Redis and frozen PostgreSQL are named on every page, while they last."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from hms_floor.local import embedded
from hms_oms.broker import broker_state
from hms_oms.database import connections
from hms_oms.database.schema import migrate
from tests.support.api import RunningApi, standing

#: How soon a silence is on the page, in milliseconds.
SOON = 15_000


@pytest.fixture(scope="module")
def own(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Servers]:
    """Servers of this module alone."""
    with embedded.serving(tmp_path_factory.mktemp("own"), fast=True) as running:
        assert running.database_url is not None
        migrate.upgrade(running.database_url)
        yield running
        connections.engine(running.database_url).dispose()


@pytest.fixture(scope="module")
def api_server(own: embedded.Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """The API and the pages on these servers; nobody else is there."""
    assert own.database_url is not None
    assert own.broker_url is not None
    with standing(own.database_url, own.broker_url, tmp_path_factory.mktemp("home")) as running:
        yield running


@contextmanager
def frozen(own: embedded.Servers, name: str) -> Iterator[None]:
    """Stop every process of a server for as long as the block lasts."""
    (server,) = [item for item in own.processes if item.program.name == name]
    process = psutil.Process(server.process.pid)
    family = [process.pid, *(child.pid for child in process.children(recursive=True))]
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in family:
            os.kill(pid, signal.SIGCONT)


def opened(browser: Browser, api_server: RunningApi, path: str) -> Page:
    """A page of the floor, as a manager sees it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.add_cookies(
        [{"name": "hms_badge", "value": api_server.badge("manager", "operator"), "url": api_server.url}]
    )
    page = context.new_page()
    page.goto(api_server.url + path)
    return page


@pytest.mark.drill
def test_what_is_silent_stands_on_every_page_until_it_is_over(
    browser: Browser, api_server: RunningApi, own: embedded.Servers
) -> None:
    """Redis, PostgreSQL, and a dispatcher that was heard for the last time a while ago."""
    assert own.database_url is not None
    pages = [opened(browser, api_server, path) for path in ("/floor/", "/floor/jobs")]
    for page in pages:
        expect(page.locator(".silence.bad", has_text="No dispatcher has ever been heard")).to_be_visible()
    expect(pages[0].locator(".silence.warn", has_text="Nobody real is on call")).to_be_visible()
    connection = connections.connect(own.database_url, "test")
    broker_state.report(connection, None)
    connection.close()
    for page in pages:
        expect(page.locator(".silence", has_text="dispatcher")).to_have_count(0, timeout=SOON)
    with frozen(own, "redis"):
        for page in pages:
            silence = page.locator(".silence.bad", has_text="Cannot hand out: Redis does not answer since ")
            expect(silence).to_be_visible(timeout=SOON)
    with frozen(own, "postgres"):
        for page in pages:
            silence = page.locator(".silence.bad", has_text="PostgreSQL does not answer since ")
            expect(silence).to_be_visible(timeout=SOON)
    for page in pages:
        expect(page.locator(".silence", has_text="PostgreSQL")).to_have_count(0, timeout=SOON)
        expect(page.locator(".silence.bad", has_text="The dispatcher has been silent for")).to_be_visible(
            timeout=SOON
        )
        page.context.close()
