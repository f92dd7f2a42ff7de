"""The example of road damage on the real thing: every command of docs/road-damage.md, one after the other."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import sqlalchemy as sa

from hms_floor.cli.installation.preparing import prepare
from hms_oms.recipes import recipes
from tests.conftest import Programs, wait_until
from tests.road_damage.test_road_steps import EXAMPLE, SUPERINTENDENTS
from tests.support.api import free_port, standing
from tests.support.command_line import Hms, command_line
from workers import modules

GUIDE = (EXAMPLE.parents[1] / "docs" / "road-damage.md").read_text(encoding="utf-8")
RECIPES = EXAMPLE / "recipes"


def test_what_the_guide_quotes_is_in_the_example() -> None:
    """Each block that names a file of the example stands in it, and each file of the table is there."""
    quoted = re.findall(r"```(?:toml|python)\n# (\S+)\n(.*?)```", GUIDE, re.DOTALL)
    assert len(quoted) == 4
    for name, block in quoted:
        assert block in (EXAMPLE / name).read_text(encoding="utf-8"), name
    named = re.findall(r"^\| `(\S+)` \|", GUIDE, re.MULTILINE)
    assert len(named) == 5
    assert [name for name in named if not (EXAMPLE / name).is_file()] == []


def test_the_guide_from_its_first_command_to_its_last(
    programs: Programs,
    database: str,
    broker: str,
    engine: sa.Engine,
    tmp_path: Path,
) -> None:
    """One report is repaired and another escalates; the round runs; the map hears of each once."""
    known = recipes.load_folder(RECIPES)
    modules.load(known, RECIPES)
    prepare(database, known.values())
    programs.environment |= {
        "HMS_RECIPES": str(RECIPES),
        "HMS_EVENTS_NETWORKS": "127.0.0.0/8",
        "PYTHONPATH": f"{programs.environment['PYTHONPATH']}{os.pathsep}{EXAMPLE}",
    }
    programs.dispatcher()
    programs.worker(pool="threads", slots=2)
    programs.start("ops", "-m", "hms_floor", "ops", "run")
    home = {"HMS_EVENTS_NETWORKS": "127.0.0.0/8"}
    with standing(database, broker, tmp_path, RECIPES, **home) as api:
        guide = _Guide(programs, command_line(api.environment() | home | {"COLUMNS": "200"}), tmp_path)
        for line in re.findall(r"^\$ (.+)$", GUIDE, re.MULTILINE):
            guide.follow(line)
        cycle = ("cycle", "run", str(tmp_path / "reports.csv"), "--type", "road:damage:v1")
        programs.start("cycle", "-m", "hms_floor", *cycle, **api.found)
        wait_until(lambda: guide.events() == ["contractor-confirmed"], "the third report to wait", 40)
        with engine.begin() as connection:
            # Two hours later on this machine; a clock that is put forward makes every signature an old one.
            connection.exec_driver_sql("update oms.jobs set ready_at = oms.now() where event is not null")
        kept = tmp_path / "map.jsonl"
        wait_until(lambda: kept.exists() and len(_lines(kept)) == 4, "the map to hear of three reports", 60)
        report = json.loads(guide.hms("cycle", "report", "--json").stdout)
    outcomes = ("ordered", "escalated", "noted", "elsewhere")
    assert ({name: report[name] for name in outcomes}, report["refused"]) == (
        dict(zip(outcomes, (0, 1, 1, 1), strict=True)),
        1,
    )
    assert len({line["id"] for line in _lines(kept)}) == 4
    outcomes_kept = {line["outcome"] for line in _lines(kept)}
    assert outcomes_kept == {
        None,
        "elsewhere",
        "escalated",
        "noted",
    }  # None: the one that `webhook test` sends
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("select report, state, contractor from road_damage.reports order by 1")
        )
        assert [tuple(row) for row in rows] == [
            ("R-1", "ordered", "Hill Paving"),
            ("R-2", "noted", None),
            ("R-4", "escalated", None),
        ]
        texted = connection.scalars(
            sa.text("select body from oms.messages where recipient = :phone order by id"),
            {"phone": SUPERINTENDENTS["north"]},
        )
        assert texted.all() == ["north: 1 reports, 0 without a contractor."]


class _Guide:
    """Does what the lines of the guide say, in a folder of the test."""

    def __init__(self, programs: Programs, hms: Hms, folder: Path) -> None:
        self.hms = hms
        self._programs = programs
        self._folder = folder
        self._port = str(free_port())
        self._secret = ""
        self._write("reports.csv", GUIDE.partition("```csv\n# reports.csv\n")[2].partition("```")[0])

    def follow(self, line: str) -> None:
        """Do one line, as soon as what it needs is there."""
        words = [self._here(word) for word in shlex.split(line)]
        if words[0] == "python":
            self._programs.start("map", "-m", "road_map", *words[2:], MAP_SECRET=self._secret)
        elif words[0] == "echo":
            self._write(Path(words[-1]).name, words[1])
        elif words[0] == "hms" and words != ["hms", "up"]:
            if "signal" in words:
                wait_until(lambda: self.events() == ["contractor-confirmed"], "the foreman to be asked", 40)
            done = self.hms(*words[1:])
            refused = 6 if "--dry-run" in words else 0
            assert done.returncode == refused, (line, done.stdout, done.stderr)
            self._secret = next((w for w in done.stdout.split() if w.startswith("whsec_")), self._secret)

    def events(self) -> list[str]:
        """The events that jobs wait for."""
        jobs = json.loads(self.hms("job", "list", "--json").stdout)
        names = [json.loads(self.hms("job", "get", job["id"], "--json").stdout)["event"] for job in jobs]
        return [name for name in names if name is not None]

    def _here(self, word: str) -> str:
        if word.endswith((".csv", ".json")):
            return str(self._folder / word)
        return word.replace("8700", self._port)

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text)


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
