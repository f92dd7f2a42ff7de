"""A rehearsal: a throttled morning from the first amber to the mended incident, by keyboard alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Locator, Page, expect

from hms_floor.auth.tokens import Role
from hms_oms.database import connections
from tests.conftest import wait_until
from tests.pages import conftest as pages
from tests.pages.conftest import CALM, Floor
from tests.pages.sentences import MEASURED, Ledger, Span, faults

#: The longest that a page is waited for, in milliseconds.
PATIENCE = 60_000
#: The longest that a key takes to do something, in milliseconds.
SOON = 20_000
QUEUE = "farm-grant"
ZONE = ZoneInfo("America/Chicago")
LIMIT = 12
#: A phone that no other test has had called.
PHONE = "+13125550142"
ON_CALL = {
    "timezone": "America/Chicago",
    "recipients": {"ada": PHONE},
    "shifts": [],
    "steps": [{"after_minutes": 0, "notify": ["ada"]}],
}
#: Rules that are quick: a morning in half a minute. What ended before is not what begins now.
QUICK = {
    ("forecast", "for_seconds"): 1,
    ("forecast", "clear_seconds"): 2,
    ("late", "clear_seconds"): 2,
    ("slow", "clear_seconds"): 2,
    **{(rule, "reopen_seconds"): 0 for rule in ("late", "forecast", "slow")},
}
#: What is read on the floor, and on an incident's page.
FLOOR = {
    "the headline": "[aria-label='Verdict'] h1",
    "the card": f"[aria-label='Queue {QUEUE}'] .told",
    "the floor's incident": "[aria-label='Incidents'] .incident",
}
#: To a number while some deadline can be met, and lifted once all jobs are late.
HIGHER = re.compile("^(Raise the limit to|Lift the limit)")
INCIDENT = {"the incident": "section .title", "why": ".because"}


@pytest.fixture(autouse=True)
def _patient() -> Iterator[None]:
    """A machine that has much to do draws slowly."""
    expect.set_options(timeout=PATIENCE)
    yield
    expect.set_options(timeout=pages.PATIENCE)


@pytest.fixture
def page(browser: Browser, floor: Floor) -> Iterator[Page]:
    """A page of the person who started the floor, signed in."""
    context = browser.new_context(**CALM)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(floor.link())
    yield page
    context.close()


@pytest.fixture
def ledger(floor: Floor) -> Ledger:
    """The ledger of the floor, for the checker."""
    url = json.loads((floor.home / "servers.json").read_text())["database_url"]
    return Ledger(connections.engine(url), QUEUE, ZONE)


@pytest.fixture
def morning(floor: Floor, ledger: Ledger) -> Iterator[datetime]:
    """An empty queue whose throughput is known, quick rules, and somebody on call; when the morning began."""
    floor.ask("POST", f"/queues/{QUEUE}/resume", {})
    floor.ask("POST", f"/queues/{QUEUE}/limit", {"startsPerMinute": None, "window": None})
    # What the sentences are compared with counts who is late if all go by deadline.
    floor.ask("POST", f"/queues/{QUEUE}/policy", {"policy": "deadline"})
    before = floor.ask("GET", "/oncall")["document"]
    floor.ask("PUT", "/oncall", {"document": ON_CALL})
    for (rule, parameter), value in QUICK.items():
        floor.ask("PUT", f"/thresholds/{rule}/{parameter}", {"value": value, "queue": QUEUE})
    floor.cycle(30, 60)
    wait_until(lambda: not floor.ask("GET", "/jobs?status=open&limit=1")["jobs"], "an empty queue", 60)
    wait_until(lambda: not open_incidents(floor), "nothing to be wrong", 90)
    ledger.since = ledger.now()
    yield ledger.since
    floor.ask("POST", f"/queues/{QUEUE}/limit", {"startsPerMinute": None})
    wait_until(lambda: not floor.ask("GET", "/jobs?status=open&limit=1")["jobs"], "an empty queue", 60)
    for rule, parameter in QUICK:
        floor.ask("PUT", f"/thresholds/{rule}/{parameter}", {"value": None, "queue": QUEUE})
    floor.ask("POST", f"/queues/{QUEUE}/policy", {"policy": "most-on-time"})
    floor.ask("PUT", "/oncall", {"document": before})


def open_incidents(floor: Floor) -> list[Any]:
    """All that is wrong now."""
    answer: list[Any] = floor.ask("GET", "/incidents?state=open&state=acknowledged")["incidents"]
    return answer


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until something has the focus."""
    expect(target).to_be_visible()
    for _ in range(80):
        if target.evaluate("each => each === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not lead to {target}")


