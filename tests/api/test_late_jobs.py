"""Lists of jobs that missed their deadline, in the order of deadlines or of lateness."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from tests.api.conftest import ApiServer, faults
from tests.support.api import RunningApi
from tests.support.command_line import command_line

#: How the seven orders stand: status, and minutes from now until the deadline, the end, and since it is held.
_STANDING = """
update oms.jobs set
    sla = oms.now() + make_interval(mins => {deadline}),
    status = '{status}',
    finished_at = oms.now() + make_interval(mins => {ended}),
    held_at = oms.now() + make_interval(mins => {held}),
    error = case when '{status}' = 'failed' then '{{"type": "ValueError"}}'::jsonb end
where id = {job}
"""


@pytest.fixture
def seven(api_server: ApiServer, order: Callable[..., str], engine: sa.Engine) -> list[str]:
    """Orders that are late, each in another way, and three that are not."""
    jobs = [order(number, name="Ann" if number % 2 else "Bea") for number in range(1, 8)]
    stands = [
        ("waiting", -10, "null", "null"),
        ("waiting", 30, "null", "null"),
        ("done", -60, -20, "null"),
        ("failed", 15, -5, "null"),
        ("done", -60, -90, "null"),
        ("cancelled", -60, -20, "null"),
        ("waiting", -5, "null", -8),
    ]
    with engine.begin() as connection:
        for number, (status, deadline, ended, held) in enumerate(stands, 1):
            connection.exec_driver_sql(
                _STANDING.format(job=number, status=status, deadline=deadline, ended=ended, held=held)
            )
    return jobs


def ids(api_server: ApiServer, query: str) -> list[str]:
    """The numbers of the jobs that a query lists."""
    return [job["id"].removeprefix("job-") for job in api_server.get(f"/jobs?{query}")["jobs"]]


def test_late_jobs_are_those_whose_deadline_was_missed(api_server: ApiServer, seven: list[str]) -> None:
    """Open past it, done after it, or failed; no job that was done in time, cancelled, or is held."""
    assert len(seven) == 7
    assert ids(api_server, "late=true") == ["4", "3", "1"]
    assert api_server.get("/jobs?late=true&count=true")["total"] == 3
    for count_to, counted in ((2, (2, True)), (3, (3, False))):
        page = api_server.get(f"/jobs?late=true&count=true&countTo={count_to}")
        assert (page["total"], page["uncounted"]) == counted
    assert ids(api_server, "late=true&status=open") == ["1"]
    dry = {"action": "retry", "filter": {"late": True}, "dryRun": True}
    assert api_server.ask("POST", "/jobs/bulk", dry).json()["matched"] == 3


def test_lists_are_sorted_by_deadline_and_lateness(api_server: ApiServer, seven: list[str]) -> None:
    """Page by page; where all jobs had to be sorted it is refused, and the parameter is named."""
    assert len(seven) == 7
    assert ids(api_server, "late=true&order=deadline") == ["3", "1", "4"]
    assert ids(api_server, "late=true&order=lateness") == ["3", "1", "4"]
    assert ids(api_server, "status=open&order=deadline") == ["1", "7", "2"]
    page = api_server.get("/jobs?late=true&order=lateness&limit=2")
    assert page["next"] == "2"
    assert ids(api_server, "late=true&order=lateness&limit=2&cursor=2") == ["4"]
    for query in ("order=deadline", "order=lateness&status=done", "order=deadline&status=open&status=done"):
        refused = api_server.ask("GET", f"/jobs?{query}")
        assert (refused.status_code, list(faults(refused))) == (422, ["order"]), query


def test_the_command_line_filters_and_sorts_alike(api_server: ApiServer, seven: list[str]) -> None:
    """Late ones, by a field of their payload, since a time, in an order."""
    assert len(seven) == 7
    environment = RunningApi(api_server.url, api_server.settings, api_server.process).environment(
        api_server.badge()
    )
    hms = command_line(environment | {"HMS_TIMEZONE": "America/Chicago"})

    def listed(*words: str) -> list[str]:
        done = hms("job", "list", "--ids", *words)
        assert (done.returncode, done.stderr) == (0, "")
        return [line.removeprefix("job-") for line in done.stdout.split()]

    assert listed("--late", "--sort", "deadline") == ["3", "1", "4"]
    assert listed("--where", "name=Bea", "--where", "number=4") == ["4"]
    assert listed("--since", "1h", "--late") == ["4", "3", "1"]
    assert listed("--since", "2100-01-01") == []
    assert "FIELD=VALUE" in hms("job", "list", "--where", "name").stderr
    assert "is not a time" in hms("job", "list", "--since", "soon").stderr
    assert "needs late" in hms("job", "list", "--sort", "deadline").stderr


def test_the_page_of_jobs_lists_them_in_their_order(api_server: ApiServer, seven: list[str]) -> None:
    """By the status *late*, and open ones by their deadline."""
    assert len(seven) == 7
    headers = {"Cookie": f"hms_badge={api_server.badge()}"}
    for query, listed in (
        ("status=late&order=lateness", ["3", "1", "4"]),
        ("status=late", ["4", "3", "1"]),
        ("status=open&order=deadline", ["1", "7", "2"]),
    ):
        page = api_server.client.get(f"/floor/jobs?{query}", headers=headers)
        assert page.status_code == 200
        assert list(dict.fromkeys(re.findall(r"job-(\d)\b", page.text))) == listed, query
