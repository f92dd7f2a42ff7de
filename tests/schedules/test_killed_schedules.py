"""Whatever statement a dispatcher dies at: what was due is started once, by one that comes after it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import sqlalchemy as sa

from tests.conftest import RECIPES
from tests.schedules.conftest import Office
from tests.support.programs import Program

#: Takes turns of a scheduler, and dies by SIGKILL at the statement or commit with this number.
SCHEDULER = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from hms_act.schedules import folder
from hms_act.schedules.intake import Intake
from hms_act.schedules.scheduler import Scheduler
from hms_oms.database import connections
from hms_oms.recipes import recipes
from hms_oms.recipes.recipes import Column

url, known, incoming, last = sys.argv[1:]
folder.SETTLED_SECONDS = 0.0
engine = connections.engine(url)
left = int(last)

def count(*_):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

sa.event.listen(engine, "before_cursor_execute", count)
sa.event.listen(engine, "commit", count)
recipe = recipes.load_folder(Path(known))["shop:order:v1"]
recipe = replace(recipe, columns=(Column("number", "number", "positive-integer"),))
scheduler = Scheduler(engine.begin, lambda: {recipe.type: recipe}, Intake(engine.begin, Path(incoming), ()))
for _ in range(3):
    scheduler.turn()
"""
#: Every so manieth statement is tried, for each costs a process; `make chaos` tries them all.
STRIDE = int(os.environ.get("STRIDE", "3"))


def test_what_is_due_is_started_once_however_often_schedulers_die(
    office: Office, database: str, tmp_path: Path
) -> None:
    """A job and a file are due; each scheduler dies some statements later than the one before it."""
    office.add()
    office.add("files", source="*.csv")
    office.file("day.csv", 1, 2, 3)
    office.until(6)
    deaths = 0
    for last in range(1, 1000, STRIDE):
        words = ["-c", SCHEDULER, database, str(RECIPES), str(office.incoming), str(last)]
        code = Program(words, dict(os.environ), tmp_path / "scheduler.log", tmp_path).wait(30)
        started = [number for number, _ in office.jobs()]
        # Of a transaction that was cut off there is nothing, and of a committed one all.
        assert sorted(started) in ([], [7], [1, 2, 3], [1, 2, 3, 7])
        if code != -signal.SIGKILL:
            break
        deaths += 1
    assert code == 0, (tmp_path / "scheduler.log").read_text()
    assert deaths > 30 // STRIDE
    assert sorted(started) == [1, 2, 3, 7]
    assert office.states() == office.states("files") == ["started"]
    with office.engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from oms.batches")) == 1
