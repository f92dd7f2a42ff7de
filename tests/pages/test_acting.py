"""Acting while everything moves: slow typing is not interrupted, and what people do takes effect."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from hms_floor.auth.tokens import Role
from tests.conftest import wait_until
from tests.pages.conftest import PATIENCE, Floor
from tests.pages.seeing import faults

Visit = Callable[..., Page]
REASON = "county fair, second try"


@pytest.fixture(scope="module")
def burning(floor: Floor) -> Any:
    """A queue whose jobs go late one after the other, and the reference of the incident about it."""
    floor.ask("POST", "/queues/farm-grant/resume", {})
    floor.ask("POST", "/queues/farm-grant/limit", {"startsPerMinute": 30})
    floor.cycle(400, 0.05)

    def late() -> Any:
        incidents = floor.ask("GET", "/incidents?state=open")["incidents"]
        return next((incident for incident in incidents if incident["lateJobs"]), None)

    yield wait_until(late, "an incident about late jobs", 60)
    floor.ask("POST", "/queues/farm-grant/limit", {"startsPerMinute": None})
    floor.cancel_all()
    for silence in floor.ask("GET", "/silences")["silences"]:
        floor.ask("POST", f"/silences/{silence['id']}/end", {})
    for item in floor.ask("GET", "/incidents?state=open&state=acknowledged")["incidents"]:
        floor.ask("POST", f"/incidents/{item['id']}/resolve", {})


def dialog_of(page: Page, button: Locator, name: str) -> Locator:
    """Open a dialog by keyboard, and see that it has a name and the focus."""
    dialog = page.get_by_role("dialog", name=name)
    pressed: list[float] = []

    def is_open() -> bool:
        # A page that could not connect in time reads itself again, and what was pressed before is gone.
        # To press again while the dialog is on its way would take the focus from it.
        loaded = page.evaluate("performance.timeOrigin")
        if loaded not in pressed and not dialog.is_visible():
            button.press("Enter")
            pressed.append(loaded)
        return dialog.is_visible()

    wait_until(is_open, f"the dialog {name}", PATIENCE / 1000)
    expect(dialog.locator("input").first).to_be_focused()
    return dialog


def told(floor: Floor) -> int:
    """How many actions the audit log has with the reason that is typed here."""
    return [entry["reason"] for entry in floor.ask("GET", "/audit?limit=100")["entries"]].count(REASON)


def type_slowly(page: Page, words: str) -> None:
    """Type so slowly that the numbers of the page are read again meanwhile."""
    age = page.get_by_label("Age of the numbers")
    before = age.inner_text()
    page.keyboard.type(words[: len(words) // 2])
    expect(age).not_to_have_text(before)
    page.keyboard.type(words[len(words) // 2 :])


@pytest.mark.drill
def test_an_incident_is_acknowledged_on_its_page_while_jobs_go_late(
    visit: Visit, floor: Floor, burning: Any
) -> None:
    """The reason is typed slowly, the numbers change meanwhile, and Enter acknowledges."""
    page = visit(f"/floor/incidents/{burning['id']}")
    sentence = page.locator(".title").first.inner_text()
    dialog = dialog_of(page, page.get_by_role("button", name="Acknowledge"), "Acknowledge #")
    type_slowly(page, REASON)
    expect(dialog.get_by_label("What is being done?")).to_have_value(REASON)
    expect(page.locator(".title").first).not_to_have_text(sentence)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    incident = floor.ask("GET", f"/incidents/{burning['id']}")
    assert incident["state"] == "acknowledged"
    assert REASON in [(line["detail"] or {}).get("reason") for line in incident["timeline"]]
    expect(page.get_by_label("History").get_by_text(REASON)).to_be_visible()
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)


def tab_to(page: Page, name: str) -> None:
    """Go to a control by Tab alone."""
    for _ in range(80):
        label = "(node => node.ariaLabel ?? node.labels?.[0]?.textContent ?? '')(document.activeElement)"
        if str(page.evaluate(label)).strip() == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {name}")


def test_keys_alone_lead_from_sign_in_to_acknowledging(visit: Visit, floor: Floor, burning: Any) -> None:
    """A badge is typed, Tab leads to the button of the incident, and Enter acknowledges it."""
    page = visit("/enter", Role.ONCALL)
    page.context.clear_cookies()
    page.goto(f"{floor.url}/enter")
    tab_to(page, "Badge")
    page.keyboard.insert_text(floor.badge(Role.ONCALL)[0])
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Sign in")).to_be_focused()
    page.keyboard.press("Enter")
    name = f"Acknowledge #{burning['reference']}"
    button = page.get_by_role("button", name=name)
    expect(button).to_be_visible()
    tab_to(page, name)
    assert "5px" in button.evaluate("node => getComputedStyle(node).boxShadow")
    page.keyboard.press("Enter")
    expect(page.locator(".incident").get_by_text("Acknowledged by lee.")).to_be_visible()
    assert floor.ask("GET", f"/incidents/{burning['id']}")["state"] == "acknowledged"


def test_a_reason_is_typed_on_every_page_that_has_an_action(visit: Visit, floor: Floor, burning: Any) -> None:
    """On each the dialog outlives the changes below it, and the ledger has the action with its reason."""
    before = told(floor)
    [job, other] = floor.ask("GET", "/jobs?status=waiting&limit=2")["jobs"]
    page = visit(f"/floor/jobs/{job['id']}")
    dialog_of(page, page.get_by_role("button", name="Priority"), f"Priority {job['id']}")
    page.keyboard.type("7")
    page.keyboard.press("Tab")
    type_slowly(page, REASON)
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 of 1 changed")).to_be_visible()
    assert floor.ask("GET", f"/jobs/{job['id']}")["priority"] == 7

    page.goto(f"{floor.url}/floor/jobs?status=waiting")
    page.get_by_label(f"Choose {other['id']}").click()
    expect(page.get_by_text("1 chosen")).to_be_visible()
    dialog_of(page, page.get_by_role("button", name="Cancel").last, "Cancel the chosen jobs")
    page.keyboard.type(REASON)
    page.keyboard.press("Enter")
    wait_until(lambda: floor.ask("GET", f"/jobs/{other['id']}")["status"] == "cancelled", "it is cancelled")

    page.goto(f"{floor.url}/floor/queues/farm-grant")
    dialog_of(page, page.get_by_role("button", name="Limits"), "Limits of farm-grant")
    page.get_by_label("Why?").focus()
    type_slowly(page, REASON)
    page.keyboard.press("Enter")
    expect(page.get_by_text("The limits of farm-grant are set.")).to_be_visible()

    page.goto(f"{floor.url}/floor/incidents")
    dialog_of(page, page.get_by_role("button", name="Silence"), "Silence")
    page.get_by_label("Why?").focus()
    type_slowly(page, REASON)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Silences that hold").get_by_text(REASON)).to_be_visible()

    page.goto(f"{floor.url}/floor/oncall")
    dialog_of(page, page.get_by_role("button", name="Test page"), "Test page")
    page.keyboard.type("+12025550143")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The text is on its way.")).to_be_visible()

    assert told(floor) - before == 4


def test_a_dialog_says_what_is_wrong_and_gives_the_focus_back(visit: Visit) -> None:
    """What is refused stands in the dialog beside what was typed; Escape closes, the button has the focus."""
    page = visit("/floor/queues/farm-grant")
    button = page.get_by_role("button", name="Limits")
    dialog = dialog_of(page, button, "Limits of farm-grant")
    dialog.get_by_label("Starts a minute").fill("many")
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("'many' is not a whole number")).to_be_visible()
    expect(dialog.get_by_label("Starts a minute")).to_have_value("many")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()


def test_what_is_half_typed_on_a_page_stays(visit: Visit, floor: Floor, burning: Any) -> None:
    """A filter, a choice and a link that has the focus outlive every change of the numbers."""
    page = visit("/floor/jobs?status=waiting")
    page.get_by_label("Name, number, phone or job (/)").focus()
    type_slowly(page, "job-9999")
    expect(page.get_by_label("Name, number, phone or job (/)")).to_have_value("job-9999")
    page.goto(f"{floor.url}/floor/incidents")
    table = page.get_by_label("Incidents, newest first")
    words = table.inner_text()
    table.get_by_role("link").first.focus()
    expect(table).not_to_have_text(words, use_inner_text=True)
    assert page.evaluate("document.activeElement.closest('table') !== null")


def test_an_incident_tells_why_and_is_mended_on_its_page(visit: Visit, floor: Floor, burning: Any) -> None:
    """Who set the limit, all late jobs, a comment, and the remedy: by keyboard, and in the ledger."""
    floor.ask("POST", "/queues/farm-grant/limit", {"startsPerMinute": 30})
    page = visit(f"/floor/incidents/{burning['id']}")
    expect(page.locator(".because")).to_contain_text(
        re.compile("[Nn]o more than 30 jobs a minute may start \\(set by")
    )
    assert faults(page) == []
    listed = floor.ask("GET", f"/incidents/{burning['id']}/jobs?limit=1")["jobs"][0]
    expect(page.get_by_label("Late jobs").get_by_text(listed["job"], exact=True)).to_be_visible()

    dialog_of(page, page.get_by_role("button", name="Comment"), "Comment")
    type_slowly(page, REASON)
    page.keyboard.press("Enter")
    expect(page.get_by_label("History").get_by_text("comment").first).to_be_visible()

    # All are late: there is no limit that holds a deadline, and no number to set.
    expect(page.locator(".because")).to_contain_text("lift the limit and leave the pace to the workers")
    dialog = dialog_of(page, page.get_by_role("button", name="Lift the limit"), "Lift the limit")
    expect(dialog.locator("input")).to_have_count(1)
    type_slowly(page, REASON)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    limit = floor.ask("POST", "/queues/farm-grant/limit", {})["startsPerMinute"]
    assert limit is None
    expect(page.get_by_label("Actions").get_by_text(REASON).first).to_be_visible()


def test_what_was_done_is_undone_from_the_toast(visit: Visit, floor: Floor) -> None:
    """A cancelled job comes back by the button that counts the seconds down, and then there is none."""
    floor.ask("POST", "/queues/farm-grant/pause", {})
    try:
        floor.cycle(1, 60)
        [job] = floor.ask("GET", "/jobs?status=waiting&limit=1")["jobs"]
        page = visit(f"/floor/jobs/{job['id']}")
        # Its end is foreseen once the page is there, for all who look.
        expect(page.locator("dd", has_text=", as of ")).to_be_visible()
        page.get_by_role("button", name="Cancel", exact=True).click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("button")).to_have_text(["Cancel jobs", "Keep them"])
        expect(dialog.locator(".said + .row")).to_be_visible()
        dialog.get_by_role("button", name="Cancel jobs").click()
        toast = page.locator(".undo")
        expect(toast.get_by_text("Cancel: 1 of 1 changed.")).to_be_visible()
        expect(toast.get_by_text("Undo (2")).to_be_visible()
        assert faults(page) == []
        assert floor.ask("GET", f"/jobs/{job['id']}")["status"] == "cancelled"
        toast.get_by_role("button", name="Undo").click()
        expect(page.get_by_text(f"Undone: the cancellation of {job['id']}.")).to_be_visible()
        expect(toast).to_have_count(0)
        assert floor.ask("GET", f"/jobs/{job['id']}")["status"] == "waiting"
    finally:
        floor.cancel_all()
        floor.ask("POST", "/queues/farm-grant/resume", {})


def test_the_number_of_very_many_jobs_is_typed(visit: Visit, floor: Floor) -> None:
    """Above a hundred the dialog wants the reason and the number, and says which."""
    floor.ask("POST", "/queues/farm-grant/pause", {})
    cycle = floor.cycle(101, 60)
    page = visit(f"/floor/jobs?batch={cycle}&status=waiting")
    page.get_by_role("button", name="Cancel", exact=True).first.click()
    dialog = page.get_by_role("dialog", name="Cancel matching jobs")
    expect(dialog.get_by_text("101 jobs will change.")).to_be_visible()
    go = dialog.get_by_role("button", name="Cancel jobs")
    go.click()
    expect(dialog.get_by_text("Say why: 101 jobs will change.")).to_be_visible()
    dialog.get_by_label("Why?").fill("the county has withdrawn")
    dialog.get_by_label("Type 101 to confirm").fill("100")
    go.click()
    expect(dialog.get_by_text("Type 101 to confirm: that many")).to_be_visible()
    dialog.get_by_label("Type 101 to confirm").fill("101")
    go.click()
    expect(page.get_by_text("Cancel: 101 of 101 changed.")).to_be_visible()
    report = floor.ask("GET", f"/cycles/{cycle}")
    assert report["progress"]["cancelled"] == 101
    floor.ask("POST", "/queues/farm-grant/resume", {})
