"""The button on a job's page by which a person tells that the event has come, for which the job waits."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from hms_act.waiting.waits import Waits
from hms_oms.database.connections import RawConnection
from hms_oms.recipes import registry
from tests.conftest import shop_recipes
from tests.oms.test_advance import advanced, begun, report
from tests.oms.test_ledger import look
from tests.pages.conftest import CALM
from tests.support.api import RunningApi, standing


def test_an_event_is_signalled_with_what_is_known_of_it(
    engine: sa.Engine, raw: RawConnection, database: str, broker: str, browser: Browser, tmp_path: Path
) -> None:
    """What is no JSON object is refused in the dialog; then the job goes on, and the button is gone."""
    recipe = shop_recipes()["shop:visit:v1"]
    with engine.begin() as connection:
        registry.register(connection, recipe)
    job = begun(engine, raw, recipe)
    advanced(raw, report(recipe, job, "pick"))
    with standing(database, broker, tmp_path / "home") as api:
        viewer = _page(api, browser, job, "viewer")
        expect(viewer.get_by_role("button", name="Signal answered")).to_have_count(0)
        page = _page(api, browser, job, "operator")
        page.get_by_role("button", name="Signal answered").click()
        dialog = page.get_by_role("dialog", name=f"Signal answered to job-{job}")
        dialog.get_by_label("Result of the step").fill("seven hours")
        dialog.get_by_label("Why?").fill("called at noon")
        dialog.get_by_role("button", name="Signal answered").click()
        expect(dialog.get_by_text("The result must be a JSON object")).to_be_visible()
        dialog.get_by_label("Result of the step").fill('{"hours": 7}')
        dialog.get_by_role("button", name="Signal answered").click()
        expect(page.get_by_text(f"job-{job} was told of answered.")).to_be_visible()
        assert Waits(raw, lambda number: registry.snapshot(raw, number)).settle() == 1
        expect(page.get_by_role("button", name="Signal answered")).to_have_count(0, timeout=20_000)
    assert look(engine, job).results["answer"] == {"hours": 7}
    with engine.connect() as connection:
        reason = sa.text("select reason from oms.audit where action = 'POST /jobs/{id}/signal'")
        assert connection.scalar(reason) == "called at noon"


def _page(api: RunningApi, browser: Browser, job: int, role: str) -> Page:
    context = browser.new_context(**CALM)
    context.add_cookies([{"name": "hms_badge", "value": api.badge(role), "url": api.url}])
    page = context.new_page()
    page.goto(f"{api.url}/floor/jobs/job-{job}")
    page.get_by_role("heading", level=1).wait_for()
    return page
