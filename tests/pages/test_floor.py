"""The floor at work: real processes, a browser, and a manager in front of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pypdf
import pytest
from playwright.sync_api import Locator, Page, expect

from hms_floor.auth.tokens import Role
from tests.conftest import wait_until
from tests.pages.conftest import HEAD, Floor, row

Visit = Callable[..., Page]


@pytest.fixture(autouse=True)
def _open_queue(floor: Floor) -> None:
    """Each test finds the queue open, without limits, and empty."""
    floor.ask("POST", "/queues/farm-grant/resume", {})
    floor.ask("POST", "/queues/farm-grant/limit", {"window": None, "startsPerMinute": None})
    wait_until(lambda: not floor.ask("GET", "/jobs?status=open")["jobs"], "the queue to be empty", 60)


def choose(page: Page, name: str, rows: list[str]) -> None:
    """Choose a file of requests on the page of cycles."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a file").click()
    file: Any = {"name": name, "mimeType": "text/csv", "buffer": "\n".join([HEAD, *rows]).encode()}
    chooser.value.set_files(file)


def test_a_cycle_is_looked_at_started_and_its_report_read(visit: Visit, floor: Floor) -> None:
    """A file starts nothing before Start; what is refused is told and downloaded, the rest is watched."""
    page = visit("/floor/")
    page.get_by_role("button", name="Run daily cycle").click()
    known = floor.ask("GET", "/cycles")["cycles"]
    good = [row(number) for number in range(1, 41)]
    choose(page, "morning.csv", [*good, *(f"x{number},,,,,,," for number in range(60))])
    preview = page.get_by_label("Preview")
    expect(preview.get_by_text("40", exact=True)).to_be_visible()
    expect(page.get_by_label("Reasons").get_by_role("row", name="app_id")).to_contain_text(
        "42, 43, 44, 45, 46, ..."
    )
    expect(page.get_by_text("These are the first 50 of 60.")).to_be_visible()
    assert floor.ask("GET", "/cycles")["cycles"] == known
    # One reason refuses most rows: the file is asked about first.
    start = page.get_by_role("button", name="Start 40 jobs")
    expect(start).to_be_disabled()
    page.get_by_text("Start the others all the same.").click()
    start.click()
    expect(page.get_by_text("40 of 40 jobs have ended")).to_be_visible()
    expect(page.get_by_label("Jobs by outcome").get_by_role("row", name="assigned")).to_contain_text("40")
    expect(page.get_by_role("heading", name="60 rows were refused")).to_be_visible()
    refused = page.get_by_label("Refused rows").get_by_role("row")
    expect(refused).to_have_count(51)
    page.get_by_role("button", name="Show 50 more").click()
    expect(refused).to_have_count(61)
    for title, ending in (("CSV", "csv"), ("Excel", "xlsx")):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"All as {title}").click()
        assert download.value.suggested_filename.endswith(f"-refused.{ending}")


def test_a_file_with_nothing_new_says_so(visit: Visit, floor: Floor) -> None:
    """Known, differing and refused rows are told; there is nothing to start, and no cycle."""
    payload = {
        "appId": 5000,
        "name": "Ada Byron",
        "phone": "541-555-0168",
        "countyFips": "41069",
        "crop": "rice",
    }
    payload |= {"acres": 100, "amountRequested": 5000, "submittedOn": "2026-01-29"}
    floor.ask("POST", "/jobs", {"jobType": "farm:grant:v1", "payload": payload})
    page = visit("/floor/cycles")
    differs = row(5000).replace("rice", "wheat")
    choose(page, "again.csv", [row(5000), differs, "x,,,,,,,"])
    expect(page.get_by_text("There is nothing new: every row is known or refused.")).to_be_visible()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    expect(page.get_by_label("Differing rows").get_by_role("row").nth(1)).to_contain_text(
        "rice there, wheat here"
    )
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_label("Preview")).to_have_count(0)


