"""Recipes are validated whole, when they are loaded."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hms_oms.recipes import recipes
from hms_oms.runtime.errors import ConfigError, UnknownJobType

LOAN = {
    "type": "seed:loan:v1",
    "queue": "seed-loan",
    "sla_minutes": 5,
    "steps": [{"name": "score"}],
    "payload": {"type": "object"},
}
SHIPPED = Path(__file__).parents[2] / "workers" / "recipes"


def test_the_shipped_recipes_load_and_survive_the_ledger() -> None:
    """Every shipped recipe is valid, and its snapshot reads back as the same recipe."""
    loaded = recipes.load_folder(SHIPPED)
    assert {"farm:grant:v1", "farm:appeal:v1"} <= set(loaded)
    for recipe in loaded.values():
        # What lists show is said by the recipe of now.
        assert recipes.Recipe.from_document(recipe.as_document()) == replace(recipe, show=())


def test_all_faults_of_all_files_are_listed(tmp_path: Path) -> None:
    """One load tells every fault, each with its file and field."""
    (tmp_path / "a.toml").write_text('type = "x"\nqueue = "Q Q"\nsla_minutes = 0\n[payload]\n')
    (tmp_path / "b.toml").write_text(
        'type = "b:c:v1"\nqueue = "b"\nsla_minutes = 1\nkey = "nr"\n'
        '[[steps]]\nname = "one"\n[[steps]]\nname = "one"\nretry = { attempts = 0 }\n[payload]\n'
    )
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(ConfigError) as refused:
        recipes.load_folder(tmp_path)
    text = "\n".join(refused.value.faults)
    for part in ("a.toml: type", "a.toml: queue", "a.toml: sla_minutes", "'steps' is a required property"):
        assert part in text
    assert "b.toml: steps.1.retry.attempts" in text
    assert "c.json: cannot be read" in text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('key = "nr"\n[[steps]]\nname = "one"\n[payload]\n', "key: nr is not a required field"),
        ('[[steps]]\nname = "one"\n[[steps]]\nname = "one"\n[payload]\n', "steps: one stands there twice"),
        ('[[steps]]\nname = "one"\n[payload]\ntype = "nonsense"\n', "payload.type: not a JSON Schema"),
        (
            '[[columns]]\nname = "a"\n[[steps]]\nname = "one"\n[payload]\n',
            "columns.0.field: a is not a field of the payload",
        ),
    ],
)
def test_a_recipe_must_make_sense(tmp_path: Path, text: str, fault: str) -> None:
    """What the form allows and the meaning forbids is a fault too."""
    path = tmp_path / "r.toml"
    path.write_text('type = "b:c:v1"\nqueue = "b"\nsla_minutes = 1\n' + text)
    with pytest.raises(ConfigError) as refused:
        recipes.load_file(path)
    assert fault in str(refused.value)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with one recipe in JSON; the folder of its recipes."""
    folder = tmp_path / "seeds" / "recipes"
    folder.mkdir(parents=True)
    (tmp_path / "seeds" / "__init__.py").touch()
    (folder / "loan.json").write_text(json.dumps(LOAN))
    facts = tmp_path / "seeds-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: seeds\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[hms.recipes]\nloans = seeds.recipes\n")
    monkeypatch.syspath_prepend(tmp_path)
    # The package of another test may have been looked into.
    monkeypatch.delitem(sys.modules, "seeds", raising=False)
    return folder


def test_installed_packages_bring_recipes(package: Path) -> None:
    """They stand beside those of the folder, each under its type."""
    assert {"seed:loan:v1", "farm:grant:v1"} <= set(recipes.load_folder(SHIPPED))


def test_faults_of_installed_recipes_name_their_package(package: Path, tmp_path: Path) -> None:
    """A bad file, a type that is there already, and a folder that is not in the package."""
    (package / "bad.json").write_text("{")
    shutil.copy(SHIPPED / "farm-grant.toml", package)
    (tmp_path / "seeds-1.0.dist-info" / "entry_points.txt").write_text(
        "[hms.recipes]\nloans = seeds.recipes\nvisits = seeds.visits\n"
    )
    with pytest.raises(ConfigError) as refused:
        recipes.load_folder(SHIPPED)
    text = "\n".join(refused.value.faults)
    for part in (
        "seeds: bad.json: cannot be read",
        "seeds: farm-grant.toml: type: farm:grant:v1 is described by another file too",
        "seeds: its entry point hms.recipes, visits = seeds.visits, is no package that is here",
    ):
        assert part in text


def test_an_unknown_type_names_the_known_ones() -> None:
    """Asking for a job type that no recipe describes tells which ones there are."""
    with pytest.raises(UnknownJobType, match="known are farm:appeal:v1, farm:grant:v1"):
        recipes.find(recipes.load_folder(SHIPPED), "farm:grnt:v1")
