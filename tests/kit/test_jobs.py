"""The test kit and `hms.enqueue`: what a team's own tests and programs use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

import hms
from hms.testing import Jobs, Server
from hms_floor.cli.recipes import recipe_new
from hms_floor.local import embedded
from hms_oms.database import connections
from hms_oms.jobs.queries import read
from hms_oms.runtime import settings
from hms_oms.runtime.errors import RequestRejected, UnknownJob
from tests.support.programs import run_hms

RECIPE = """
type = "kit:parcel:v1"
module = "kit_parcel"
queue = "kit-parcel"
sla_minutes = 30
key = "number"

[[steps]]
name = "weigh"
run = "kit.weigh"
retry = { attempts = 2, base_seconds = 600, max_seconds = 600, jitter = 0.5 }

[[steps]]
name = "judge"
by = "agent"
queue = "kit-desk"

[[steps]]
name = "send"
run = "kit.send"

[payload]
type = "object"
required = ["number"]
properties = { number = { type = "integer" }, weight = { type = "number" } }
"""
STEPS = """
from hms import Reject, step

@step("kit.weigh")
def weigh(run):
    with run.connection.cursor() as cursor:
        cursor.execute("insert into kit.parcels values (%s)", (run.job,))
    if run.payload["weight"] > 100:
        raise Reject("too heavy")
    if run.payload["weight"] == 13:
        run.connection.commit()
    return {"heavy": 1 / run.payload["weight"] < 0.1}

@step("kit.send")
def send(run):
    run.text("+12025550123", f"sent with {run.results['judge']['stamps']} stamps")
"""
HOOKS = """
from pathlib import Path
from hms import Hooks
HOOKS = Hooks(migrations=Path(__file__).parent / "migrations")
"""


@pytest.fixture(scope="module")
def server(servers: embedded.Servers, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A server that is prepared for a job type with steps of workers and of an agent."""
    folder = tmp_path_factory.mktemp("recipes")
    package = folder / "kit_parcel"
    (package / "migrations").mkdir(parents=True)
    (folder / "parcel.toml").write_text(RECIPE.replace('"kit_parcel"', '"kit_parcel.steps"'))
    (package / "__init__.py").touch()
    (package / "steps.py").write_text(STEPS)
    (package / "hooks.py").write_text(HOOKS)
    (package / "migrations" / "0001_parcels.sql").write_text(
        "create schema kit; create table kit.parcels (job bigint)"
    )
    assert servers.database_url is not None
    return Server(servers.database_url, folder)


@pytest.fixture
def jobs(server: Server) -> Iterator[Jobs]:
    """Jobs of one test."""
    with server.jobs() as own:
        yield own


def test_a_job_goes_through_workers_and_agents(jobs: Jobs) -> None:
    """Steps of workers are run, that of an agent is reserved and reported, and the text is handed over."""
    parcel = jobs.start("kit:parcel:v1", {"number": 1, "weight": 20})
    assert jobs.run() == 1
    assert jobs.reserve("kit-parcel") is None
    reservation = jobs.reserve("kit-desk")
    assert reservation is not None
    assert reservation.results == {"weigh": {"heavy": True}}
    assert jobs.report(reservation, {"stamps": 3}) == "waiting"
    assert jobs.run() == 1
    assert jobs.job(parcel).status == "done"
    assert [(text.recipient, text.body) for text in jobs.texts(parcel)] == [
        ("+12025550123", "sent with 3 stamps")
    ]


def test_the_clock_decides_when_a_failed_step_is_due(jobs: Jobs) -> None:
    """What a failed run wrote is undone; it runs again when it is due, and then the job has failed."""
    parcel = jobs.start("kit:parcel:v1", {"number": 1, "weight": 0})
    assert jobs.run() == 1
    assert jobs.run() == 0
    jobs.forward(timedelta(minutes=9))
    assert jobs.run() == 0
    now = jobs.forward(timedelta(minutes=31))
    assert jobs.run() == 1
    failed = jobs.job(parcel)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error["type"] == "ZeroDivisionError"
    assert failed.finished_at is not None
    assert failed.finished_at >= now > failed.sla
    with jobs.connection() as connection:
        assert connection.scalar(sa.text("select count(*) from kit.parcels")) == 0