@pytest.mark.drill
def test_the_light_turns_amber_and_red_and_green_again(visit: Visit, floor: Floor) -> None:
    """A throttled queue is at risk, then late; its incident is acknowledged; at last it is on track."""
    page = visit("/floor/", Role.ONCALL)
    verdict = page.get_by_label("Verdict")
    expect(verdict.get_by_text(re.compile("^On track$|^Idle$"))).to_be_visible()
    floor.ask("POST", "/queues/farm-grant/limit", {"startsPerMinute": 180})
    floor.cycle(160, 0.2)
    expect(verdict.get_by_text("At risk")).to_be_visible()
    expect(verdict.get_by_role("heading")).to_contain_text("of farm-grant will be late from")
    expect(verdict.get_by_text("Late", exact=True)).to_be_visible(timeout=25_000)
    expect(page.get_by_label("Queue farm-grant").get_by_text("Late", exact=True)).to_be_visible()
    late = page.locator(".incident").filter(has_text="late since")
    late.get_by_role("button", name="Acknowledge").click()
    expect(late.get_by_text("Acknowledged by lee.")).to_be_visible()
    expect(page.get_by_label("Last texts").get_by_text("late since").first).to_be_visible()
    floor.ask("POST", "/queues/farm-grant/limit", {"startsPerMinute": None})
    expect(verdict.get_by_text("On track")).to_be_visible(timeout=30_000)


