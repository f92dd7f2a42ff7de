"""`hms recipe check`: every fault of a folder of recipes is told before anything starts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from hms_floor.cli import main
from hms_oms.recipes import recipe_schema, recipes
from tests.support.programs import run_hms

RECIPE = """
type = "city:permit:v1"
module = "city_permit.steps"
queue = "city-permit"
sla_minutes = 60
key = "permitId"

[[steps]]
name = "check"
run = "city_permit.check"
retry = { errors = ["ConnectionError"] }

[[columns]]
name = "permitId"

[payload]
type = "object"
required = ["permitId"]
properties = { permitId = { type = "string" } }
"""
STEPS = """
from workers.step import step

@step("city_permit.check")
def check(run):
    return {}
"""
HOOKS = """
from pathlib import Path
from hms_oms.recipes.hooks import Hooks

def sample(file, rows, seed, day):
    file.write("permitId\\n" + "\\n".join(str(row) for row in range(rows)))

HOOKS = Hooks(
    migrations=Path(__file__).parent / "migrations",
    samples={"city:permit:v1": sample},
    outcomes={"city:permit:v1": ("granted",)},
)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one good recipe, its package and its tables."""
    package = tmp_path / "city_permit"
    (package / "migrations").mkdir(parents=True)
    (tmp_path / "city-permit.toml").write_text(RECIPE)
    (package / "__init__.py").touch()
    (package / "steps.py").write_text(STEPS)
    (package / "hooks.py").write_text(HOOKS)
    (package / "migrations" / "0001_permits.sql").write_text("create schema city")
    return tmp_path


def checked(folder: Path) -> tuple[int, list[dict[str, Any]]]:
    """The exit code and the findings; in a process of its own, since modules are imported once."""
    done = run_hms(["recipe", "check", str(folder), "--json"], os.environ)
    return done.returncode, json.loads(done.stdout)["findings"]


def test_a_good_folder_is_told_as_usable(folder: Path) -> None:
    """Each job type is told with what it is made of, and the exit code is 0."""
    code, findings = checked(folder)
    assert code == 0
    assert findings == [
        {
            "ok": True,
            "name": "city:permit:v1",
            "light": "ok",
            "detail": "1 step, queue city-permit, 60 minutes, 1 column, 1 migration",
            "advice": "",
        }
    ]


def test_all_faults_are_told_at_once(folder: Path) -> None:
    """Faults of queues, columns, packages and samples do not hide each other."""
    recipe = RECIPE.replace('required = ["permitId"]', 'required = ["permitId", "street"]')
    recipe = recipe.replace('errors = ["ConnectionError"]', 'errors = ["NoSuchError"], base_seconds = 900')
    agents = '[[steps]]\nname = "decide"\nby = "agent"\n\n[[columns]]'
    (folder / "city-permit.toml").write_text(recipe.replace("[[columns]]", agents))
    hooks = HOOKS.replace('outcomes={"city:permit:v1"', 'outcomes={"city:premit:v1"')
    (folder / "city_permit" / "hooks.py").write_text(hooks)
    (folder / "city_permit" / "steps.py").write_text(
        STEPS + '\n@step("city_permit.other")\ndef o(run): ...\n'
    )
    migrations = folder / "city_permit" / "migrations"
    (migrations / "0001_again.sql").touch()
    (migrations / "2_more.sql").touch()
    code, findings = checked(folder)
    lines = [finding["detail"] for finding in findings if finding["light"] != "ok"]
    assert code == 1
    assert lines == [
        "queue city-permit holds steps of workers and of agents",
        "city_permit: 2_more.sql is not named like 0001_word.sql, and would be left out",
        "city_permit: two migrations are numbered 0001; one would be left out",
        "city_permit.hooks names city:premit:v1, which no recipe describes",
        "step check: retry.base_seconds exceeds max_seconds, which is then waited",
        "step check: retry.errors names NoSuchError, and there is no such exception",
        "no column fills street, which the payload requires, so no row is accepted",
        "50 of 50 rows of its sample are refused; line 2: permitId 'street' is a required property",
        "no recipe runs the step city_permit.other",
    ]


def test_a_misspelt_step_names_what_there_is(folder: Path) -> None:
    """The function that was meant is in the message."""
    (folder / "city-permit.toml").write_text(RECIPE.replace("city_permit.check", "city_permit.chek"))
    code, [finding] = checked(folder)
    assert code == 1
    assert "no function is marked @step('city_permit.chek')" in finding["detail"]
    assert "city_permit.check" in finding["detail"]


def test_the_schema_is_one_and_accepts_what_the_loader_accepts() -> None:
    """What an editor is told is what the loader refuses by."""
    printed = json.loads(CliRunner().invoke(main, ["recipe", "schema"]).output)
    assert printed == recipe_schema.SCHEMA
    jsonschema.Draft202012Validator.check_schema(printed)
    described = [key for key, value in printed["properties"].items() if "description" not in value]
    assert described == []
    known = recipes.parse({"$schema": "recipe.schema.json", **_document()}, "test")
    assert known.type == "city:permit:v1"


def _document() -> dict[str, Any]:
    import tomllib

    return tomllib.loads(RECIPE)
