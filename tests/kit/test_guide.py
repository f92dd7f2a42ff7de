"""The guide to job types of your own: its blocks are written to the files that they name, and run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hms_floor.local import embedded
from tests.support.clusters import sibling
from tests.support.programs import run_hms

GUIDE = Path(__file__).parents[2] / "docs" / "job-types.md"
_BLOCK = re.compile(r"```(?:toml|python|sql)\n(?:#|--) (\S+)\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the guide."""
    place = tmp_path_factory.mktemp("guide")
    for name, text in _BLOCK.findall(GUIDE.read_text(encoding="utf-8")):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    (place / "recipes" / "seed_loan" / "__init__.py").touch()
    return place


def test_the_job_type_of_the_guide_has_no_fault(folder: Path) -> None:
    """`hms recipe check` finds nothing to correct and nothing to look at."""
    done = run_hms(["recipe", "check", str(folder / "recipes")], os.environ)
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("\nthese recipes can be used\n")


def test_the_test_of_the_guide_passes(folder: Path, servers: embedded.Servers) -> None:
    """Its job is scored, decided by the desk, answered, and late; the program of the guide starts another.

    Its scan tells how far it is, its visit waits for an answer, and its survey is done in parts.
    Its season starts scans, and waits for them.
    """
    (folder / "recipes" / "conftest.py").write_text(CONFTEST.format(url=sibling(servers, "hms")))
    (folder / "recipes" / "seed_loan" / "test_shop.py").write_text(SHOP)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "recipes")]
    environment = {"HMS_RECIPES": str(folder / "recipes"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, cwd=folder, env=environment
    )
    assert "8 passed" in done.stdout, done.stdout + done.stderr


#: As in the guide, but on the server that is there.
CONFTEST = """
import pytest
from pathlib import Path
from hms.testing import Server

@pytest.fixture(scope="session")
def hms_server():
    return Server({url!r}, Path(__file__).parent)
"""
SHOP = """
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

sys.path.append(str(Path(__file__).parents[2]))
from shop import apply_for

def test_the_shop_applies_in_its_own_transaction(hms_jobs):
    with hms_jobs.connection() as connection, Session(connection) as session:
        assert apply_for(session, 9, "+12025550123") == "job-1"
    assert hms_jobs.run() == 1

def test_a_long_step_tells_how_far_it_is(hms_jobs):
    scan = hms_jobs.start("seed:scan:v1", {"pages": 4})
    hms_jobs.run()
    assert hms_jobs.job(scan).results == {"read": {"read": 4}}
    assert [last.note for last in hms_jobs.progress(scan)] == ["page 1", "page 2", "page 3", "page 4"]

@pytest.mark.parametrize("answered", [True, False])
def test_a_visit_waits_for_its_answer(hms_jobs, answered):
    visit = hms_jobs.start("seed:visit:v1", {"farm": "Hill"})
    hms_jobs.run()
    assert hms_jobs.job(visit).event == "answered"
    if answered:
        assert hms_jobs.signal(visit, "answered", {"hours": 5})
        assert not hms_jobs.signal(visit, "answered", {"hours": 9})
        assert hms_jobs.run() == 1
        assert hms_jobs.job(visit).status == "waiting"
        hms_jobs.forward(timedelta(hours=5))
    else:
        hms_jobs.forward(timedelta(days=2))
        assert hms_jobs.run() == 0
        hms_jobs.forward(timedelta(hours=1))
    assert hms_jobs.run() == 1
    assert hms_jobs.job(visit).outcome == ("visited" if answered else "reminded")

@pytest.mark.parametrize("fields", [0, 5])
def test_a_survey_is_done_in_parts(hms_jobs, fields):
    survey = hms_jobs.start("seed:survey:v1", {"fields": fields})
    assert hms_jobs.run() == 1 + fields + 2 + 1
    done = hms_jobs.job(survey)
    assert done.results["sum"] == {"acres": 19 * fields + fields * fields, "good": fields > 1}
    assert len(hms_jobs.parts(survey)) == fields + 2
    assert [part["acres"] for part in done.results["measure"]] == [20 + 2 * field for field in range(fields)]

def test_a_season_starts_scans(hms_jobs):
    season = hms_jobs.start("seed:season:v1", {"scans": [3, 4]})
    assert hms_jobs.run() == 1 + 2 + 1
    done = hms_jobs.job(season)
    assert (done.status, done.results["close"]) == ("done", {"pages": 7})
    scan = hms_jobs.job(int(done.results["scans"][1]["job"].removeprefix("job-")))
    assert (scan.type, scan.requested_by, scan.payload) == ("seed:scan:v1", "job-1", {"pages": 4})
"""