def test_a_promoted_job_runs_next(visit: Visit, floor: Floor) -> None:
    """A paused queue is put in another order by hand, and goes on in that order."""
    page = visit("/floor/queues/farm-grant")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_label("Why?").fill("county fair")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused by").first).to_contain_text("(county fair)")
    floor.ask("POST", "/queues/farm-grant/limit", {"window": 1})
    batch = floor.cycle(5, 10)
    rows = page.get_by_label("Next to run").locator("tbody tr")
    expect(rows).to_have_count(5)
    last = rows.nth(4).get_by_role("link").inner_text()
    rows.nth(4).get_by_role("checkbox").click()
    page.get_by_role("button", name="Promote").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("1 job will change.")).to_be_visible()
    dialog.get_by_role("button", name="Promote").click()
    expect(rows.nth(0).get_by_role("link")).to_have_text(last)
    page.get_by_role("button", name="Resume", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Resume", exact=True).click()
    expect(page.get_by_text("The backlog is empty.")).to_be_visible()
    began = {}
    for job in floor.ask("GET", f"/jobs?batch={batch}")["jobs"]:
        timeline = floor.ask("GET", f"/jobs/{job['id']}")["timeline"]
        began[job["id"]] = next(line["at"] for line in timeline if line["fact"] == "claimed")
    assert min(began, key=lambda job: began[job]) == last


def test_an_sla_is_changed_after_its_preview(visit: Visit, floor: Floor) -> None:
    """The preview says what would become of the open jobs; what is set is kept with its reason."""
    page = visit("/floor/queues/farm-grant")
    page.get_by_role("button", name="SLA", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Minutes").fill("45")
    dialog.get_by_label("Why?").fill("shorter days")
    dialog.get_by_role("button", name="Preview").click()
    expect(dialog.get_by_text(re.compile(r"From [\d.]+ (min|h) to 45 min\."))).to_be_visible()
    dialog.get_by_role("button", name="Set").click()
    expect(page.get_by_text("farm-grant has 45 min from now on.")).to_be_visible()
    assert floor.ask("GET", "/queues/farm-grant/sla")["history"][0]["reason"] == "shorter days"
    page.goto(f"{floor.url}/floor/sla")
    expect(page.get_by_role("row", name="shorter days")).to_be_visible()
    expect(page.get_by_role("heading", name="How good the forecasts were")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="PDF").click()
    week = page.get_by_role("heading", level=1).inner_text().removeprefix("Week of ")
    assert download.value.suggested_filename == f"sla-{week}.pdf"
    assert f"From {week} 00:00" in pypdf.PdfReader(download.value.path()).pages[0].extract_text()


def test_a_step_leads_to_its_task_in_flower(visit: Visit, floor: Floor) -> None:
    """From the waterfall of a job, by its ticket, signed in as on the floor; and back to the job."""
    batch = floor.cycle(1, 10)
    job = floor.ask("GET", f"/jobs?batch={batch}")["jobs"][0]["id"]
    page = visit(f"/floor/jobs/{job}")
    link = page.get_by_role("main").get_by_role("link", name="Flower").first
    expect(link).to_have_attribute("href", f"/flower-link/{job}.1.validate")
    page.goto(f"{floor.url}/flower-link/{job}.1.validate")
    expect(page).to_have_url(f"{floor.url}/flower/task/{job}.1.validate")
    page.get_by_role("link", name="Job on the floor").click()
    expect(page).to_have_url(f"{floor.url}/floor/jobs/{job}")


def test_flower_is_read_through_the_floor(visit: Visit, floor: Floor) -> None:
    """Its pages work there, and lead back; without a badge, or one that may not, nothing is shown."""
    page = visit("/floor/workers", Role.VIEWER)
    page.get_by_role("link", name="Flower").click()
    expect(page).to_have_url(f"{floor.url}/flower/")
    expect(page.get_by_role("link", name=re.compile("worker-1@")).first).to_be_visible()
    page.goto(f"{floor.url}/flower/tasks")
    expect(page.locator("#tasks-table_wrapper")).to_be_visible()
    page.get_by_role("link", name="Operations floor").click()
    expect(page).to_have_url(f"{floor.url}/floor/")

    def ask(method: str, path: str, badge: str, **headers: str) -> httpx.Response:
        url, cookies = f"{floor.url}/flower/api/{path}", {"hms_badge": badge}
        with httpx.Client(trust_env=False, verify=False, cookies=cookies) as client:
            return client.request(method, url, headers=headers)

    assert ask("GET", "workers", "none").headers["location"] == "/enter?next=/flower/api/workers"
    assert ask("GET", "workers", floor.badge(Role.AGENT)[0]).text == "Your badge does not show workers"
    manager = floor.badge(Role.MANAGER)[0]
    assert ask("GET", "workers", manager).status_code == 200
    revoke = "task/revoke/job-1.1.pick"
    assert "another site" in ask("POST", revoke, manager, **{"Sec-Fetch-Site": "cross-site"}).text
    assert ask("POST", revoke, manager).status_code == 403
    port = (floor.home / "flower.port").read_text()
    direct = httpx.get(f"http://127.0.0.1:{port}/flower/api/workers", trust_env=False, verify=False)
    assert direct.status_code == 401


def test_a_badge_that_is_taken_back_ends_an_open_page(visit: Visit, floor: Floor) -> None:
    """Within some seconds its reader stands at the API, and is brought back there after signing in."""
    token, number = floor.badge(Role.VIEWER)
    page = visit("/floor/", badge=token)
    expect(page.get_by_label("Queue farm-grant")).to_be_visible()
    floor.ask("POST", f"/badges/{number}/revoke", {})
    expect(page).to_have_url(re.compile(r"/enter\?next=/floor/"))
    page.get_by_label("Badge").fill(floor.badge(Role.VIEWER)[0])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/floor/$"))


def test_somebody_is_found_by_name(visit: Visit, floor: Floor) -> None:
    """A part of a name, typed without its accents, lists the one job with the columns of its recipe."""
    floor.ask("POST", "/queues/farm-grant/pause", {"reason": "test"})
    payload = {
        "appId": 987654,
        "name": "Zoë Łukaszewicz-Bergström",
        "phone": "515-555-0142",
        "countyFips": "19153",
        "crop": "corn",
        "acres": 120,
        "amountRequested": 30000,
        "submittedOn": "2026-11-20",
    }
    job = floor.ask("POST", "/jobs", {"jobType": "farm:grant:v1", "payload": payload})["jobId"]
    page = visit("/floor/jobs")
    search = page.get_by_label("Name, number, phone or job (/)")
    for typed in ("lukasz zoe", "515 555 0142", "987654"):
        look_for(page, search, typed)
        expect(page.get_by_text("1 job", exact=True)).to_be_visible()
        table = page.get_by_label("Jobs, newest first")
        expect(table.get_by_role("row")).to_have_count(2)
        expect(table.get_by_role("link", name=job)).to_be_visible()
        expect(table.get_by_role("cell", name=payload["name"])).to_be_visible()
    look_for(page, search, "zo")
    expect(page.get_by_text("needs a word of at least 3 characters")).to_be_visible()
    floor.cancel_all()


def look_for(page: Page, search: Locator, typed: str) -> None:
    """Type something into the search box; the page that answers has come when this returns."""
    search.fill(typed)
    with page.expect_navigation():
        search.press("Enter")
