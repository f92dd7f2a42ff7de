"""The pages: how soon they are seen, how soon a change is, what many open ones cost, and what they ask."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks import page_queries, processes
from benchmarks.page_queries import PAYLOAD, QUEUE
from benchmarks.results import Result
from benchmarks.rounds import say
from hms_oms.database import connections

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

#: The bars: seconds until the first page is seen, and until a change is; percent of a core.
PAINT_BAR, CHANGE_BAR, SPECTATORS_BAR = 1.5, 2.0, 30.0
SPECTATORS = 50
#: Jobs that are open while the floor is looked at; their queue is paused.
STILL_OPEN = 3000
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def measure(folder: Path, quick: bool) -> list[Result]:
    """Look at a floor of 100,000 jobs, and ask one of 1,000,000 what pages ask."""
    results = []
    with _floor(folder, 20_000 if quick else 100_000) as (url, home, badge):
        results += _seen(url, badge, 3 if quick else 7)
        results.append(_spectators(url, home, badge, 10.0 if quick else 30.0))
        engine = connections.engine(json.loads((home / "servers.json").read_text())["database_url"])
        results.append(page_queries.measure(engine, 100_000 if quick else 1_000_000))
        engine.dispose()
    return results


@contextmanager
def _floor(folder: Path, number: int) -> Iterator[tuple[str, Path, str]]:
    home = folder / "pages"
    environment = {"HMS_HOME": str(home), "HMS_FLOOR_RATE": "100000"}
    hms = [sys.executable, "-m", "hms_floor"]
    with processes.running(folder, {"pages": [*hms, "up"]}, environment):
        processes.poll_until(lambda: _is_well([*hms, "check"], environment), "the floor is not up")
        text = json.loads((home / "servers.json").read_text())
        engine = connections.engine(text["database_url"])
        with engine.begin() as connection:
            connection.exec_driver_sql(f"update oms.queues set paused_at = oms.now() where name = '{QUEUE}'")
        page_queries.fill(engine, number, STILL_OPEN)
        engine.dispose()
        yield text["floor_url"], home, (home / "badge").read_text().strip()


def _is_well(check: list[str], environment: dict[str, str]) -> bool:
    done = subprocess.run(
        check, cwd=processes.ROOT, env=processes.surroundings(environment), capture_output=True, check=False
    )
    return done.returncode == 0


def _seen(url: str, badge: str, tries: int) -> list[Result]:
    """When the first page is seen with nothing in the cache, and when a change is, in a real browser."""
    from playwright.sync_api import sync_playwright

    names = ("chromium-headless-shell", "chromium", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        say("pages: there is no Chromium, nobody has looked")
        return []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        painted, drawn = zip(*(_first_seen(browser, url, badge) for _ in range(tries)), strict=True)
        paused, counted = _changes_seen(browser, url, badge, tries)
        browser.close()
    say(f"pages: looked at {tries} times")
    slowest = max(counted + paused)
    return [
        Result(
            "paint",
            "the floor with its verdict and cards is seen, nothing cached",
            median(drawn),
            "s",
            PAINT_BAR,
            at_most=True,
            note=f"first paint {median(painted):.2f} s; slowest {max(drawn):.2f} s",
        ),
        Result(
            "change",
            "a change in the ledger (one more job, a queue paused) is seen",
            slowest,
            "s",
            CHANGE_BAR,
            at_most=True,
            note=f"the slowest; in the middle a pause {median(paused):.2f} s, a job {median(counted):.2f} s",
            detail={"pause": paused, "job": counted},
        ),
    ]


def _first_seen(browser: Browser, url: str, badge: str) -> tuple[float, float]:
    """Seconds until something is painted, and until verdict and cards are there."""
    context = _visitor(browser, url, badge)
    page = context.new_page()
    page.goto(f"{url}/floor/", wait_until="commit")
    page.wait_for_function(_DRAWN, polling=20)
    drawn = page.evaluate("performance.now()")
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    context.close()
    return painted / 1000, drawn / 1000


def _changes_seen(browser: Browser, url: str, badge: str, tries: int) -> tuple[list[float], list[float]]:
    """Seconds from asking for a change until it is seen: a queue paused or resumed, a job more."""
    context = _visitor(browser, url, badge)
    page = context.new_page()
    page.goto(f"{url}/floor/")
    page.wait_for_function(_DRAWN)
    headers = {"Authorization": f"Bearer {badge}"}

    def change(path: str, body: dict[str, Any], *observed: str) -> float:
        page.wait_for_timeout(137 * len(spent) % 1000)
        began = time.perf_counter()
        answer = context.request.post(url + path, data=body, headers=headers)
        assert answer.ok, answer.text()
        page.wait_for_function(_SAYS, arg=list(observed), polling=20)
        spent.append(time.perf_counter() - began)
        return spent[-1]

    spent: list[float] = []
    paused, counted = [], []
    for number in range(tries):
        verb, word = ("pause", "Paused") if number % 2 == 0 else ("resume", "Idle")
        paused.append(change(f"/queues/appeal-review/{verb}", {}, "appeal-review", ".light", word))
        job = {"jobType": "farm:grant:v1", "payload": {**PAYLOAD, "appId": 10_000_000 + number}}
        counted.append(change("/jobs", job, QUEUE, ".big", f"{STILL_OPEN + 1 + number:,}"))
    context.close()
    return paused, counted


def _visitor(browser: Browser, url: str, badge: str) -> BrowserContext:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_cookies([{"name": "hms_badge", "value": badge, "url": url}])
    return context


_DRAWN = (
    "() => document.querySelectorAll('.queue').length >= 3"
    " && /as of/.test(document.querySelector('.as-of').textContent)"
    " && document.querySelector('.verdict').textContent"
)
_SAYS = (
    "([queue, kind, words]) => document.querySelector(`[aria-label='Queue ${queue}'] ${kind}`)"
    ".textContent === words"
)


def _spectators(url: str, home: Path, badge: str, seconds: float) -> Result:
    """What open floors cost the process that serves them, while numbers change every second."""
    command = [sys.executable, "-m", "benchmarks.spectators", url, badge, str(SPECTATORS)]
    api_server = psutil.Process(json.loads((home / "pids.json").read_text())["floor"]["pid"])
    with _working(home):
        alone = _share(api_server, seconds / 3)
        with subprocess.Popen(command, cwd=processes.ROOT, stdout=subprocess.PIPE, text=True) as watching:
            try:
                assert watching.stdout is not None
                for _ in range(8):  # they say each second how much they have heard
                    before = int(watching.stdout.readline())
                share = _share(api_server, seconds)
                for _ in range(round(seconds)):
                    after = int(watching.stdout.readline())
            finally:
                watching.terminate()
    received = (after - before) / seconds / SPECTATORS / 1024
    return Result(
        "spectators",
        f"{SPECTATORS} open floors with a running cycle, share of one core of the API's process",
        share,
        "%",
        SPECTATORS_BAR,
        at_most=True,
        note=f"{alone:.1f} % without them; each hears {received:.1f} KiB a second",
    )


@contextmanager
def _working(home: Path) -> Iterator[None]:
    """The queue goes on, ten jobs a second, for as long as the block lasts."""
    engine = connections.engine(json.loads((home / "servers.json").read_text())["database_url"])
    change = f"update oms.queues set paused_at = %s, starts_per_minute = %s where name = '{QUEUE}'"
    with engine.begin() as connection:
        connection.exec_driver_sql(change, (None, 600))
    yield
    with engine.begin() as connection:
        connection.exec_driver_sql(change, ("now", None))
    engine.dispose()


def _share(process: psutil.Process, seconds: float) -> float:
    before = sum(process.cpu_times()[:2])
    time.sleep(seconds)
    return 100 * (sum(process.cpu_times()[:2]) - before) / seconds
