"""One clock: whatever the browser's zone is, a page tells every time in the zone that it names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import Floor

Visit = Callable[..., Page]

#: What a chart's axis and the heading of its tooltip say of a moment of winter and one of summer.
_CHART = """() => {
    const axis = getElement(Number(document.querySelector(".chart").id.slice(1))).chart.getOption().xAxis[0];
    const moments = [Date.UTC(2026, 10, 28, 18, 30, 7), Date.UTC(2026, 6, 1, 12, 0, 0)];
    return moments.map((at) => [axis.axisLabel.formatter(at), axis.axisPointer.label.formatter({value: at})]);
}"""


@pytest.mark.parametrize("path", ["/floor/", "/floor/queues/farm-grant"])
def test_charts_and_sentences_have_one_clock(visit: Visit, floor: Floor, path: str) -> None:
    """The office's first; the reader's own after a press, on the next page, too; and back again."""
    page = visit(path, timezone_id="Asia/Kolkata")
    bar = page.locator("header")
    expect(bar).to_contain_text(f"{datetime.now(ZoneInfo('America/Chicago')):%Z}")
    page.wait_for_function("document.querySelector('.chart canvas, .chart svg')")
    assert page.evaluate(_CHART) == [["12:30", "11-28 12:30:07 CST"], ["07:00", "07-01 07:00:00 CDT"]]
    page.keyboard.press("z")
    expect(bar).to_contain_text("IST")
    page.goto(floor.url + path)
    expect(bar).to_contain_text("IST")
    page.wait_for_function("document.querySelector('.chart canvas, .chart svg')")
    [[_, winter], _] = page.evaluate(_CHART)
    assert winter.startswith("11-29 00:00:07 ")
    page.keyboard.press("z")
    expect(bar).not_to_contain_text("IST")


def test_times_of_a_page_have_the_readers_zone(visit: Visit, floor: Floor) -> None:
    """Tables and sentences tell the same moment in the zone of the office, and in the reader's own."""
    number = floor.cycle(1, 60)
    begun = datetime.fromisoformat(floor.ask("GET", f"/cycles/{number}")["createdAt"])
    page = visit(f"/floor/cycles/{number}", timezone_id="Asia/Kolkata")
    for zone in ("America/Chicago", "Asia/Kolkata"):
        expect(page.locator("div.page")).to_contain_text(
            f"{begun.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S %Z}"
        )
        page.keyboard.press("z")
