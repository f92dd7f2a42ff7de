"""The window of time of a page: in its address, the same in all charts, with marks and what was before."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from hms_floor.auth.tokens import Role
from hms_floor.pages.live import feed
from hms_floor.pages.live.pasts import Pasts
from hms_floor.pages.parts.charts import timeline
from hms_floor.presentation.overview import Board
from hms_floor.presentation.past import window
from hms_floor.presentation.past.window import Window
from hms_oms.database import connections
from hms_oms.documents.cycles import TextCounts
from hms_ops.documents.past import Mark
from tests.pages.conftest import Floor
from tests.pages.seeing import faults

Visit = Callable[..., Page]
CHICAGO = ZoneInfo("America/Chicago")
NOW = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
#: The charts of the window: how many there are, and the minutes that each covers, if all cover the same time.
AXES = """(minutes) => {
  const charts = [...document.querySelectorAll(".chart")].map(
    (node) => getElement(Number(node.id.slice(1))).chart
  );
  const axes = charts.filter((chart) => chart?.group === "window").map((chart) => chart.getOption().xAxis[0]);
  const reaches = new Set(axes.map(({ min, max }) => `${min} ${max}`));
  const [least, most] = minutes;
  const covered = axes.length ? (axes[0].max - axes[0].min) / 60000 : 0;
  return axes.length === 3 && reaches.size === 1 && covered >= least && covered <= most;
}"""
#: Whether several charts tell of the moment that is pointed at in one of them.
TIPS = """() => {
  const shown = (node) => node.innerText && node.style.opacity !== "0" && node.style.visibility !== "hidden";
  const tips = [...document.querySelectorAll(".chart > div")].filter(shown);
  return tips.length === 3 && new Set(tips.map((node) => node.innerText.split("\\n")[0])).size === 1;
}"""


#: The last three hours, and as long a day before: an idle floor that has just begun has none.
_HOURS = """
insert into ops.samples (at, name, queue, subject, value)
select date_trunc('minute', oms.now()) - day * interval '1 day' - minute * interval '1 minute',
    name, 'farm-grant', subject, minute
from generate_series(0, 1) as day, generate_series(2, 180) as minute, (values
    ('queue.waitTime', ''), ('queue.length', 'held'), ('queue.throughput.minute', '')
) as kept (name, subject)
on conflict do nothing
"""


def wait_for(page: Page, least: float, most: float | None = None) -> None:
    """Wait until the charts of a queue all cover so many minutes."""
    page.wait_for_function(AXES, arg=[least, most or least])


@pytest.mark.parametrize(
    ("address", "seconds", "step"),
    [
        ("", 300, 5),
        ("window=30m", 1800, 5),
        ("window=24h&behind=week", 86400, 300),
        ("window=7d", 604800, 3600),
        ("window=90d", 90 * 86400, 21600),
        ("from=2026-11-23&to=2026-11-23T08:00", 8 * 3600, 120),
        ("from=2026-11-23T10:00:00Z&to=2027-01-01", 8 * 3600, 120),
        ("from=2026-11-23T10:00:00Z&to=2026-11-23T10:00:02Z", 300, 5),
        ("from=2025-11-24&to=2026-11-23", 364 * 86400, 86400),
    ],
)
def test_an_address_is_a_window(address: str, seconds: float, step: int) -> None:
    """As long as it says, in no more than 400 steps, and the address of the window is that window again."""
    read = window.read(dict(pair.split("=") for pair in address.split("&") if pair), CHICAGO, NOW)
    since, until = read.span(NOW)
    assert ((until - since).total_seconds(), read.step) == (seconds, step)
    assert seconds / step <= window.MOST_STEPS
    assert 86400 % step == 0
    fields = dict(pair.split("=") for pair in read.address.split("&"))
    assert window.read(fields, CHICAGO, NOW) == read


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("window=3d", "it is one of 5m, 30m"),
        ("behind=month", "it is one of day, week"),
        ("from=2026-11-23", "both, from and to"),
        ("from=noon&to=2026-11-23", "from: 'noon' is no time"),
        ("from=2026-11-23&to=2026-11-22", "ends before it begins"),
        ("from=2020-11-23&to=2026-11-22", "longer than a year"),
        ("from=2026-11-01T01:30&to=2026-11-02", "is there twice"),
    ],
)
def test_what_is_no_window_says_why(address: str, words: str) -> None:
    """So that it can be put right."""
    with pytest.raises(ValueError, match=words):
        window.read(dict(pair.split("=") for pair in address.split("&")), CHICAGO, NOW)


def test_a_window_in_the_past_leads_back_to_one_that_ends_now() -> None:
    """To the shortest that is no shorter, with the same behind it."""
    past = Window(since=NOW - timedelta(hours=3), until=NOW - timedelta(hours=1, minutes=1), behind="day")
    assert past.ending_now() == Window("2h", behind="day")


def test_a_mark_says_who_and_why() -> None:
    """What nobody did has nobody in it."""
    assert timeline.sentence(Mark(NOW, "pause", "lee", "paused shop", "fair")) == "lee paused shop: fair"
    assert timeline.sentence(Mark(NOW, "resume", "lee", "resumed shop", None)) == "lee resumed shop"
    assert timeline.sentence(Mark(NOW, "incident", None, "#K7: late", "2 jobs", "K7")) == "#K7: late: 2 jobs"
    over = Mark(NOW, "over", "ada", "#K7 is over", None, "K7")
    assert timeline.sentence(over) == "#K7 is over, closed by ada"


def test_charts_wait_while_the_ledger_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried once in a while, not at each look, and nothing is drawn."""
    engine = sa.create_engine("postgresql+psycopg2://hms@127.0.0.1:1/hms")
    attempts: list[object] = []
    sa.event.listen(engine, "do_connect", lambda *given: attempts.append(given))
    board = Board(NOW, (), None, (), (), 0)
    monkeypatch.setattr(feed._feed, "engine", engine)
    monkeypatch.setattr(feed._feed, "view", feed.View(1, board, [], [], TextCounts(), 0.0))

    async def look(shown: Pasts) -> None:
        for _ in range(3):
            await shown.look(["shop"])

    shown = Pasts(Window("2h"), CHICAGO, lambda *_: pytest.fail("there is nothing to draw"))
    # Playwright keeps the loop of this thread to itself.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, look(shown)).result()
    assert len(attempts) == 1


