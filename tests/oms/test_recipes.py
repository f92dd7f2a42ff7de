"""Recipes are validated whole, when they are loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from hms_oms.recipes import recipes
from hms_oms.runtime.errors import ConfigError, UnknownJobType

SHIPPED = Path(__file__).parents[2] / "workers" / "recipes"


def test_the_shipped_recipes_load_and_survive_the_ledger() -> None:
    """Every shipped recipe is valid, and its snapshot reads back as the same recipe."""
    loaded = recipes.load_folder(SHIPPED)
    assert {"farm:grant:v1", "farm:appeal:v1"} <= set(loaded)
    for recipe in loaded.values():
        assert recipes.Recipe.from_document(recipe.as_document()) == recipe


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


def test_an_unknown_type_names_the_known_ones() -> None:
    """Asking for a job type that no recipe describes tells which ones there are."""
    with pytest.raises(UnknownJobType, match="known are farm:appeal:v1, farm:grant:v1"):
        recipes.find(recipes.load_folder(SHIPPED), "farm:grnt:v1")
