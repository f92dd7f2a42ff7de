"""The example of road damage by the test kit: what becomes of a report, and who hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from hms.testing import Jobs, Server
from hms_floor.local import embedded
from hms_oms.jobs.records import Job
from tests.support.clusters import sibling

EXAMPLE = Path(__file__).parents[2] / "examples" / "road-damage"
REPORT = {"reportId": "R-1", "road": "CR 12", "district": "north", "depthCm": 14, "phone": "+12025550123"}
SUPERINTENDENTS = {"north": "+12025550171", "south": "+12025550172"}


@pytest.fixture(scope="module")
def server(servers: embedded.Servers) -> Server:
    """A database that is prepared for the example."""
    return Server(sibling(servers, "hms"), EXAMPLE / "recipes")


@pytest.fixture
def jobs(server: Server) -> Iterator[Jobs]:
    """The jobs of one test."""
    with server.jobs() as jobs:
        yield jobs


def reported(jobs: Jobs, **other: object) -> Job:
    """The job of a report, as far as it comes by itself."""
    job = jobs.start("road:damage:v1", {**REPORT, **other})
    jobs.run()
    return job


def state(jobs: Jobs) -> object:
    """What the example's own table says of the one report; None without one."""
    with jobs.connection() as connection:
        return connection.scalar(sa.text("select concat_ws(' ', state, contractor) from road_damage.reports"))


def test_a_contractor_that_is_confirmed_in_time(jobs: Jobs) -> None:
    """The repair is ordered from it, and nobody is called."""
    job = reported(jobs)
    assert (jobs.job(job).event, state(jobs)) == ("contractor-confirmed", "open")
    jobs.forward(timedelta(minutes=119))
    assert jobs.run() == 0
    jobs.signal(job, "contractor-confirmed", {"contractor": "Hill Paving"})
    jobs.run()
    assert (jobs.job(job).outcome, state(jobs)) == ("ordered", "ordered Hill Paving")
    assert jobs.job(job).results["survey"] == {"traffic": {"vehicles": 0}, "history": {"reports": 0}}
    [text] = jobs.texts(job)
    assert (text.recipient, text.body) == (
        REPORT["phone"],
        "Your report of CR 12: Hill Paving will repair it.",
    )


def test_a_busy_road_is_urgent(jobs: Jobs) -> None:
    """What the branches have returned decides it."""
    job = reported(jobs, road="CR 7")
    jobs.signal(job, "contractor-confirmed", {"contractor": "Hill Paving"})
    jobs.run()
    assert (jobs.job(job).outcome, state(jobs)) == ("ordered", "urgent Hill Paving")


def test_no_contractor_in_two_hours(jobs: Jobs) -> None:
    """The superintendent of the district is texted, then who reported it; no order is made."""
    job = reported(jobs)
    jobs.forward(timedelta(hours=2, seconds=1))
    jobs.run()
    assert (jobs.job(job).outcome, state(jobs)) == ("escalated", "escalated")
    assert [text.recipient for text in jobs.texts(job)] == [SUPERINTENDENTS["north"], REPORT["phone"]]


@pytest.mark.parametrize(
    ("other", "outcome", "row"),
    [({"depthCm": 3.9}, "noted", "noted"), ({"road": "US 61"}, "elsewhere", None)],
)
def test_what_needs_no_contractor(
    jobs: Jobs, other: dict[str, object], outcome: str, row: str | None
) -> None:
    """Shallow damage is noted, and a road of somebody else leaves nothing behind."""
    job = reported(jobs, **other)
    assert (jobs.job(job).status, jobs.job(job).outcome, state(jobs)) == ("done", outcome, row)
    assert len(jobs.texts(job)) == (outcome == "noted")


def test_a_report_that_was_corrected_is_written_again(jobs: Jobs) -> None:
    """The corrected request assesses it once more, and finds the row of the first one."""
    job = reported(jobs)
    again = jobs.start("road:damage:v1", {**REPORT, "depthCm": 3}, supersede=True)
    jobs.run()
    assert jobs.job(job).status == "cancelled"
    assert (jobs.job(again).status, jobs.job(again).outcome, state(jobs)) == ("done", "noted", "noted")


def test_the_round_tells_of_districts_with_reports(jobs: Jobs) -> None:
    """A district without any hears nothing; on a quiet day nobody does."""
    quiet = jobs.start("road:round:v1", {"hours": 24})
    jobs.run()
    reported(jobs)
    jobs.forward(timedelta(hours=3))
    jobs.run()
    evening = jobs.start("road:round:v1", {"hours": 24})
    jobs.run()
    assert [jobs.job(job).outcome for job in (quiet, evening)] == ["quiet", "told"]
    assert [text.recipient for text in jobs.texts(evening)] == [SUPERINTENDENTS["north"]]
    assert [text.body for text in jobs.texts(evening)] == ["north: 1 reports, 1 without a contractor."]
