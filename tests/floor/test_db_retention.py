"""`hms db prune` and `hms db hold`: what the guide shows works, and what cannot be done is told."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_oms.cycles import cycles
from hms_oms.recipes import recipes, registry
from hms_oms.runtime.settings import Settings
from tests.conftest import RECIPES
from tests.support import command_line

GUIDE = Path(__file__).parents[2] / "docs" / "retention.md"
GRANT = "farm:grant:v1"
Run = command_line.Results


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, database: str, broker: str) -> Run:
    """Run `hms db ...` on this test's database."""
    monkeypatch.setenv("HMS_DATABASE_URL", database)
    monkeypatch.setenv("HMS_BROKER_URL", broker)
    return command_line.results("db")


@pytest.fixture
def ended(engine: sa.Engine, forward: Callable[[timedelta], None]) -> None:
    """Three farm grants, job-219 to job-221, that ended two and a half years ago, the first in cycle 1."""
    recipe = recipes.load_folder(Settings().recipes)[GRANT]
    with engine.begin() as connection:
        registry.register(connection, recipe)
        connection.exec_driver_sql("select setval(pg_get_serial_sequence('oms.jobs', 'id'), 218)")
        cycle = cycles.begin(connection, job_type=GRANT, name="day.csv", requested_by="test").id
        for key, batch in (("219", cycle), (None, None), (None, None)):
            payload = {"name": "Ann Lee", "crop": "corn"}
            accept.accept_many(connection, recipe, [payload], keys=[key], requested_by="test", batch_id=batch)
        cycles.close(connection, cycle)
        connection.exec_driver_sql("update oms.jobs set status = 'done', finished_at = oms.now()")
    forward(timedelta(days=912))


def test_what_the_guide_shows_works(run: Run, ended: None) -> None:
    """Every command of docs/retention.md does what is said there, one after the other."""
    commands = [
        shlex.split(line) for line in re.findall(r"^\$ hms db (.+)$", GUIDE.read_text(), re.MULTILINE)
    ]
    assert len(commands) >= 8
    # The holds come first here: what was removed cannot be held.
    for words in sorted(commands, key=lambda words: (words[0] != "hold", words == ["prune"])):
        if words[:2] != ["hold", "remove"]:
            output = run(*words)
            assert output.exit_code == 0, (words, output.output)
    [removal] = [words for words in commands if words[:2] == ["hold", "remove"]]
    assert run(*removal).exit_code == 0


def test_the_guide_has_the_defaults(run: Run) -> None:
    """docs/retention.md and the README name the durations that hold without a setting."""
    readme = (GUIDE.parents[1] / "README.md").read_text()
    for name in ("jobs", "events", "messages", "attempts", "personal_data", "keys", "audit"):
        default = getattr(Settings(), f"keep_{name}")
        assert re.search(rf"\| `HMS_KEEP_{name.upper()}` \| `{default.days}d` \|", GUIDE.read_text()), name
        assert f"`{default.days}d`" in readme


def test_a_dry_run_tells_and_a_run_does(run: Run, engine: sa.Engine, ended: None) -> None:
    """By type: how long it is kept, what is over its time, what is held; then it is removed, and audited."""
    assert run("hold", "add", "--job", "job-221", "--reason", "a lawsuit").exit_code == 0
    [known] = json.loads(run("prune", "--dry-run", "--json").stdout)["types"]
    assert (known["type"], known["keep"]["jobs"], known["personalFields"]) == (
        GRANT,
        "730d",
        ["name", "phone"],
    )
    assert (known["jobs"], known["held"], known["needed"]) == (2, 1, 0)
    for columns in (60, 120):
        output = run("prune", "--dry-run", columns=columns)
        assert "Nothing was removed" in output.output
        assert all(len(line) <= columns for line in output.output.splitlines()[:3])
    sized = run("size")
    assert "Retention would remove 2 jobs" in sized.output
    assert "1 job over time stay by a legal hold" in sized.output
    with engine.begin() as connection:  # a key is seen at once by nobody: not what is tried here
        connection.exec_driver_sql("update oms.jobs set key = null")
    assert json.loads(run("prune", "--json").stdout)["removed"]["jobs"] == 2
    assert run("prune").output == "Nothing was over its time.\n"
    with engine.connect() as connection:
        acts = connection.execute(sa.text("select action, detail from oms.audit order by id")).all()
    assert [act.action for act in acts] == ["hms db hold add", "hms db prune"]
    assert acts[1].detail["jobs"] == 2
    assert json.loads(run("prune", "--dry-run", "--json").stdout)["types"][0]["held"] == 1


def test_an_empty_ledger_has_nothing_to_keep(run: Run) -> None:
    """Nothing is removed from a ledger that never had a job, and nothing is held."""
    assert "No job was ever accepted" in run("prune", "--dry-run").output
    assert run("prune").output == "Nothing was over its time.\n"
    assert run("hold", "list").output == "Nothing is held.\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["add", "--job", "job-5", "--reason", "x"], "the ledger has no job to hold: job-5"),
        (["add", "--reason", "x"], "say what to hold by one of --job, --key"),
        (["add", "--job", "1", "--cycle", "1", "--reason", "x"], "say what to hold by one of --job, --key"),
        (["add", "--cycle", "1", "--type", "a:b:v1", "--reason", "x"], "say what to hold by one of"),
        (["add", "--job", "1", "--reason", " "], "a hold wants a reason that says something"),
        (["add", "--job", "1"], "Missing option '--reason'"),
        (["remove", "3", "--reason", "x"], "there is no hold 3 that lasts"),
    ],
)
def test_what_cannot_be_held_is_told(run: Run, words: list[str], expected: str) -> None:
    """A hold is about one thing that is there, and has a reason; nothing is written otherwise."""
    answer = run("hold", *words)
    assert answer.exit_code != 0
    assert expected in answer.output
    assert run("hold", "list", "--all").output == "Nothing is held.\n"


def test_a_recipe_with_a_wrong_table_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A command that reads the recipes tells the file, the field and the fault."""
    text = (RECIPES / "shop.toml").read_text()
    (tmp_path / "shop.toml").write_text(f'{text}\n[retention]\njobs = "1d"\n')
    monkeypatch.setenv("HMS_RECIPES", str(tmp_path))
    output = run("size")
    assert output.exit_code != 0
    assert "shop.toml: retention.jobs: 1d is too short" in output.output
