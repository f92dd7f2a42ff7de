"""What the package of a job type adds to the product's commands."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from hms_oms import grants
from hms_oms.recipes import hooks, recipes
from hms_oms.recipes.recipes import Recipe, Recipes
from hms_oms.runtime import settings
from hms_oms.runtime.errors import UnknownJobType


@pytest.fixture
def known() -> Recipes:
    """The recipes that come with the product."""
    return recipes.load_folder(settings.Settings().recipes)


def test_a_sample_is_of_the_type_that_offers_one(known: Recipes) -> None:
    """Without a type it is the first that has any; a type without one is told those that have."""
    job_type, write = hooks.sample(known, None)
    assert (job_type, hooks.sample(known, job_type)) == ("farm:grant:v1", (job_type, write))
    stream = io.StringIO()
    write(stream, 3, 7, date(2026, 11, 29))
    assert stream.getvalue().count("\n") >= 4
    with pytest.raises(UnknownJobType, match="known are farm:grant:v1"):
        hooks.sample(known, "farm:appeal:v1")


def test_reports_have_the_outcomes_that_a_type_declares(known: Recipes, shop: Recipe) -> None:
    """The grants' are there at any time; a type without hooks, or one that is gone, declares none."""
    assert hooks.outcomes(known["farm:grant:v1"]) == ("assigned", "rejected")
    assert hooks.outcomes(shop) == hooks.outcomes(None) == ()


def test_a_package_grants_rights_on_its_own_tables_only() -> None:
    """What the product grants on its tables stays; the reader reads those of the package, too."""
    package = hooks.Hooks(rights={"worker": {"loans.scores": "select, insert", "oms.jobs": "delete"}})
    roles = grants.roles([package])
    assert roles["worker"].tables["loans.scores"] == "select, insert"
    assert roles["worker"].tables["oms.jobs"] == grants.ROLES["worker"].tables["oms.jobs"]
    assert roles["reader"].tables["loans.scores"] == "select"
    assert "loans.scores" not in roles["api"].tables
    assert set(grants.schemas([package])) == {"loans", "oms", "ops"}


@pytest.mark.parametrize("module", [None, "shop", "no_such_package.steps", "tests.oms.steps"])
def test_a_package_need_not_have_hooks(shop: Recipe, module: str | None) -> None:
    """A module that stands alone, is not installed here, or has no hooks beside it adds nothing."""
    assert hooks.of(replace(shop, module=module)) == hooks.NONE


def test_a_fault_inside_of_hooks_is_told(
    shop: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hooks that need what is not installed are not taken for none."""
    (tmp_path / "broken_app").mkdir()
    (tmp_path / "broken_app" / "hooks.py").write_text("import not_installed_anywhere\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
        hooks.of(replace(shop, module="broken_app.steps"))
