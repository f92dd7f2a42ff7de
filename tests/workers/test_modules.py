"""Step modules of a team are found beside its recipes and checked whole, before anything is started."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hms_oms.recipes import recipes
from hms_oms.runtime.errors import ConfigError
from workers import modules, step

ROOT = Path(__file__).resolve().parents[2]
RECIPE = """
type = "team:work:v1"
module = "team_steps"
queue = "team"
sla_minutes = 5

[[steps]]
name = "first"
run = "team.first"

[payload]
type = "object"
"""
STEPS = """
from workers.step import step

@step("team.first")
def first(run):
    return {"by": "step"}
"""
SHARED = """
from celery import shared_task

@shared_task(name="team.first")
def other():
    return "by the shared task"
"""


def team(folder: Path, steps: str | None = STEPS, recipe: str = RECIPE) -> Path:
    """A folder with the recipe of a team, and its step module beside it."""
    folder.mkdir()
    (folder / "work.toml").write_text(recipe)
    if steps is not None:
        (folder / "team_steps.py").write_text(steps)
    return folder


def python(folder: Path, code: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a line of Python as a worker's process sees the recipes of `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HMS_")}
    environment = {
        **kept,
        "PYTHONPATH": str(ROOT),
        "HMS_HOME": str(cwd / "home"),
        "HMS_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "HMS_BROKER_URL": "redis://127.0.0.1:1/0",
        "HMS_RECIPES": str(folder),
        **more,
    }
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=60,
    )


TASK = "from workers.main import app; print(type(app.tasks['team.first']).__mro__[1].__name__)"


def test_steps_beside_the_recipes_are_found(tmp_path: Path) -> None:
    """A module in the recipes' folder needs no PYTHONPATH."""
    done = python(team(tmp_path / "recipes"), TASK, tmp_path)
    assert done.stdout == "StepTask\n", done.stderr


@pytest.mark.parametrize("steps", [SHARED + STEPS, STEPS + SHARED], ids=["before", "after"])
def test_a_shared_task_called_like_a_step_does_not_become_it(tmp_path: Path, steps: str) -> None:
    """Whichever of the two is defined first, the name leads to the step."""
    done = python(team(tmp_path / "recipes", steps), TASK, tmp_path)
    assert done.stdout == "StepTask\n", done.stderr


@pytest.mark.parametrize(
    ("steps", "recipe", "said"),
    [
        (None, RECIPE, "team:work:v1: module team_steps is not found; put it beside the recipes in "),
        ("import nowhere", RECIPE, "team:work:v1: module team_steps needs nowhere, which is not installed"),
        ("1 / 0", RECIPE, "module team_steps cannot be imported: ZeroDivisionError: division by zero"),
        (
            STEPS,
            RECIPE.replace("team.first", "team.fist"),
            "step first: no function is marked @step('team.fist'); team_steps has team.first",
        ),
        (SHARED, RECIPE, "step first: no function is marked @step('team.first'); team_steps has none"),
    ],
    ids=["missing", "dependency", "broken", "misspelt", "only-shared"],
)
def test_a_fault_in_a_team_s_module_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: str | None, recipe: str, said: str
) -> None:
    """The message names type, step and module, and what is there instead."""
    monkeypatch.setattr(step, "registered", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "team_steps", raising=False)
    folder = team(tmp_path / "recipes", steps, recipe)
    importlib.invalidate_caches()
    with pytest.raises(ConfigError) as refused:
        modules.load(recipes.load_folder(folder), folder)
    monkeypatch.delitem(sys.modules, "team_steps", raising=False)
    assert said in str(refused.value)


def test_hms_up_starts_nothing_with_a_broken_module(tmp_path: Path) -> None:
    """A misspelt step ends `hms up` with its sentence, before there is even a home."""
    folder = team(tmp_path / "recipes", recipe=RECIPE.replace("team.first", "team.fist"))
    code = "import sys; from hms_floor.__main__ import main; sys.argv = ['hms', 'up']; main()"
    done = python(folder, code, tmp_path)
    assert done.returncode == 1
    assert "no function is marked @step('team.fist')" in done.stderr
    assert not (tmp_path / "home").exists()


def test_the_settings_of_another_celery_project_are_not_used(tmp_path: Path) -> None:
    """A `celeryconfig.py` in the current folder stays unread."""
    (tmp_path / "celeryconfig.py").write_text("raise SystemExit('somebody else')")
    code = (
        "import sys; sys.path.insert(0, ''); from workers.main import app; print(app.conf.task_ignore_result)"
    )
    done = python(team(tmp_path / "recipes"), code, tmp_path)
    assert done.stdout == "True\n", done.stderr


def test_a_foreign_package_called_workers_gets_a_sentence(tmp_path: Path) -> None:
    """Where the name leads elsewhere, the message says where to and what to do."""
    (tmp_path / "workers.py").write_text("")
    code = (
        "import sys\n"
        "from hms_oms.recipes import recipes\n"
        "from hms_oms.runtime import settings\n"
        "from workers import modules\n"
        "sys.modules.pop('workers'); sys.path.insert(0, '')\n"
        "configured = settings.load()\n"
        "modules.load(recipes.load_folder(configured.recipes), configured.recipes)\n"
    )
    done = python(team(tmp_path / "recipes"), code, tmp_path)
    assert "`workers` leads to" in done.stderr
    assert "`hms worker run` starts a worker from anywhere" in done.stderr
