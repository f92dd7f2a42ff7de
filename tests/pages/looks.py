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

from playwright.sync_api import Browser, Locator, Page, TimeoutError, sync_playwright

from hms_floor.auth.tokens import Role
from hms_floor.pages import all_pages  # noqa: F401 -- a page is registered when its module is imported
from hms_floor.pages.route import READ_BY
from tests.conftest import wait_until
from tests.pages import seeded
from tests.pages.conftest import CALM, CHROMIUM, FLAGS, Floor
from tests.pages.seeing import faults

STATES: dict[str, Callable[[Floor], None]] = {"idle": lambda _: None, "burning": seeded.burn}
THEMES = ("light", "dark")
DESK, OFFICE, PHONE = ((1440, 900), (1280, 900), (390, 844))
WALL = (3840, 2160)
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
            for width, height in (DESK, OFFICE, PHONE, WALL):
                if chosen.width and width not in chosen.width:
                    continue
                for theme in THEMES:
                    shown = ["/wall"] if (width, height) == WALL else paths
                    for name, wrong in _look(floor, browser, shown, theme, (width, height)):
                        looks += 1
                        if wrong:
                            bad[f"{state} {theme} {width}: {name}"] = wrong
                            print(f"{state} {theme} {width}: {name}", *wrong, sep="\n    ", flush=True)
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
    floor: Floor, browser: Browser, paths: list[str], theme: str, size: tuple[int, int]
) -> Iterator[tuple[str, list[str]]]:
    """Each page, and each dialog of it, with what is wrong with it."""
    context = browser.new_context(
        **{**CALM, "viewport": {"width": size[0], "height": size[1]}, "color_scheme": theme}
    )
    badge, _ = floor.badge(*(role for role in Role if role != Role.AGENT))
    cookies = {"hms_badge": badge, "hms_theme": theme}
    context.add_cookies([{"name": name, "value": value, "url": floor.url} for name, value in cookies.items()])
    page = context.new_page()
    lines: list[str] = []
    page.on("console", lambda message: lines.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: lines.append(str(error)))
    for path in paths:
        lines.clear()
        _open(page, floor, path)
        yield path, [*_faults(page), *(line for line in lines if "404" not in line)]
        for name in _names(page):
            if _press(page, floor, path, name):
                yield f"{path}, {name}", _faults(page)
                _close(page)
    context.close()


def _open(page: Page, floor: Floor, path: str) -> None:
    page.goto(floor.url + (path if path == "/enter" else f"/floor{path}"))
    page.locator("h1").first.wait_for()
    if path.startswith("/jobs?"):
        # What can be done with jobs stands there once some are chosen.
        row = page.locator("tbody input[type=checkbox]").first
        if row.count():
            row.check()
    page.wait_for_load_state("networkidle")


def _faults(page: Page) -> list[str]:
    # Charts follow the window within a moment.
    with suppress(TimeoutError):
        page.wait_for_function("document.documentElement.scrollWidth <= innerWidth", timeout=5_000)
    wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    page.wait_for_function(_AT_REST)
    cut: list[str] = page.evaluate(_CUT)
    return [*faults(page), *cut, *([f"{wider} px wider than the window"] if wider > 0 else [])]


def _names(page: Page) -> list[str]:
    """What can be pressed to open something, each kind once: numbers in its name make no other kind."""
    kinds: dict[str, str] = {}
    for button in page.locator(
        "main button:visible:enabled, main .q-select:visible, .bar button:visible"
    ).all():
        name = _name(button)
        if name and not _ACTS.search(name):
            kinds.setdefault(re.sub(r"\d+", "", name), name)
    return list(kinds.values())


def _name(button: Locator) -> str:
    return (
        button.get_attribute("title") or button.get_attribute("aria-label") or button.inner_text()
    ).strip()


def _press(page: Page, floor: Floor, path: str, name: str) -> bool:
    """Press it; whether something was opened on this page."""
    before = page.url
    for button in page.locator(
        "main button:visible:enabled, main .q-select:visible, .bar button:visible"
    ).all():
        with suppress(TimeoutError):
            if _name(button) == name:
                button.click(timeout=_OPENS)
                page.locator(_OPENED).first.wait_for(timeout=_OPENS)
                page.wait_for_function(_AT_REST)
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
