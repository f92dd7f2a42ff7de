"""How the pages look and feel: names and contrast, both themes, a phone, the keys, and a lost connection."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
from playwright.sync_api import Page, TimeoutError, expect

from tests.conftest import wait_until
from tests.pages.conftest import Floor

Visit = Callable[..., Page]
SEEING = (Path(__file__).parent / "seeing.js").read_text()
PHONE = {"width": 390, "height": 844}


def test_every_page_can_be_read_in_both_themes_and_on_a_phone(visit: Visit, floor: Floor) -> None:
    """Each control has a name, each text a contrast of 4.5, and no page is wider than a phone."""
    batch = floor.cycle(12, 10)
    wait_until(lambda: floor.ask("GET", f"/cycles/{batch}")["progress"]["done"] == 12, "the cycle to end")
    job = floor.ask("GET", f"/jobs?batch={batch}&limit=1")["jobs"][0]["id"]
    page = visit("/floor/")
    expect(page.get_by_label("Queue farm-grant")).to_be_visible()
    lines: list[str] = []
    page.on("console", lambda message: lines.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: lines.append(str(error)))
    paths = ["", "jobs", f"jobs/{job}", "queues/farm-grant", "cycles", f"cycles/{batch}", "incidents", "sla"]
    faults: dict[str, list[str]] = {}
    for path in (*paths, "workers", "oncall", "audit"):
        page.goto(f"{floor.url}/floor/{path}")
        expect(page.locator("h1")).to_be_visible()
        for theme in ("light", "dark"):
            page.evaluate("dark => Quasar.Dark.set(dark)", theme == "dark")
            faults[f"/{path} {theme}"] = page.evaluate(SEEING)
        page.set_viewport_size(PHONE)
        # Charts follow the window within a moment.
        with suppress(TimeoutError):
            page.wait_for_function("document.documentElement.scrollWidth <= innerWidth", timeout=10_000)
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        faults[f"/{path} phone"] = [f"{wider} px wider than the phone"] if wider > 0 else []
        page.set_viewport_size({"width": 1280, "height": 900})
    assert {name: fault for name, fault in faults.items() if fault} == {}
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
    """Every kind of toast with its button, and every dialog: each text has a contrast of 4.5."""
    page = visit("/floor/queues/farm-grant")
    faults: dict[str, list[str]] = {}
    for theme in ("light", "dark"):
        page.evaluate(TOASTS, theme == "dark")
        expect(page.locator(".q-notification").get_by_text("Close")).to_have_count(6)
        page.wait_for_function(AT_REST)
        faults[f"toasts {theme}"] = page.evaluate(SEEING)
        page.reload()
        page.evaluate("dark => Quasar.Dark.set(dark)", theme == "dark")
        for name in ("Pause", "Limits", "SLA", "Keys"):
            page.get_by_role("button", name=name).first.click()
            dialog = page.get_by_role("dialog")
            expect(dialog).to_be_visible()
            page.wait_for_function(AT_REST)
            faults[f"{name} {theme}"] = page.evaluate(SEEING)
            if name == "Limits":
                dialog.get_by_label("Starts a minute").fill("many")
                dialog.get_by_role("button", name="Set").click()
                expect(dialog.locator(".fault")).to_be_visible()
                faults[f"refused {theme}"] = page.evaluate(SEEING)
            page.keyboard.press("Escape")
            expect(dialog).to_have_count(0)
    assert {name: fault for name, fault in faults.items() if fault} == {}


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
