"""Daemons refuse a database whose revision they do not know, or that is too old, with words."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from hms_oms.database.schema import schema_revision
from tests.conftest import Programs

DAEMONS = {
    "act": ("-m", "hms_floor", "act", "run"),
    "ops": ("-m", "hms_floor", "ops", "run"),
    "floor": ("-m", "hms_floor", "floor", "run"),
    "worker": ("-m", "celery", "-A", "workers", "worker", "-P", "threads", "-n", "w@here"),
}


@pytest.mark.parametrize(
    ("revision", "advice"),
    [
        ("9999", "upgrade this program to the release that has migrated the database"),
        ("0001", "run `hms db migrate`"),
    ],
)
def test_every_daemon_ends_and_says_what_to_do(
    programs: Programs, engine: sa.Engine, revision: str, advice: str
) -> None:
    """Exit code 1, and one sentence with both revisions; no traceback, and nothing was touched."""
    with engine.begin() as connection:
        connection.execute(sa.text("update hms_revision set version_num = :at"), {"at": revision})
    running = {name: programs.start(name, *words, HMS_FLOOR_PORT="0") for name, words in DAEMONS.items()}
    for name, process in running.items():
        assert process.wait(60) == 1, name
        said = programs.said(name)
        expected = (
            f"the database is at revision {revision}, this program needs {schema_revision.needed()}: {advice}"
        )
        assert expected in " ".join(said.split()), said
        assert "Traceback" not in said, name
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from oms.workers")) == 0
        assert connection.scalar(sa.text("select count(*) from oms.leaders")) == 0


def test_an_old_program_migrates_nothing_of_a_newer_one(programs: Programs, engine: sa.Engine) -> None:
    """`hms db migrate` and `hms db status` say that the program is too old."""
    with engine.begin() as connection:
        connection.exec_driver_sql("update hms_revision set version_num = '9999'")
    for words in (("db", "migrate"), ("db", "status")):
        assert programs.start(words[1], "-m", "hms_floor", *words).wait(60) == 1
        assert "upgrade this program" in " ".join(programs.said(words[1]).split())
