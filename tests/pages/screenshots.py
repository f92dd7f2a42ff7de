"""`make screenshots`: bring a floor up, give it two weeks and a busy morning, and take its pictures.

They go to docs/images, as docs/floor.md and docs/pictures.md show them.
"""

from __future__ import annotations

import sys
import time
from datetime import date, timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.pages import seeded
from tests.pages.conftest import CALM, CHROMIUM, FLAGS, Floor

#: The window of pages that have little on them.
LOW = {"width": 1280, "height": 400}
#: A screen on the wall.
WALL = {"width": 1280, "height": 720}
IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


def main() -> None:
    """Take the pictures. Exits where there is no Chromium."""
    if CHROMIUM is None:
        sys.exit("there is no Chromium to take pictures with: apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    with seeded.up() as floor:
        _take(floor)


def _take(floor: Floor) -> None:
    seeded.burn(floor)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        first = _page(floor, browser, "/floor/")
        first.locator(".incident").filter(has_text="late since").wait_for(timeout=240_000)
        first.wait_for_timeout(15_000)
        job = floor.ask("GET", "/jobs?status=done&limit=1")["jobs"][0]["id"]
        for theme in ("light", "dark"):
            _picture(_page(floor, browser, "/floor/", theme), f"floor-{theme}")
        _picture(_page(floor, browser, "/floor/wall", size=WALL), "wall")
        _picture(_page(floor, browser, "/floor/queues/farm-grant", "dark"), "queue")
        _picture(_page(floor, browser, f"/floor/jobs/{job}"), "job")
        _picture(_page(floor, browser, "/floor/incidents", size=LOW), "incidents")
        _picture(_page(floor, browser, "/floor/sla"), "sla")
        _picture(_page(floor, browser, "/floor/cycles/2", size=LOW), "cycle")
        week = f"/floor/schedules?week={date.today() + timedelta(weeks=1)}"
        _picture(_page(floor, browser, week, "dark", LOW), "schedules")
        phone = _page(floor, browser, "/floor/", "dark", {"width": 390, "height": 844})
        _picture(phone, "phone")
        browser.close()


def _page(
    floor: Floor, browser: Browser, path: str, theme: str = "light", size: dict[str, int] | None = None
) -> Page:
    context = browser.new_context(**{**CALM, "viewport": size or {"width": 1280, "height": 900}})
    badge = (floor.home / "badge").read_text().strip()
    cookies = {"hms_badge": badge, "hms_theme": theme}
    context.add_cookies([{"name": name, "value": value, "url": floor.url} for name, value in cookies.items()])
    page = context.new_page()
    page.goto(floor.url + path)
    page.locator("h1").wait_for()
    page.wait_for_timeout(2500)  # charts are drawn, the feed is awake
    return page


def _picture(page: Page, name: str) -> None:
    size = page.viewport_size
    assert size is not None
    whole = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": min(whole, 1000)})
    page.wait_for_timeout(300)
    place = IMAGES / f"{name}.png"
    page.screenshot(path=place, timeout=120_000)
    print(f"{place} {place.stat().st_size / 1000:.0f} kB, {time.strftime('%H:%M:%S')}")


if __name__ == "__main__":
    main()
