"""`make looks`: look at every page and dialog of a floor, idle and burning, in both themes, at every width.

What axe-core or a reader of colours finds, what is wider than the window, cut off or written over something
else, and what the browser complains of is listed; without anything of the kind it ends with 0.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

from hms_floor.auth.tokens import Role
from hms_floor.pages import all_pages  # noqa: F401 -- a page is registered when its module is imported
from hms_floor.pages.route import READ_BY
from tests.conftest import wait_until
from tests.pages import seeded
from tests.pages.conftest import CALM, CHROMIUM, FLAGS, Floor
from tests.pages.seeing import faults

STATES: dict[str, Callable[[Floor], None]] = {"idle": lambda _: None, "burning": seeded.burn}
#: A page is loaded once for the sizes of a row: its window is made another size.
SIZES = (((1440, 900), (1280, 900)), ((390, 844),), ((3840, 2160),))
WALL = 3840
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_CUT = (Path(__file__).parent / "cut.js").read_text()
#: What acts or leads on at once when it is pressed, or opens a window of the browser's own.
_ACTS = re.compile(
    "Search|Run daily|Show \\d|Discard|^Start|Previous|Next|Put in force|Leave it|CSV|PDF|Excel|Choose"
    "|Sign out|theme|times of|Simulate the|Notify me|Back to now|^Add|Remove",
    re.IGNORECASE,
)
#: How long what a press opens may take, in milliseconds: nothing is opened by some of them.
_OPENS = 1500
_AT_REST = """() => document.getAnimations().every(
    ({ playState, effect }) => playState !== "running" || effect.getComputedTiming().iterations === Infinity
)"""
_OPENED = "[role=dialog]:visible, .q-menu:visible"
_PRESSED = "main button:visible:enabled, main .q-select:visible, .bar button:visible"
_NAMES = "all => all.map(it => (it.title || it.getAttribute('aria-label') || it.innerText).trim())"

Faults = dict[str, list[str]]


def main() -> None:
    """Look at the states that are named, or at all; exits with 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", choices=STATES, action="append")
    parser.add_argument("--width", type=int, action="append", help="only this one; all without any")
    chosen = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("there is no Chromium to look with: apt-get install chromium")
    bad: Faults = {}
    looks = 0
    with seeded.up() as floor, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for state in chosen.state or STATES:
            STATES[state](floor)
            paths = _paths(floor, state)
            for row in SIZES:
                sizes = [size for size in row if not chosen.width or size[0] in chosen.width]
                shown = ["/wall"] if WALL in dict(row) else paths
                for name, wrong in _look(floor, browser, shown, sizes) if sizes else ():
                    looks += 1
                    if wrong:
                        bad[f"{state} {name}"] = wrong
                        print(f"{state} {name}", *wrong, sep="\n    ", flush=True)
        browser.close()
    print(f"{looks} looks, {len(bad)} with faults")
    sys.exit(1 if bad else 0)


def _paths(floor: Floor, state: str) -> list[str]:
    """The addresses of all pages, with a job of each kind that there is."""
    if state == "burning":
        wait_until(lambda: floor.ask("GET", "/incidents?state=open")["incidents"], "an incident", 120)
    paths = [path for path in READ_BY if "{" not in path]
    paths += ["/queues/farm-grant", "/queues/farm-grant?window=24h&behind=day", "/schedules/daily-grants"]
    paths += [
        "/simulation?queue=farm-grant",
        "/jobs?status=late",
        "/jobs?status=done",
        "/sla?queue=farm-grant",
    ]
    for status in ("done", "failed", "waiting"):
        paths += [f"/jobs/{job['id']}" for job in floor.ask("GET", f"/jobs?status={status}&limit=1")["jobs"]]
    paths += [f"/cycles/{cycle['batch']}" for cycle in floor.ask("GET", "/cycles")["cycles"][:1]]
    paths += [
        f"/incidents/{incident['reference']}" for incident in floor.ask("GET", "/incidents")["incidents"][:1]
    ]
    return [*paths, "/jobs?status=open", "/jobs/job-999999999", "/nowhere", "/enter"]


def _look(
    floor: Floor, browser: Browser, paths: list[str], sizes: list[tuple[int, int]]
) -> Iterator[tuple[str, list[str]]]:
    """Each page, and each dialog of it, in each theme and size, with what is wrong with it."""
    context = browser.new_context(**CALM)
    badge, _ = floor.badge(*(role for role in Role if role != Role.AGENT))
    context.add_cookies([{"name": "hms_badge", "value": badge, "url": floor.url}])
    page = context.new_page()
    lines: list[str] = []
    page.on("console", lambda message: lines.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: lines.append(str(error)))
    for path in paths:
        lines.clear()
        _size(page, sizes[0])
        _open(page, floor, path)
        yield from _faults(page, path, sizes)
        yield f"in the console of {path}", [line for line in lines if "404" not in line]
        for name in _names(page):
            _size(page, sizes[0])
            if _press(page, floor, path, name):
                yield from _faults(page, f"{path}, {name}", sizes)
                _close(page)
    context.close()


def _size(page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})


def _open(page: Page, floor: Floor, path: str) -> None:
    page.goto(floor.url + (path if path == "/enter" else f"/floor{path}"))
    page.locator("h1").first.wait_for()
    if path.startswith("/jobs?"):
        # What can be done with jobs stands there once some are chosen.
        row = page.locator("tbody input[type=checkbox]").first
        if row.count():
            row.check()
    page.wait_for_load_state("networkidle")


def _faults(page: Page, name: str, sizes: list[tuple[int, int]]) -> Iterator[tuple[str, list[str]]]:
    """What is wrong with a page as it stands, in each theme and size."""
    for size in sizes:
        _size(page, size)
        # Charts follow the window within a moment.
        with suppress(TimeoutError):
            page.wait_for_function("document.documentElement.scrollWidth <= innerWidth", timeout=5_000)
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        cut: list[str] = page.evaluate(_CUT)
        shape = [*cut, *([f"{wider} px wider than the window"] if wider > 0 else [])]
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            page.wait_for_function(_AT_REST)
            yield f"{theme} {size[0]}: {name}", [*faults(page), *shape]
            shape = []


def _names(page: Page) -> list[str]:
    """What can be pressed to open something, each kind once: numbers in its name make no other kind."""
    kinds: dict[str, str] = {}
    for name in page.locator(_PRESSED).evaluate_all(_NAMES):
        if name and not _ACTS.search(name):
            kinds.setdefault(re.sub(r"\d+", "", name), name)
    return list(kinds.values())


def _press(page: Page, floor: Floor, path: str, name: str) -> bool:
    """Press it; whether something was opened on this page."""
    before = page.url
    pressed = page.locator(_PRESSED)
    names = pressed.evaluate_all(_NAMES)
    if name not in names:
        return False
    with suppress(TimeoutError):
        pressed.nth(names.index(name)).click(timeout=_OPENS)
        page.locator(_OPENED).first.wait_for(timeout=_OPENS)
        return page.url == before
    if page.url != before:
        _open(page, floor, path)
    return False


def _close(page: Page) -> None:
    page.keyboard.press("Escape")
    with suppress(TimeoutError):
        page.locator(_OPENED).first.wait_for(state="hidden", timeout=_OPENS)


if __name__ == "__main__":
    main()
