"""A whole floor in real processes, and Chromium to look at it; skipped aloud where there is no Chromium."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from hms_floor.auth import sign_in_link, tokens
from hms_floor.auth.tokens import Role
from hms_oms.runtime.settings import Settings
from tests.conftest import wait_until
from tests.support.api import free_port

ROOT = Path(__file__).resolve().parents[2]
#: The one without windows first: it costs a good deal less.
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None
)
#: Nothing of the browser's own goes out, and it runs as root in a container, too.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: A window without transitions, in which a colour is what it will be at once.
CALM: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
#: What a page is to show may take as long as this on a machine at work, in milliseconds.
PATIENCE = 30_000
expect.set_options(timeout=PATIENCE)


@dataclass
class Floor:
    """A floor that `hms up` keeps running."""

    url: str
    home: Path
    process: subprocess.Popen[bytes]
    client: httpx.Client = field(repr=False)

    def link(self) -> str:
        """A one-time link to sign in with."""
        return f"{self.url}/enter?code={sign_in_link.make_code(self.home, time.time())}"

    def badge(self, *roles: Role) -> tuple[str, str]:
        """A badge with these roles, and its number."""
        issued = tokens.issue(Settings(home=self.home), actor="lee", roles=roles, queues=[], hours=1)
        return issued.token, issued.badge.jti

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Ask the API with the badge of the person who started the floor; it must do it."""
        if body is not None:
            options["json"] = body
        answer = self.client.request(method, path, **options)
        assert answer.is_success, answer.text
        return answer.json()

    def cancel_all(self) -> None:
        """Cancel every job that has not ended; again if some ended between the count and the cancellation."""
        request = {"action": "cancel", "filter": {"status": ["open"]}, "reason": "the test is over"}

        def cancelled() -> bool:
            able = self.ask("POST", "/jobs/bulk", request | {"dryRun": True})["able"]
            answer = self.client.post("/jobs/bulk", json=request | {"count": able})
            assert answer.is_success or answer.status_code == httpx.codes.CONFLICT, answer.text
            return answer.is_success

        wait_until(cancelled, "a count of open jobs that holds until they are cancelled")

    def cycle(self, rows: int, sla_minutes: float) -> int:
        """Start a cycle of so many jobs by the API, and return its number."""
        first = time.time_ns() // 1_000_000 % 10_000_000 * 100
        content = "\n".join([HEAD, *(row(first + number) for number in range(rows))])
        headers = {"Content-Type": "text/csv"}
        path = f"/cycles?jobType=farm:grant:v1&name=test.csv&slaMinutes={sla_minutes}"
        return int(self.ask("POST", path, content=content, headers=headers)["batch"])


HEAD = "app_id,name,phone,county_fips,crop,acres,amount_requested,submitted_on"


def row(number: int) -> str:
    """A line of an application that will be granted."""
    return f"{number},Ada Byron,541-555-0168,41069,rice,100,5000,2026-01-29"


def start(home: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start `hms up` in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HMS_")}
    settings = {"HMS_HOME": str(home), "HMS_WORKERS": "1", "HMS_FLOOR_RATE": "100000"}
    settings |= {"HMS_TIMEZONE": "America/Chicago"}
    with (home.parent / "up.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "hms_floor", "up"],
            env={**kept, **settings, **environment},
            stdout=log,
            stderr=log,
            cwd=ROOT,
            start_new_session=True,
        )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have one process of several run all tests that need the floor, and one those that need a browser only.

    To start a floor and a browser takes a while, and two of them are more than two cores bear. It has to be
    said before the runner reads the groups. The longest group begins first.
    """
    here = Path(__file__).parent
    ranks = {"floor": 0, "browser": 1}

    def group(item: pytest.Item) -> str | None:
        name = next((name for name in ranks if name in getattr(item, "fixturenames", ())), None)
        return name if name and here in item.path.parents else None

    for item in items:
        if name := group(item):
            item.add_marker(pytest.mark.xdist_group(name))
    items.sort(key=lambda item: ranks.get(group(item) or "", len(ranks)))


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, until the last test of the pages: Playwright keeps the loop of this thread to itself."""
    if CHROMIUM is None:
        pytest.skip(
            "there is no Chromium: the pages were not looked at (apt-get install chromium-headless-shell)"
        )
    with sync_playwright() as playwright:
        result = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield result
        result.close()


@pytest.fixture(scope="package")
def floor(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    """A floor for all tests of the pages: to start one takes a while, and while it is up it works."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        # pytest-xdist 3.8 cannot group the tests of pytest 9.2, and does not say so.
        assert "@floor" in os.environ["PYTEST_CURRENT_TEST"], (
            "the tests of the floor run in several processes"
        )
    home = tmp_path_factory.mktemp("up") / "home"
    port = free_port()
    process = start(home, HMS_FLOOR_PORT=str(port))
    url = f"http://127.0.0.1:{port}"
    client = httpx.Client(base_url=url, timeout=30, trust_env=False, verify=False)

    def ready() -> bool:
        log = (home.parent / "up.log").read_text()
        assert process.poll() is None, log
        return "the floor is up" in log

    try:
        wait_until(ready, "the floor to be up", 90)
        client.headers["Authorization"] = f"Bearer {(home / 'badge').read_text().strip()}"
        yield Floor(url, home, process, client)
    finally:
        client.close()
        process.send_signal(signal.SIGINT)
        process.wait(60)


@pytest.fixture(autouse=True)
def _none_paused(request: pytest.FixtureRequest) -> Iterator[None]:
    """No queue stays paused after a test, not even a failed one: the tests after it need them all."""
    floor = request.getfixturevalue("floor") if "floor" in request.fixturenames else None
    yield
    if floor is not None:
        for queue in floor.ask("GET", "/queues")["queues"]:
            if queue["pausedAt"] is not None:
                floor.ask("POST", f"/queues/{queue['name']}/resume", {})


@pytest.fixture(scope="package")
def windows(browser: Browser) -> Iterator[dict[str, list[BrowserContext]]]:
    """Windows that nobody looks into, by their options: they have loaded what all pages need."""
    idle: dict[str, list[BrowserContext]] = {}
    yield idle
    for context in [item for contexts in idle.values() for item in contexts]:
        context.close()


@pytest.fixture
def visit(
    browser: Browser, floor: Floor, windows: dict[str, list[BrowserContext]]
) -> Iterator[Callable[..., Page]]:
    """Open a page of the floor: as its manager, or with a badge of some roles."""
    open_now: dict[tuple[str, str], BrowserContext] = {}

    def go(path: str, *roles: Role, badge: str | None = None, **options: Any) -> Page:
        token = badge or (floor.badge(*roles)[0] if roles else (floor.home / "badge").read_text().strip())
        kind = repr(sorted(options.items()))
        if (kind, token) not in open_now:
            idle = windows.setdefault(kind, [])
            context = idle.pop() if idle else browser.new_context(**{**CALM, **options})
            context.add_cookies([{"name": "hms_badge", "value": token, "url": floor.url}])
            open_now[kind, token] = context
        page = open_now[kind, token].new_page()
        page.set_default_timeout(PATIENCE)
        # A page that reads itself again says why.
        page.on("console", lambda line: print(f"{page.url}: {line.text}"))
        page.goto(floor.url + path)
        return page

    yield go
    for (kind, _), context in open_now.items():
        for page in context.pages:
            page.close()
        context.clear_cookies()
        windows[kind].append(context)
