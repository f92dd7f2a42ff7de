"""How long something is kept, as people write it; and the table of a recipe that says so."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hms_oms.recipes import recipes
from hms_oms.recipes.retention import personal_data
from hms_oms.retention import rules
from hms_oms.runtime import clock, settings
from hms_oms.runtime.errors import ConfigError

BASE = 'type = "b:c:v1"\nqueue = "b"\nsla_minutes = 1\n[[steps]]\nname = "one"\n'


@pytest.mark.parametrize(("written", "days"), [("90d", 90), ("26w", 182), ("2y", 730), ("never", None)])
def test_a_duration_is_read(written: str, days: int | None) -> None:
    """Days, weeks and years, or never."""
    read = clock.read_duration(written)
    assert read == (None if days is None else timedelta(days=days))
    assert clock.read_duration(clock.write_duration(read)) == read


@pytest.mark.parametrize("written", ["", "90", "0d", "-1d", "1.5y", "3m", "101y", "NEVER", "1d 2w"])
def test_what_is_no_duration_is_refused(written: str) -> None:
    """A number alone, none at all, and more than a century are not understood."""
    with pytest.raises(ValueError, match="must be a time as 90d, 26w or 2y"):
        clock.read_duration(written)


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('jobs = "1d"', "retention.jobs: 1d is too short: jobs are kept for 2d at least"),
        ('jobs = "soon"', "retention.jobs: must be a time as 90d, 26w or 2y"),
        ('jobs = "30d"\nevents = "60d"', "retention.events: 60d is longer than retention.jobs, 30d"),
        ('jobs = "30d"\nmessages = "never"', "retention.messages: never is longer than retention.jobs, 30d"),
        ('jobs = "90d"\nkeys = "30d"', "retention.keys: 30d is shorter than retention.jobs, 90d"),
        ("jobs = 30", "retention.jobs: 30 is not of type 'string'"),
        ('job = "30d"', "retention: Additional properties are not allowed ('job' was unexpected)"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, table: str, fault: str) -> None:
    """Each fault of `[retention]` names the field and what is wrong with it."""
    path = tmp_path / "r.toml"
    path.write_text(f"{BASE}[payload]\n[retention]\n{table}\n")
    with pytest.raises(ConfigError) as refused:
        recipes.load_file(path)
    assert any(fault in item for item in refused.value.faults), refused.value.faults


def test_the_table_of_a_recipe_comes_before_the_settings(tmp_path: Path) -> None:
    """What a recipe does not name is kept as the settings say, and never longer than the job itself."""
    path = tmp_path / "r.toml"
    path.write_text(f'{BASE}[payload]\n[retention]\njobs = "30d"\npersonal_data = "1w"\n')
    recipe = recipes.load_file(path)
    keep = rules.defaults(settings.Settings()).with_table(recipe.retention)
    assert (keep.jobs, keep.personal_data) == (timedelta(days=30), timedelta(days=7))
    assert (keep.events, keep.messages, keep.attempts) == (timedelta(days=30),) * 3
    assert keep.keys == settings.Settings().keep_keys
    # A snapshot is what a job runs by; how long it is kept may change afterwards.
    assert "retention" not in recipe.as_document()


def test_the_fields_with_personal_data() -> None:
    """A field that is marked, a phone that is not unmarked, and a list with marked items count."""
    schema = {
        "properties": {
            "name": {"type": "string", "personal": True},
            "phone": {"type": "string", "format": "phone"},
            "office": {"type": "string", "format": "phone", "personal": False},
            "crop": {"type": "string"},
            "address": {"properties": {"street": {"personal": True}, "county": {}}},
            "owners": {"type": "array", "items": {"properties": {"name": {"personal": True}}}},
        }
    }
    assert personal_data.paths(schema) == (
        ("name",),
        ("phone",),
        ("address", "street"),
        ("owners",),
        ("owners", "name"),
    )


def test_a_mark_is_true_or_false(tmp_path: Path) -> None:
    """Anything else would leave it open whether data is erased."""
    path = tmp_path / "r.toml"
    path.write_text(f'{BASE}[payload.properties.name]\npersonal = "yes"\n')
    with pytest.raises(
        ConfigError, match=r"payload\.properties\.name\.personal: must be true or false, not 'yes'"
    ):
        recipes.load_file(path)