def test_all_charts_have_the_window_of_the_address(visit: Visit, floor: Floor) -> None:
    """A link chooses one, a range that is drawn another, and the way back leads through both."""
    engine = connections.engine(json.loads((floor.home / "servers.json").read_text())["database_url"])
    with engine.begin() as connection:
        connection.exec_driver_sql(_HOURS)
    engine.dispose()
    page = visit("/floor/queues/farm-grant?window=8h&behind=day", Role.VIEWER)
    bar = page.get_by_role("group", name="Window of time of the charts")
    expect(bar.get_by_role("link", name="8 h", exact=True)).to_have_attribute("aria-current", "true")
    wait_for(page, 480)
    bar.get_by_role("link", name="2 h", exact=True).click()
    expect(page).to_have_url(re.compile(r"\?window=2h&behind=day$"))
    wait_for(page, 120)
    canvas = page.locator(".chart canvas").first
    box = canvas.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 200, middle)
    page.wait_for_function(TIPS)
    page.mouse.down()
    page.mouse.move(box["x"] + 240, middle, steps=3)
    page.mouse.move(box["x"] + 300, middle, steps=3)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"from=[\dTZ:-]+&to=[\dTZ:-]+"))
    expect(bar.get_by_text(re.compile("^As of .* Other numbers are those of now"))).to_be_visible()
    wait_for(page, 15, 45)
    zoomed = page.url
    page.mouse.dblclick(box["x"] + 200, middle)
    expect(page).to_have_url(re.compile(r"\?window=2h&behind=day$"))
    wait_for(page, 120)
    page.go_back()
    expect(bar.get_by_role("link", name="8 h", exact=True)).to_have_attribute("aria-current", "true")
    wait_for(page, 480)
    page.goto(zoomed)
    bad = {}
    for theme in ("light", "dark"):
        page.evaluate("dark => Quasar.Dark.set(dark)", theme == "dark")
        bad[theme] = faults(page)
    assert bad == {"light": [], "dark": []}
    bar.get_by_role("link", name="Back to now").click()
    expect(page).to_have_url(re.compile(r"\?window=30m&behind=day$"))


def test_the_window_is_chosen_by_key_and_by_times(visit: Visit, floor: Floor) -> None:
    """On the floor, where every card has it; times that are none are refused in the dialog."""
    page = visit("/floor/", Role.VIEWER)
    card = page.get_by_label("Queue farm-grant")
    expect(card.locator("canvas").first).to_be_visible()
    page.get_by_role("link", name="30 min").press("Enter")
    expect(page).to_have_url(re.compile(r"/floor/\?window=30m$"))
    page.get_by_role("button", name="From ... to").press("Enter")
    dialog = page.get_by_role("dialog")
    assert faults(page) == []
    dialog.get_by_label("From").fill("2026-03-02T08:00")
    dialog.get_by_label("To", exact=True).fill("2026-03-02T07:00")
    dialog.get_by_role("button", name="Show").click()
    expect(dialog.get_by_text("the window ends before it begins")).to_be_visible()
    dialog.get_by_label("To", exact=True).fill("2026-03-02T10:00")
    dialog.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("from=2026-03-02T14:00:00Z&to=2026-03-02T16:00:00Z"))
    expect(page.get_by_text("As of 03-02 08:00:00 CST to 03-02 10:00:00 CST.")).to_be_visible()


def test_a_chart_has_marks_of_what_was_done_and_what_was_before(visit: Visit, floor: Floor) -> None:
    """With who and why, in the table behind it, too; words that somebody typed stay words."""
    reason = "county <b>fair</b>"
    floor.ask("POST", "/queues/farm-grant/limit", {"startsPerMinute": 600, "reason": reason})
    floor.ask("POST", "/queues/farm-grant/limit", {"startsPerMinute": None})
    page = visit("/floor/queues/farm-grant?window=30m&behind=week", Role.VIEWER)
    wait_for(page, 30)
    page.locator("summary").first.press("Enter")
    table = page.get_by_role("table", name="farm-grant: Wait of a job until it begins")
    expect(table.get_by_role("columnheader")).to_have_text(
        ["Time", "mean", "p95", "mean, a week before", timeline.MARKS]
    )
    expect(table.get_by_text(f"root limited farm-grant to 600 a minute: {reason}")).to_be_visible()