def test_a_rejected_job_is_done_with_its_outcome(jobs: Jobs) -> None:
    """No later step runs, and what the step wrote before is undone."""
    parcel = jobs.start("kit:parcel:v1", {"number": 1, "weight": 101})
    jobs.run()
    assert (jobs.job(parcel).status, jobs.job(parcel).outcome) == ("done", "too heavy")
    with jobs.connection() as connection:
        assert connection.scalar(sa.text("select count(*) from kit.parcels")) == 0


def test_a_step_cannot_commit(jobs: Jobs) -> None:
    """It fails at once, as by any other mistake of the program, and what it wrote is undone."""
    parcel = jobs.start("kit:parcel:v1", {"number": 1, "weight": 13})
    jobs.run()
    failed = jobs.job(parcel)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error["message"].startswith("commit() is not for a step")
    with jobs.connection() as connection:
        assert connection.scalar(sa.text("select count(*) from kit.parcels")) == 0


def test_each_test_has_jobs_of_its_own(server: Server) -> None:
    """Neither jobs nor the clock of one are in the other."""
    with server.jobs() as first, server.jobs() as second:
        parcel = first.start("kit:parcel:v1", {"number": 1})
        first.forward(timedelta(days=400))
        with pytest.raises(UnknownJob):
            second.job(parcel)
        assert first.now() - second.now() > timedelta(days=399)


def test_a_bad_request_is_refused_as_by_the_api(jobs: Jobs) -> None:
    """Every fault of the payload is named."""
    with pytest.raises(RequestRejected, match="'number' is a required property"):
        jobs.start("kit:parcel:v1", {})


def test_a_job_is_kept_with_the_transaction_that_enqueued_it(database: str) -> None:
    """It is there after a commit, and was never there after a rollback."""
    payload = {"appId": 7, "phone": "+12025550123", "grounds": "the acres were counted twice"}
    with Session(connections.engine(database)) as session:
        undone = hms.enqueue(session, "farm:appeal:v1", payload, requested_by="test").job
        session.rollback()
        kept = hms.enqueue(session, "farm:appeal:v1", payload, requested_by="test")
        again = hms.enqueue(session, "farm:appeal:v1", payload, requested_by="test")
        session.commit()
    assert (kept.created, again.created, again.job.id) == (True, False, kept.job.id)
    with connections.engine(database).connect() as connection:
        assert read.get(connection, kept.job.id).status == "waiting"
        with pytest.raises(UnknownJob):
            read.get(connection, undone.id)


def test_versions_are_written_beside_each_other(tmp_path: Path) -> None:
    """A second version shares nothing with the first but the folder's conftest, and is never written over."""
    first, second = (set(recipe_new.files(f"city:permit:v{version}")) for version in (1, 2))
    assert first & second == {Path("conftest.py")}
    assert Path("city_permit_v2/steps.py") in second
    for place, text in recipe_new.missing(tmp_path, "city:permit:v1").items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
    with pytest.raises(FileExistsError, match=r"city-permit\.toml"):
        recipe_new.missing(tmp_path, "city:permit:v1")
    assert set(recipe_new.missing(tmp_path, "city:permit:v2")) == second - {Path("conftest.py")}


def test_a_command_finds_the_hooks_beside_the_recipes(tmp_path: Path) -> None:
    """As a process of its own, which has loaded no steps, `hms cycle sample` writes the sample."""
    for place, text in recipe_new.missing(tmp_path, "kit:found:v1").items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
    environment = {**os.environ, "HMS_RECIPES": str(tmp_path), "HMS_HOME": str(tmp_path / "home")}
    sample = run_hms(["cycle", "sample", "2", "--seed", "1"], environment)
    assert (sample.returncode, len(sample.stdout.splitlines())) == (0, 3), sample.stderr


def test_the_package_has_only_what_it_names() -> None:
    """What the README tells teams to import is there."""
    assert {name for name in hms.__all__ if not hasattr(hms, name)} == set()
    assert settings.Settings().recipes.is_dir()
