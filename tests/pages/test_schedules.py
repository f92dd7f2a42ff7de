"""The pages of schedules, with the dispatcher that starts them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from playwright.sync_api import Page, expect

from hms_floor.auth.tokens import Role
from tests.pages.conftest import Floor

Visit = Callable[..., Page]


def test_a_schedule_is_seen_run_and_paused(visit: Visit, floor: Floor) -> None:
    """Its next runs and the week, then a run by a press, whose job leads on; a viewer is offered nothing."""
    payload = {"appId": 900001, "phone": "+13125550142", "grounds": "the yearly review"}
    body = {"name": "reminder", "jobType": "farm:appeal:v1", "cron": "0 6 * * *", "payload": payload}
    floor.ask("POST", "/schedules", body)
    page = visit("/floor/schedules")
    row = page.get_by_label("Schedules, by name").get_by_role("row").filter(has_text="reminder")
    expect(row).to_contain_text("At 06:00 every day, America/Chicago")
    page.get_by_role("link", name="Week after").click()
    expect(page.locator(".week .planned").filter(has_text="reminder")).to_have_count(7)
    row.get_by_role("link", name="reminder").click()
    expect(page.get_by_role("heading", name="Schedule reminder")).to_be_visible()
    page.get_by_role("button", name="Run now").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Why?").fill("a first try")
    dialog.get_by_role("button", name="Run now").click()
    run = page.get_by_label("The latest runs, newest first").locator("tbody tr")
    expect(run).to_contain_text("started")
    expect(run.get_by_role("link")).to_contain_text("job-")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    today = datetime.now(ZoneInfo("America/Chicago")).date()
    page.goto(f"{floor.url}/floor/schedules?week={today}")
    expect(page.locator(".week .today .started").filter(has_text="reminder")).to_be_visible()
    viewed = visit("/floor/schedules/reminder", Role.VIEWER)
    expect(viewed.get_by_text("Paused")).to_be_visible()
    expect(viewed.get_by_role("button", name="Run now")).to_have_count(0)
    floor.ask("POST", "/schedules/reminder/remove", {})
