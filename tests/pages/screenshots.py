"""`make screenshots`: bring a floor up, give it two weeks and a busy morning, and take its pictures.

They go to docs/images, as docs/floor.md and docs/pictures.md show them.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from hms_oms.database import connections
from tests.conftest import wait_until
from tests.pages.conftest import CALM, CHROMIUM, FLAGS, HEAD, Floor, row, start
from tests.support.api import free_port

#: The window of pages that have little on them.
LOW = {"width": 1280, "height": 400}
#: A screen on the wall.
WALL = {"width": 1280, "height": 720}
IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"

#: Two weeks of mornings of 400 applications each, some of them late; one morning worse than the others.
_WEEKS = """
insert into oms.jobs (type, recipe_id, steps, queue, status, step, sla, sla_minutes, payload, requested_by,
    created_at, started_at, since, finished_at, outcome)
select 'farm:grant:v1', recipe.id, '{validate,inspect,notify}', 'farm-grant',
    case when mod(n, 199) = 0 then 'failed' else 'done' end, 2, at + interval '1 hour', 60, '{}', 'cycle',
    at, at + took / 2, at + took, at + took, case when mod(n, 9) = 0 then 'rejected' else 'assigned' end
from oms.recipes as recipe, generate_series(1, 13) as day, generate_series(1, 400) as n,
    lateral (
        select date_trunc('day', oms.now()) - day * interval '1 day' + interval '7 hours' as at,
            n * interval '8 seconds'
                * (case when day = 4 then 2.6 when mod(day, 3) = 0 then 1.15 else 0.8 end) as took
    ) as times
where recipe.type = 'farm:grant:v1' and extract(isodow from at) < 6
"""
#: The day before this moment: a hump of open jobs in the morning, and a smaller one at noon.
_DAY = """
insert into ops.samples (at, name, queue, subject, value)
select at, name, 'farm-grant', subject, greatest(0, round(scale * (
    exp(-((extract(epoch from oms.now() - at) / 3600 - 17) ^ 2) / 3)
    + 0.4 * exp(-((extract(epoch from oms.now() - at) / 3600 - 11) ^ 2) / 2)
)))
from generate_series(
        date_trunc('minute', oms.now()) - interval '23 hours 50 minutes',
        date_trunc('minute', oms.now()) - interval '6 minutes', '1 minute'
    ) as at,
    (values ('queue.length', 'backlog', 900), ('queue.length', 'running', 12), ('queue.waitTime', '', 1500),
        ('queue.waitTime.p95', '', 2600), ('queue.throughput.minute', '', 1), ('sla.breached', '', 0)
    ) as kept (name, subject, scale)
on conflict do nothing
"""
#: What starts by itself, so that the week has something in it.
SCHEDULES = {
    "daily-grants": {
        "jobType": "farm:grant:v1",
        "cron": "0 6 * * MON-FRI",
        "calendar": "US",
        "source": "grants/*.csv",
    },
    "appeal-reminder": {
        "jobType": "farm:appeal:v1",
        "cron": "0 9 * * TUE,THU",
        "payload": {"appId": 219, "phone": "+13125550142", "grounds": "the yearly review"},
    },
}


def main() -> None:
    """Take the pictures. Exits where there is no Chromium."""
    if CHROMIUM is None:
        sys.exit("there is no Chromium to take pictures with: apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home, port = Path(folder) / "home", free_port()
        process = start(home, HMS_FLOOR_PORT=str(port), HMS_WORKERS="2")
        try:
            log = home.parent / "up.log"
            wait_until(lambda: "the floor is up" in log.read_text(), "the floor to be up", 90)
            badge = (home / "badge").read_text().strip()
            headers = {"Authorization": f"Bearer {badge}"}
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(
                base_url=url, headers=headers, timeout=30, trust_env=False, verify=False
            ) as client:
                _take(Floor(url, home, process, client))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _take(floor: Floor) -> None:
    engine = connections.engine(json.loads((floor.home / "servers.json").read_text())["database_url"])
    with engine.begin() as connection:
        connection.exec_driver_sql(_WEEKS)
        connection.exec_driver_sql(_DAY)
    engine.dispose()
    # The morning: most is done at once, the rest under a limit that is too low for it.
    floor.cycle(600, 60)
    wait_until(lambda: not floor.ask("GET", "/jobs?status=open")["jobs"], "the early ones", 60)
    floor.ask("POST", "/queues/farm-grant/limit", {"startsPerMinute": 240, "reason": "county fair"})
    content = "\n".join([HEAD, *(row(number) for number in range(5000, 5700))])
    path = "/cycles?jobType=farm:grant:v1&name=applications.csv&slaMinutes=1"
    floor.ask("POST", path, content=content, headers={"Content-Type": "text/csv"})
    for name, body in SCHEDULES.items():
        floor.ask("POST", "/schedules", {"name": name, **body})
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        first = _page(floor, browser, "/floor/")
        first.locator(".incident").filter(has_text="late since").wait_for(timeout=90_000)
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
    page.screenshot(path=place)
    print(f"{place} {place.stat().st_size / 1000:.0f} kB, {time.strftime('%H:%M:%S')}")


if __name__ == "__main__":
    main()
