"""The wall, and the state where nobody looks at a page: in its title, its icon, and as a notice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from hms_floor.auth.tokens import Role
from hms_floor.presentation.lights import worst_first
from hms_floor.presentation.overview import Card
from tests.pages.conftest import Floor

Visit = Callable[..., Page]
#: Chromium without windows allows no notifications: what it would show, and how often it would ring, is kept.
NOTICES = """
  window.notices = [];
  window.rings = 0;
  window.Notification = class {
    static permission = "granted";
    static requestPermission = async () => "granted";
    constructor(title, options) { window.notices.push([title, options.body]); }
  };
  const Audio = window.AudioContext;
  window.AudioContext = class extends Audio { constructor() { super(); window.rings += 1; } };
"""
#: Whether the page fits its window, and the size of its smallest words.
FITS = """() => {
  const { scrollHeight, scrollWidth } = document.documentElement;
  const size = (node) => parseFloat(getComputedStyle(node).fontSize);
  const words = [...document.querySelectorAll(".bare dt, .bare h1, .wall-foot *")];
  return [scrollHeight <= innerHeight && scrollWidth <= innerWidth, Math.min(...words.map(size))];
}"""


@pytest.fixture
def _open_queue(floor: Floor) -> Iterator[None]:
    """The queue without limits, and empty, before and after."""
    yield
    floor.ask("POST", "/queues/farm-grant/limit", {"startsPerMinute": None})
    floor.cancel_all()


@pytest.mark.usefixtures("_open_queue")
def test_the_wall_turns_red_and_says_so_where_nobody_looks(visit: Visit, floor: Floor) -> None:
    """Colour, word, sentence, numbers and cycle; title, icon, and a notice that was asked for once."""
    floor.cancel_all()
    page = visit("/floor/", Role.VIEWER)
    page.add_init_script(NOTICES)
    page.reload()
    expect(page).to_have_title(re.compile("^● On track - Floor - Operations floor$"))
    button = page.get_by_role("button", name="Notify me")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    page.get_by_role("link", name="Wall").click()
    state = page.get_by_label("State")
    expect(state.get_by_text("On track", exact=True)).to_be_visible()
    expect(page).to_have_title("● On track - Wall - Operations floor")
    expect(page.locator(".wall-queue")).to_have_count(0)
    icon = page.locator("link[rel~=icon]")
    expect(icon).to_have_attribute("href", re.compile("^data:image/png"))
    calm = icon.get_attribute("href")

    floor.ask("POST", "/queues/farm-grant/limit", {"startsPerMinute": 20})
    cycle = floor.cycle(60, 0.05)
    expect(page).to_have_title("■ Late - farm-grant - Operations floor")
    expect(state).to_have_css("background-color", "rgb(157, 28, 21)")
    expect(state.get_by_text("Late", exact=True)).to_be_visible()
    expect(state.get_by_role("heading")).to_contain_text("of farm-grant are late")
    expect(state.locator(".wall-clock")).to_have_text(re.compile(r"^\d\d:\d\d"))
    worst = page.get_by_label("Queues, the worst first")
    expect(worst.locator("h2")).to_have_text(["farm-grant"])
    expect(worst.locator("dt")).to_have_text(
        ["late", "will be late", "open", "done a minute", "all done by", "last one due"]
    )
    expect(page.get_by_text(f"Cycle {cycle}, test.csv: ")).to_contain_text("of 60 jobs have ended")
    assert icon.get_attribute("href") != calm
    assert page.evaluate("notices.at(-1)[0]") == "■ Late"
    assert "farm-grant are late" in page.evaluate("notices.at(-1)[1]")
    assert page.evaluate("rings") == page.evaluate("notices.length")
    assert page.get_by_role("link").or_(page.get_by_role("button")).count() == 0

    # Read aloud is that it has turned, not each number that changes then.
    heading, spoken = state.get_by_role("heading"), state.get_by_role("status")
    aloud, sentence = spoken.text_content(), heading.inner_text()
    assert (aloud or "").startswith("Late. ")
    expect(heading).not_to_have_text(sentence)
    assert spoken.text_content() == aloud

    for width, height in ((1280, 720), (1920, 1080), (3840, 2160)):
        page.set_viewport_size({"width": width, "height": height})
        # Quasar measures the window a moment after it has changed.
        page.wait_for_function(f"({FITS})()[0]")
        _, smallest = page.evaluate(FITS)
        assert smallest >= 0.0149 * width
    page.set_viewport_size({"width": 1280, "height": 900})

    # A page that is read again tells what is so, not that it has just become so.
    page.reload()
    expect(page).to_have_title("■ Late - farm-grant - Operations floor")
    assert page.evaluate("[notices.length, rings]") == [0, 0]
    page.goto(f"{floor.url}/floor/")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")


def test_the_card_of_the_worst_queue_comes_first_with_its_focus(visit: Visit, floor: Floor) -> None:
    """On the floor as on the wall; it goes back once all is well, and who reads in it is not thrown out."""
    page, wall = visit("/floor/"), visit("/floor/wall")
    cards = page.locator(".card.queue h2")
    names = sorted(queue["name"] for queue in floor.ask("GET", "/queues")["queues"])
    expect(cards).to_have_text(names)
    reader = page.get_by_role("link", name="farm-grant", exact=True)
    reader.focus()
    floor.ask("POST", "/queues/farm-grant/pause", {"reason": "county fair"})
    expect(cards).to_have_text(["farm-grant", *(name for name in names if name != "farm-grant")])
    assert reader.evaluate("link => link === document.activeElement")
    expect(wall.locator(".wall-queue h2")).to_have_text(["farm-grant"])
    floor.ask("POST", "/queues/farm-grant/resume", {})
    expect(cards).to_have_text(names)
    assert reader.evaluate("link => link === document.activeElement")


def test_the_worst_queue_stands_first() -> None:
    """By its light, then by name: it does not change places with each job that is late."""
    cards = [
        Card("idle"),
        Card("busy", backlog=900),
        Card("a bit late", late=3),
        Card("risk", at_risk=500, backlog=500),
        Card("late", late=40),
        Card("blind", fresh=False),
    ]
    names = [card.name for card in worst_first(cards)]
    assert names == ["a bit late", "late", "risk", "blind", "busy", "idle"]