def press(page: Page, keys: str, target: Locator | None, then: Callable[[], None]) -> None:
    """Press keys, on a target or anywhere; again if the page was loaded again just then."""
    while True:
        loaded = page.evaluate("performance.timeOrigin")
        if target is not None:
            tab_to(page, target)
        for key in keys.split():
            page.keyboard.press(key)
        try:
            then()
        except AssertionError:
            if loaded == page.evaluate("performance.timeOrigin"):
                raise
        else:
            return


def ask(page: Page, button: str | re.Pattern[str], dialog: str | re.Pattern[str]) -> None:
    """Go to a button by keyboard and press it: a dialog opens."""
    opened = page.get_by_role("dialog", name=dialog)
    press(
        page,
        "Enter",
        page.get_by_role("button", name=button),
        lambda: expect(opened).to_be_visible(timeout=SOON),
    )


def go(page: Page, key: str, heading: str) -> None:
    """Go to another page by its key."""
    there = page.get_by_role("link", name=heading, exact=True)
    press(
        page, f"g {key}", None, lambda: expect(there).to_have_attribute("aria-current", "page", timeout=SOON)
    )


def give_reason(page: Page, reason: str) -> None:
    """Type why into the dialog that is open, and do it."""
    expect(page.get_by_role("dialog").locator("input").first).to_be_focused()
    page.keyboard.type(reason, delay=20)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)


def read(page: Page, places: dict[str, str]) -> tuple[datetime, dict[str, str]]:
    """What stands in these places, and of when the page says that it is."""
    result = page.evaluate(
        """places => Object.entries({as_of: ".as-of", ...places}).map(([name, selector]) =>
            [name, [...document.querySelectorAll(selector)].filter(each => each.checkVisibility())
                .map(each => each.textContent).join(" ")])""",
        places,
    )
    words = dict(result)
    as_of = re.search(r"\d\d:\d\d:\d\d", words.pop("as_of"))
    assert as_of, "the page says of when its numbers are"
    now = datetime.now(ZONE)
    at = datetime.combine(now.date(), datetime.strptime(as_of[0], "%H:%M:%S").time(), ZONE)
    return at if at <= now else at - timedelta(days=1), words


def check(page: Page, ledger: Ledger, places: dict[str, str]) -> dict[str, str]:
    """Read the sentences of a page between two readings of the ledger: each must be true."""
    at, words = read(page, places)
    span = Span(ledger, ledger.between(at - MEASURED, ledger.now()))
    untrue = [fault for place, sentence in words.items() for fault in faults(place, sentence, span)]
    assert not untrue, "\n".join(untrue)
    return words


def check_incident(page: Page, ledger: Ledger) -> dict[str, str]:
    """Read an incident's page: its sentence, why, the remedy's button and the number of late jobs."""
    late = ".facts div:has(> dt:text-is('Late jobs')) dd"
    words = check(page, ledger, INCIDENT)
    button = page.get_by_role("button", name=HIGHER)
    if words["why"] and button.count() and "Lift" not in button.inner_text():
        numbers = [
            re.search(r"aise the limit to ([\d,]+)", item) for item in (words["why"], button.inner_text())
        ]
        assert all(numbers), words
    if page.locator(late).count():
        at, _ = read(page, {})
        span = Span(ledger, ledger.between(at - MEASURED, ledger.now()))
        said = page.locator(late).inner_text()
        assert (result := faults("the number of late jobs", f"{said} jobs were late", span)) == [], result
    return words


def texts_of(ledger: Ledger, incident: int) -> list[Any]:
    """The texts about an incident, and when each was written."""
    with ledger.engine.connect() as connection:
        query = "select kind, body, state, created_at from oms.messages where incident_id = :id order by id"
        return list(connection.execute(sa.text(query), {"id": incident}))


def check_text(ledger: Ledger, text: Any) -> None:
    """Compare a text with the ledger of when it was written."""
    span = Span(ledger, ledger.between(text.created_at - MEASURED, text.created_at + timedelta(seconds=1)))
    assert (result := faults("a text", text.body, span)) == [], result


