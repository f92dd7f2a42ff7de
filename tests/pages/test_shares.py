"""One on-time share: every surface that tells one tells the same of one moment, under the same name."""

from __future__ import annotations

import json
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from hms_oms.cycles import cycles
from hms_oms.database import health
from hms_oms.jobs.on_time import Counts
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime import format
from hms_ops import heartbeats
from hms_ops.metrics import metrics
from hms_ops.metrics.measure import Measure
from hms_ops.reports import sla_report
from tests.pages.conftest import CALM
from tests.support.api import RunningApi, standing
from tests.support.programs import run_hms

#: One cycle: jobs in a status that ended so many minutes after their deadline (None: open and late).
_JOBS = (
    ("done", -9, 28),
    ("done", 0, 1),
    ("done", 4, 3),
    ("failed", -9, 16),
    ("failed", 7, 1),
    ("cancelled", -9, 5),
    ("cancelled", 9, 4),
    ("waiting", None, 13),
    ("queued", None, 2),
    ("running", None, 1),
)
DEADLINES = Counts(on_time=29, late=3, failed=17, open_late=16)
#: Texts of the cycle, by state.
_TEXTS = {"pending": 2, "accepted": 3, "delivered": 4, "failed": 164, "undelivered": 5, "cancelled": 1}
OF_ENDED, OF_DUE = "59.2 %", "44.6 %"


@pytest.fixture
def cycle(engine: sa.Engine, shop: Recipe) -> int:
    """A cycle of the ledger in which every kind of end is there, and others that are not due yet."""
    with engine.begin() as connection:
        batch = cycles.begin(connection, job_type=shop.type, name="today.csv", requested_by="ann")
        cycles.add(connection, batch.id, accepted=79, duplicates=0, differing=0, refused=0)
        cycles.close(connection, batch.id)
        for status, minutes, number in (*_JOBS, ("waiting", -60, 5)):
            connection.execute(
                sa.text(
                    "insert into oms.jobs (type, recipe_id, steps, queue, status, sla, sla_minutes, payload,"
                    " requested_by, created_at, finished_at, batch_id)"
                    " select :type, 1, '{pick,pack,send}', 'shop', :status,"
                    " oms.now() - make_interval(mins => :late), 60, '{}', 'ann',"
                    " oms.now() - interval '1 hour',"
                    " case when :ended then oms.now() end, :batch from generate_series(1, :number)"
                ),
                {
                    "type": shop.type,
                    "status": status,
                    "late": 5 if minutes is None else minutes,
                    "ended": status in ("done", "failed", "cancelled"),
                    "batch": batch.id,
                    "number": number,
                },
            )
        for state, number in _TEXTS.items():
            connection.execute(
                sa.text(
                    "insert into oms.messages (token, job_id, kind, recipient, body, state)"
                    " select :state || n, (select min(id) from oms.jobs), 'grant', '+12025550143', 'x',"
                    " :state"
                    " from generate_series(1, :number) as n"
                ),
                {"state": state, "number": number},
            )
    return batch.id


@pytest.fixture
def api_server(database: str, broker: str, tmp_path: Path, cycle: int) -> Any:
    """An API with its pages on that ledger, of which the watch has just measured everything."""
    with standing(database, broker, tmp_path / "home") as running:
        yield running


def hms(api_server: RunningApi, *words: str) -> str:
    """What the command line prints."""
    environment = {**api_server.environment(api_server.badge("manager")), "NO_COLOR": "1", "COLUMNS": "240"}
    done = run_hms(words, environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def visit(browser: Browser, api_server: RunningApi, path: str) -> Page:
    """A page, as the manager sees it."""
    context = browser.new_context(**CALM)
    context.add_cookies([{"name": "hms_badge", "value": api_server.badge("manager"), "url": api_server.url}])
    page = context.new_page()
    page.goto(api_server.url + path)
    return page


def test_every_surface_tells_the_same_share(
    engine: sa.Engine, cycle: int, api_server: RunningApi, browser: Browser
) -> None:
    """Metrics, reports, commands and pages: a failed job is a miss on all, a cancelled one nothing."""
    assert (format.percent(DEADLINES.share_of_ended), format.percent(DEADLINES.share_of_due)) == (
        OF_ENDED,
        OF_DUE,
    )
    with engine.begin() as connection:
        now = health.clock(connection)
        snapshot = Measure(engine, None, office=UTC).look(connection, True)
        report = sla_report.report(connection, now - timedelta(days=1), now + timedelta(days=1), UTC)
        assert cycles.report(connection, cycle).deadlines == DEADLINES
    assert [getattr(report.whole, name) for name in ("on_time", "late", "failed", "open_late")] == [
        29,
        3,
        17,
        16,
    ]
    measured = {metric.name: metric.value for metric in metrics.of(snapshot) if metric.queue == "shop"}
    assert measured["sla.onTimeToday"] == DEADLINES.share_of_ended
    assert measured["sla.onTimeDueToday"] == DEADLINES.share_of_due
    assert measured["sla.missedToday"] == DEADLINES.missed

    answer = json.loads(hms(api_server, "cycle", "report", str(cycle), "--json"))
    assert (answer["onTimeShareOfEnded"], answer["onTimeShareOfDue"]) == (
        DEADLINES.share_of_ended,
        DEADLINES.share_of_due,
    )
    answer = json.loads(hms(api_server, "sla", "report", "--week", "--json"))["whole"]
    assert (answer["shareOfEnded"], answer["shareOfDue"], answer["missed"]) == (
        DEADLINES.share_of_ended,
        DEADLINES.share_of_due,
        DEADLINES.missed,
    )
    words = hms(api_server, "cycle", "report", str(cycle))
    assert f"{OF_DUE} of those due, {OF_ENDED} of those that ended" in words
    assert "(29 on time, 3 late, 17 failed, 16 open and late)" in words
    assert "179 (7 handed over, 2 not handed over yet, 169 failed, 1 withdrawn)" in words
    assert OF_DUE in hms(api_server, "sla", "report", "--week")

    page = visit(browser, api_server, f"/floor/cycles/{cycle}")
    body = page.locator("div.page")
    expect(body).to_contain_text(f"On time: {OF_DUE} of those due, {OF_ENDED} of those that ended")
    expect(body).to_contain_text("Missed: 3 late, 17 failed, 16 open and late.")
    expect(body).to_contain_text("179 texts to applicants: 7 handed over, 2 not handed over yet, 169 failed")
    page = visit(browser, api_server, "/floor/sla")
    row = page.locator("table", has_text="Of those ended").locator("tr", has_text="shop").first
    expect(row).to_contain_text(OF_ENDED)
    expect(row).to_contain_text(OF_DUE)
    with engine.begin() as connection:
        metrics.publish(connection, Measure(engine, None, office=UTC).look(connection, True))
        heartbeats.beat(connection, "ops", {})
    page = visit(browser, api_server, "/floor/")
    card = page.get_by_label("Queue shop")
    expect(card).to_contain_text(f"on time today, of due{OF_DUE}")
