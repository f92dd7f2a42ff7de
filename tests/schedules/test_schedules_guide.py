"""Every command of docs/schedules.md does what is said there, one after the other."""

from __future__ import annotations

import json
import re
import shlex
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from hms_act.schedules import folder
from hms_act.schedules.intake import Intake
from hms_act.schedules.scheduler import Scheduler
from hms_floor.cli.installation.preparing import prepare
from hms_oms.recipes import recipe_schema, recipes
from hms_oms.recipes.schedules.written import KEYS
from hms_oms.runtime import settings
from tests.conftest import wait_until
from tests.pages.conftest import HEAD, row
from tests.support.api import standing
from tests.support.command_line import Hms, command_line

GUIDE = Path(__file__).parents[2] / "docs" / "schedules.md"
FOLDER = settings.Settings().recipes
KNOWN = recipes.load_folder(FOLDER)


@contextmanager
def taking_turns(scheduler: Scheduler) -> Iterator[None]:
    """Have a scheduler at work for as long as the block lasts."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.05):
            scheduler.turn()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)


def test_what_the_guide_shows_works(
    database: str,
    engine: sa.Engine,
    tmp_path: Path,
    forward: Callable[[timedelta], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the file of the first day there, and none on the next one."""
    monkeypatch.setattr(folder, "SETTLED_SECONDS", 0.0)
    prepare(database, KNOWN.values())
    commands = [shlex.split(line) for line in re.findall(r"^\$ hms (.+)$", GUIDE.read_text(), re.MULTILINE)]
    assert len(commands) >= 9
    incoming = tmp_path / "home" / "incoming"
    (incoming / "grants").mkdir(parents=True)
    (incoming / "grants" / "day-1.csv").write_text(f"{HEAD}\n{row(1)}\n{row(2)}\n")
    intake = Intake(engine.begin, incoming, ())
    scheduler = Scheduler(engine.begin, lambda: KNOWN, intake)
    redis = "redis://127.0.0.1:1/0"
    with (
        standing(database, redis, tmp_path / "home", FOLDER, HMS_TIMEZONE="America/Chicago") as api,
        taking_turns(scheduler),
    ):
        hms = command_line(api.environment() | {"HMS_TIMEZONE": "America/Chicago", "COLUMNS": "240"})
        for words in commands:
            if words[:2] == ["schedule", "skip"]:
                # Whatever day it is, and whatever time: to the next run, whose file is not there.
                [due, *_] = json.loads(hms("schedule", "get", "daily-grants", "--json").stdout)["next"]
                forward(datetime.fromisoformat(due) - datetime.now(UTC) + timedelta(minutes=1))
                wait_until(lambda: _last(hms, "daily-grants")["state"] == "waiting", "a run to wait")
            done = hms(*words)
            assert done.returncode == 0, (words, done.stdout, done.stderr)
            if words[:2] == ["schedule", "run"]:
                assert done.stdout == "daily-grants has started cycle 1.\n"
        assert "skipped by" in _last(hms, "daily-grants")["note"]
        assert hms("schedule", "get", "appeal-reminder").returncode == 4
        shown = hms("schedule", "get", "daily-grants").stdout
        assert "at 06:00 on Monday through Friday, America/Chicago, on business days of US" in shown
        for verb in (("list",), ("get", "daily-grants")):
            output = hms("schedule", *verb, COLUMNS="80")
            assert max(map(len, output.stdout.splitlines())) <= 80, output.stdout
        failed = hms("schedule", "run", "daily-grants")
        assert (failed.returncode, failed.stdout) == (
            1,
            f"Nothing was started: no new file grants/*.csv in {incoming}.\n",
        )


def _last(hms: Hms, name: str) -> dict[str, str]:
    answer = json.loads(hms("schedule", "get", name, "--json").stdout)["last"]
    assert isinstance(answer, dict)
    return answer


def test_the_table_of_the_guide_is_one_of_a_recipe() -> None:
    """What stands there passes, and every key that a table may have is one of a schedule."""
    [block] = re.findall(r"```toml\n(\[\[schedule\]\].*?)```", GUIDE.read_text(), re.DOTALL)
    grant = (FOLDER / "farm-grant.toml").read_text()
    document = tomllib.loads(grant.replace("[payload]\n", f"{block}\n[payload]\n", 1))
    [schedule] = recipes.parse(document, "guide").schedules
    assert (schedule.cron, schedule.calendar, schedule.overlap) == ("0 6 * * MON-FRI", "US-IL", "skip")
    assert set(recipe_schema.SCHEMA["properties"]["schedule"]["items"]["properties"]) == set(KEYS)