def test_a_throttled_morning_is_mended_by_keyboard(
    page: Page, floor: Floor, ledger: Ledger, morning: datetime
) -> None:
    """Amber, late, acknowledged, mended, over: one incident, two texts, and every sentence is true."""
    lee = {"Authorization": f"Bearer {floor.badge(Role.MANAGER)[0]}"}
    limit = {"startsPerMinute": LIMIT, "reason": "the county asked for it"}
    httpx.post(f"{floor.url}/queues/{QUEUE}/limit", json=limit, headers=lee, verify=False).raise_for_status()
    headline = page.locator(FLOOR["the headline"])
    expect(headline).to_contain_text("on track")
    floor.cycle(24, 20 / 60)
    floor.cycle(8, 34 / 60)

    expect(headline).to_contain_text("will be late")
    expect(headline).to_contain_text(f"no more than {LIMIT} jobs a minute may start (set by lee at")
    expect(headline).to_contain_text("raise the limit to")
    expect(page.locator(".incident")).to_contain_text("will be late")
    check(page, ledger, FLOOR)
    [incident] = open_incidents(floor)

    go(page, "i", "Incidents")
    link = page.get_by_label("Incidents, newest first").get_by_role("link", name=f"#{incident['reference']}")
    sentence = page.locator(INCIDENT["the incident"]).first
    press(page, "Enter", link, lambda: expect(sentence).to_contain_text("late", timeout=SOON))
    check_incident(page, ledger)
    expect(sentence).to_contain_text("late since")
    check_incident(page, ledger)

    ask(page, "Acknowledge", "Acknowledge #")
    give_reason(page, "asking the county")
    expect(page.get_by_label("History").get_by_text("asking the county")).to_be_visible()
    check_incident(page, ledger)

    check_text(ledger, texts_of(ledger, incident["id"])[0])
    ask(page, HIGHER, HIGHER)
    give_reason(page, "the county agrees")
    expect(page.get_by_label("Actions").get_by_text("the county agrees").first).to_be_visible()
    wait_until(lambda: not floor.ask("GET", "/jobs?status=open&limit=1")["jobs"], "all jobs to be done", 60)
    expect(page.get_by_label("History").get_by_text("resolved")).to_be_visible(timeout=30_000)
    check_incident(page, ledger)

    [over] = [item for item in floor.ask("GET", "/incidents")["incidents"] if opened_since(item, morning)]
    history = floor.ask("GET", f"/incidents/{over['id']}")["timeline"]
    assert over["id"] == incident["id"]
    first, *between, last = stages(history)
    # It shows the worst stage that holds: late, unless all late jobs are done before the next are late.
    assert (first, between[:2], last) == ("will be late", ["late", "acknowledged"], "resolved")
    check_stages(ledger, history)
    texts = wait_until(lambda: told(ledger, incident["id"]), "the text that it is over")
    assert [text.kind for text in texts] == ["page", "resolved"]
    check_text(ledger, texts[-1])

    go(page, "f", "Floor")
    expect(headline).to_contain_text("on track")
    check(page, ledger, FLOOR)


def told(ledger: Ledger, incident: int) -> list[Any]:
    """The texts about an incident once its end was told; those that were withdrawn are none."""
    texts = [text for text in texts_of(ledger, incident) if text.state != "cancelled"]
    return texts if any(text.kind == "resolved" for text in texts) else []


def check_stages(ledger: Ledger, history: list[Any]) -> None:
    """Each stage is what the ledger knows of that moment; so none begins once all jobs are done."""
    for line in history:
        stage = (line["detail"] or {}).get("to" if line["kind"] == "stage changed" else "stage")
        if stage is not None:
            at = datetime.fromisoformat(line["at"])
            moments = ledger.between(at - MEASURED, at)
            late = any(moment.late for moment in moments)
            will_be = any(moment.open and not moment.late for moment in moments)
            assert {"late": late, "will be late": will_be}[stage], (stage, at, history)


def stages(history: list[Any]) -> list[str]:
    """Through which stages an incident went, in its order."""
    rows = []
    for line in history:
        detail = line["detail"] or {}
        if line["kind"] in ("opened", "reopened", "called again"):
            rows.append(detail["stage"])
        elif line["kind"] == "stage changed":
            rows.append(detail["to"])
        elif line["kind"] in ("acknowledged", "resolved"):
            rows.append(line["kind"])
    return [stage for place, stage in enumerate(rows) if place == 0 or rows[place - 1] != stage]


def opened_since(incident: Any, since: datetime) -> bool:
    """Whether an incident has opened since then; what was pending and cleared was none."""
    opened: str | None = incident["openedAt"]
    return opened is not None and datetime.fromisoformat(opened) >= since
