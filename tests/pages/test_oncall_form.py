"""On call as a form: what is wrong stands next to its field, and tonight's name is shown at once."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from hms_ops.oncall import oncall
from tests.pages.conftest import CALM
from tests.pages.seeing import faults
from tests.support.api import RunningApi, standing

ROTA = {
    "timezone": "UTC",
    "recipients": {"ada": "+1 202 555 0143", "grace": "+1 202 555 0144"},
    "shifts": [
        {"name": "always", "days": list(oncall.DAYS), "from": "00:00", "until": "00:00", "recipient": "ada"}
    ],
    "steps": [{"after_minutes": 0, "notify": ["shift:always"]}],
}


@pytest.fixture(scope="module")
def api(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """An API with pages."""
    home = tmp_path_factory.mktemp("api") / "home"
    with standing(module_database, "redis://127.0.0.1:1/0", home, HMS_TIMEZONE="UTC") as opened:
        yield opened


@pytest.fixture
def page(api: RunningApi, browser: Browser) -> Iterator[Page]:
    """The form with the document in it, as a manager has it."""
    put(api)
    with browser.new_context(**CALM) as context:
        context.add_cookies([{"name": "hms_badge", "value": api.badge("manager"), "url": api.url}])
        page = context.new_page()
        page.goto(f"{api.url}/floor/oncall")
        expect(page.get_by_text("Tonight ada is called.")).to_be_visible()
        page.get_by_role("link", name="Change").click()
        expect(page.get_by_role("heading", name="Change who is on call")).to_be_visible()
        yield page


def ask(api: RunningApi, method: str, **options: object) -> httpx.Response:
    """Ask for the document, or put another one in force."""
    headers = {"Authorization": f"Bearer {api.badge('manager', actor='bob')}"}
    return httpx.request(
        method,
        f"{api.url}/oncall",
        headers=headers,
        trust_env=False,
        verify=False,
        **options,  # type: ignore[arg-type]
    )


def put(api: RunningApi) -> None:
    """Put the document in force."""
    assert ask(api, "PUT", json={"document": ROTA}).status_code == 200


def added(page: Page, what: str) -> Locator:
    """A new row, once it is there."""
    rows = page.get_by_role("group", name=what)
    count = rows.count()
    page.get_by_role("button", name=f"Add a {what.lower()}").click()
    expect(rows).to_have_count(count + 1)
    return rows.last


def test_a_shift_is_added_and_put_in_force(api: RunningApi, page: Page) -> None:
    """A recipient by a channel, a shift of hers by hours, and tonight's name at once; saved with a reason."""
    assert faults(page) == []
    new = added(page, "Recipient")
    new.get_by_label("Name", exact=True).fill("team")
    new.get_by_label("Reached by").click()
    page.get_by_role("option", name="Channel").click()
    new.get_by_label("Number or name").fill("Ops Slack")
    expect(new.get_by_text("'Ops Slack' is no name of a channel")).to_be_visible()
    expect(page.get_by_role("button", name="Put in force")).to_be_disabled()
    new.get_by_label("Number or name").fill("ops-slack")
    expect(new.get_by_text("is no name of a channel")).to_have_count(0)
    shift = added(page, "Shift")
    expect(shift.get_by_text("this is needed").first).to_be_visible()
    shift.get_by_label("Shift", exact=True).fill("always")
    shift.get_by_label("Who").click()
    page.get_by_role("option", name="team").click()
    shift.get_by_label("From").fill("22:00")
    shift.get_by_label("Until").fill("02:00")
    tonight = "Tonight: ada until 22:00, ada and team until 02:00, then ada."
    expect(page.get_by_text(tonight)).to_be_visible()
    boxes = [shift.get_by_role("checkbox", name=day.capitalize()) for day in oncall.DAYS]
    for box in boxes:
        box.click()
        expect(box).not_to_be_checked()
    expect(shift.get_by_text("Choose a day.")).to_be_visible()
    for box in boxes:
        box.click()
        expect(box).to_be_checked()
    page.get_by_label("Why is it changed?").fill("Ada sleeps")
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_role("heading", name="On call now")).to_be_visible()
    expect(page.get_by_text(tonight)).to_be_visible()
    answer = ask(api, "GET").json()
    assert answer["document"]["recipients"]["team"] == {"channel": "ops-slack"}
    assert (answer["document"]["shifts"][1]["from"], answer["reason"]) == ("22:00", "Ada sleeps")


def test_what_is_wrong_stands_next_to_its_field(page: Page) -> None:
    """A phone, a name that is used twice, a step before another one, and a recipient who is gone."""
    rows = page.get_by_role("group", name="Recipient")
    rows.first.get_by_label("Number or name").fill("call Ada")
    expect(rows.first.get_by_text("is not a phone number with its country")).to_be_visible()
    rows.first.get_by_label("Number or name").fill("+1 202 555 0143")
    rows.last.get_by_label("Name", exact=True).fill("ada")
    expect(rows.last.get_by_text("a name is used twice")).to_be_visible()
    rows.last.get_by_label("Name", exact=True).fill("grace")
    # Who may be chosen below follows the names.
    expect(rows.last.get_by_text("a name is used twice")).to_have_count(0)
    step = added(page, "Step")
    step.get_by_label("After minutes").fill("0")
    step.get_by_label("Who is called").click()
    page.get_by_role("option", name="grace").click()
    page.keyboard.press("Escape")
    expect(step.get_by_text("each step comes later than the one before it")).to_be_visible()
    step.get_by_label("After minutes").fill("10")
    expect(page.get_by_text("Tonight ada is called.")).to_be_visible()
    rows.first.get_by_role("button", name="Remove this recipient").click()
    expect(page.get_by_text("there is no 'ada'")).to_be_visible()
    expect(page.get_by_role("button", name="Put in force")).to_be_disabled()


def test_calendars_are_given_an_address(api: RunningApi, page: Page) -> None:
    """A manager makes one, and it is linked; revoked, it is gone."""
    page.goto(f"{api.url}/floor/oncall")
    page.get_by_role("button", name="Make an address").click()
    dialog = page.get_by_role("dialog", name="Make an address")
    dialog.get_by_label("Why?").fill("the team's calendar")
    dialog.get_by_role("button", name="Make it").click()
    link = page.get_by_role("link", name="/oncall.ics?token=")
    address = link.get_attribute("href")
    assert address is not None
    assert address.startswith(f"{api.url}/oncall.ics?token=")
    answer = httpx.get(address, trust_env=False, verify=False)
    assert "ada on call (always)" in answer.text
    assert faults(page) == []
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog", name="Revoke the address").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("No calendar reads the shifts")).to_be_visible()
    assert httpx.get(address, trust_env=False, verify=False).status_code == 404


def test_nobody_overwrites_what_was_put_in_force_meanwhile(api: RunningApi, page: Page) -> None:
    """Who saves later is told that somebody else has changed it."""
    put(api)
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_text("bob has put another document in force meanwhile")).to_be_visible()
