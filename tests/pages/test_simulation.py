"""The page of simulations: a file is chosen, and a chart with the table behind it shows what came of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from hms_floor.auth.tokens import Role
from hms_floor.pages.queues import simulation
from tests.pages import seeing

ARRIVALS = Path(__file__).parents[2] / "docs" / "arrivals.csv"


def test_a_file_is_simulated_on_the_page(visit: Callable[..., Page]) -> None:
    """Anyone who reads chooses a file; each policy and the bound stand in chart and table."""
    page = visit("/floor/simulation", Role.VIEWER)
    page.get_by_label("Workers", exact=True).fill("2")
    page.get_by_label("Workers", exact=True).blur()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a file").click()
    chooser.value.set_files(ARRIVALS)
    chart = page.get_by_role("img", name="On time, by policy")
    expect(chart).to_be_visible()
    table = page.get_by_role("table", name="On time, by policy")
    expect(table.get_by_role("row")).to_have_count(6)
    expect(table.get_by_role("row", name="most-on-time")).to_contain_text("90.0 %")
    expect(table.get_by_role("row", name="bound")).to_contain_text("96.4 %")
    assert "fifo: 49.6 %" in (chart.get_attribute("aria-label") or "")
    expect(page.get_by_text("240 jobs, 40 min 19 s of work, 2 workers.")).to_be_visible()
    assert seeing.faults(page) == []


def test_a_day_without_jobs_is_refused_on_the_page(visit: Callable[..., Page]) -> None:
    """The queue that leads here is chosen already; what the API says stands on the page."""
    page = visit("/floor/queues/farm-grant")
    page.get_by_role("link", name="Simulate a day of this queue").click()
    expect(page.get_by_label("Or a queue")).to_have_value("farm-grant")
    page.get_by_label("and a day").fill("2020-11-23")
    page.get_by_role("button", name="Simulate the day").click()
    expect(page.get_by_text("no job that was accepted on 2020-11-23 has been worked on")).to_be_visible()


def test_the_bound_is_the_last_row() -> None:
    """It has a share, and neither lateness nor wait; who is never late has no mean lateness."""
    policy = {
        "policy": "fifo",
        "onTime": 3,
        "share": 0.75,
        "late": 1,
        "meanLatenessSeconds": 60.0,
        "longestWaitSeconds": 90.0,
    }
    result = {"jobs": 4, "policies": [policy], "bound": {"onTime": 4, "share": 1.0}}
    assert simulation.rows(result) == [
        ("fifo", "3", "75.0 %", "1", "1 min 0 s", "1 min 30 s"),
        ("bound", "4", "100.0 %", "0", "", ""),
    ]
    assert simulation.shares(result) == {"fifo": 75.0, "bound": 100.0}
