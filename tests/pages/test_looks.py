"""How the pages look and feel: names and contrast, both themes, a phone, the keys, and a lost connection."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress

import psutil
from playwright.sync_api import Page, TimeoutError, expect

from hms_floor.pages import all_pages  # noqa: F401 -- a page is registered when its module is imported
from hms_floor.pages.route import READ_BY
from tests.conftest import wait_until
from tests.pages.conftest import Floor
from tests.pages.seeing import faults

Visit = Callable[..., Page]
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def test_every_page_can_be_read_in_both_themes_and_on_a_phone(visit: Visit, floor: Floor) -> None:
    """Nothing violates WCAG 2.2 AA, each text has a contrast of 4.5, and no page is wider than a phone."""
    batch = floor.cycle(12, 10)
    wait_until(lambda: floor.ask("GET", f"/cycles/{batch}")["progress"]["done"] == 12, "the cycle to end")
    job = floor.ask("GET", f"/jobs?batch={batch}&limit=1")["jobs"][0]["id"]
    paths = [path for path in READ_BY if "{" not in path]
    paths += [f"/jobs/{job}", "/queues/farm-grant", f"/cycles/{batch}"]
    page = visit("/floor/")
    expect(page.get_by_label("Queue farm-grant")).to_be_visible()
    lines: list[str] = []
    page.on("console", lambda message: lines.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: lines.append(str(error)))
    bad: dict[str, list[str]] = {}
    for path in paths:
        page.goto(f"{floor.url}/floor{path}")
        expect(page.locator("h1")).to_be_visible()
        for width in (WIDE, PHONE):
            page.set_viewport_size(width)
            # Charts follow the window within a moment.
            with suppress(TimeoutError):
                page.wait_for_function("document.documentElement.scrollWidth <= innerWidth", timeout=10_000)
            wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            bad[f"{path} {width}"] = [f"{wider} px wider than the window"] if wider > 0 else []
            for theme in ("light", "dark"):
                page.evaluate("dark => Quasar.Dark.set(dark)", theme == "dark")
                bad[f"{path} {width} {theme}"] = faults(page)
    assert {name: fault for name, fault in bad.items() if fault} == {}
    assert lines == []


TOASTS = """dark => {
  Quasar.Dark.set(dark);
  for (const type of ["positive", "negative", "warning", "info", "ongoing", undefined]) {
    const message = `${type} and more words`;
    Quasar.Notify.create({ message, type, caption: "more", closeBtn: "Close", timeout: 0, position: "top" });
  }
}"""


#: Nothing comes or goes any more: what is half shown has half a contrast.
AT_REST = """() => document.getAnimations().every(
    each => each.playState !== "running" || each.effect.getComputedTiming().iterations === Infinity
)"""


def test_toasts_and_dialogs_can_be_read_in_both_themes(visit: Visit, floor: Floor) -> None:
    """Every kind of toast with its button, and the dialogs: WCAG 2.2 AA, and a contrast of 4.5."""
    page = visit("/floor/queues/farm-grant")
    bad: dict[str, list[str]] = {}
    for theme in ("light", "dark"):
        page.evaluate(TOASTS, theme == "dark")
        expect(page.locator(".q-notification").get_by_text("Close")).to_have_count(6)
        page.wait_for_function(AT_REST)
        bad[f"toasts {theme}"] = faults(page)
        page.reload()
        page.evaluate("dark => Quasar.Dark.set(dark)", theme == "dark")
        for name in ("Pause", "Limits", "SLA", "Keys"):
            page.get_by_role("button", name=name).first.click()
            dialog = page.get_by_role("dialog")
            expect(dialog).to_be_visible()
            page.wait_for_function(AT_REST)
            bad[f"{name} {theme}"] = faults(page)
            if name == "Limits":
                dialog.get_by_label("Starts a minute").fill("many")
                dialog.get_by_role("button", name="Set").click()
                expect(dialog.locator(".fault")).to_be_visible()
                bad[f"refused {theme}"] = faults(page)
            page.keyboard.press("Escape")
            expect(dialog).to_have_count(0)
    assert {name: fault for name, fault in bad.items() if fault} == {}


def test_keys_lead_to_pages_and_fields(visit: Visit, floor: Floor) -> None:
    """`/` searches, `g` and a letter goes to a page, `?` lists the keys, and none of them acts in a field."""
    page = visit("/floor/jobs")
    page.keyboard.press("/")
    field = page.get_by_label("Name, number, phone or job (/)")
    expect(field).to_be_focused()
    page.keyboard.type("g?")
    expect(field).to_have_value("g?")
    field.blur()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog").get_by_text("dark, light, or as the system has it")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("w")
    expect(page).to_have_url(f"{floor.url}/floor/workers")


def test_the_theme_that_is_chosen_stays(visit: Visit) -> None:
    """`t` turns dark, light, and back to what the system says; the next page has it, too."""
    page = visit("/floor/", color_scheme="light")
    expect(page.locator("body")).to_have_class(re.compile("body--light"))
    page.keyboard.press("t")
    expect(page.locator("body")).to_have_class(re.compile("body--dark"))
    page.get_by_role("link", name="Workers").first.click()
    expect(page.locator("body")).to_have_class(re.compile("body--dark"))
    page.keyboard.press("t")
    expect(page.locator("body")).to_have_class(re.compile("body--light"))


def test_a_lost_connection_is_told_and_the_page_comes_back(visit: Visit, floor: Floor) -> None:
    """While the API is down a banner says that nothing is up to date; then the page goes on by itself."""
    page = visit("/floor/")
    expect(page.get_by_label("Queue farm-grant")).to_be_visible()
    gone = page.get_by_role("alert").filter(has_text="The connection is gone")
    expect(gone).to_have_count(0)
    children = psutil.Process(floor.process.pid).children()
    [api_server] = [child for child in children if "floor" in child.cmdline()]
    os.kill(api_server.pid, signal.SIGKILL)
    expect(gone).to_be_visible()
    expect(gone).to_have_count(0)
    expect(page.get_by_label("Queue farm-grant")).to_be_visible()


def test_the_week_prints_on_white_without_what_is_pressed(visit: Visit) -> None:
    """Dark on the screen, black on white on paper: tables in place of charts, no bar, no button."""
    page = visit("/floor/sla", color_scheme="dark")
    expect(page.locator("h1")).to_be_visible()
    page.wait_for_function("document.querySelectorAll('.as-table').length === 3 && 'getElement' in window")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for pressed in (page.locator(".bar"), page.get_by_role("button"), page.locator("canvas")):
        assert [part for part in pressed.all() if part.is_visible()] == []
    days = page.locator(".as-table table").first
    expect(days.get_by_role("columnheader")).to_have_text(["", "on time", "missed"])
    expect(days.locator("tbody tr")).to_have_count(14)
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    expect(page.locator("h1")).to_have_css("color", "rgb(0, 0, 0)")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator(".as-table[open]")).to_have_count(0)
    page.emulate_media()
    sheet = page.pdf(format="A4", print_background=True)
    assert sheet.startswith(b"%PDF")
    # Nothing is cut off at the side: what is wider than the paper would be made smaller, or lost.
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 703, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.emulate_media()


def test_a_chart_has_its_numbers_as_a_table(visit: Visit) -> None:
    """It is opened by a key, and has a row for each moment that is drawn."""
    page = visit("/floor/")
    card = page.get_by_label("Queue farm-grant")
    expect(card.locator("canvas").first).to_be_visible()
    card.locator("summary").first.press("Enter")
    table = card.get_by_role("table", name="farm-grant: open jobs")
    expect(table.get_by_role("columnheader").nth(1)).to_have_text("open jobs")
    moment = table.locator("tbody tr").first.get_by_role("rowheader")
    expect(moment).to_have_text(re.compile(r"^\d\d-\d\d \d\d:\d\d:\d\d C[SD]T$"))
