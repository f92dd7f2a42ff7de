"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from hms_oms.database.schema.tables import metadata
from hms_oms.diagram import mermaid
from hms_oms.jobs import states
from hms_oms.runtime import settings

ROOT = Path(__file__).parents[2]


def test_the_diagram_is_the_table_of_transitions() -> None:
    """docs/how-it-works.md shows every transition, and no other."""
    assert f"```mermaid\n{mermaid()}\n```" in (ROOT / "docs" / "how-it-works.md").read_text()


def test_every_station_exists() -> None:
    """docs/how-it-works.md names the files of a job, a deadline and a request, and each is there."""
    text = (ROOT / "docs" / "how-it-works.md").read_text()
    stations = re.findall(r"`((?:hms_\w+|workers)/[\w/]+\.\w+)`", text[text.index("## Stations") :])
    assert len(stations) > 20
    assert [station for station in stations if not (ROOT / station).is_file()] == []


def test_every_test_that_a_document_names_exists() -> None:
    """docs/security.md names the test that holds each line: each is there, and no line is without one."""
    threats = (ROOT / "docs" / "security.md").read_text().partition("## Threats")[2]
    lines = [line for line in threats.splitlines() if line.startswith("| ")][1:]
    named = [re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", line) for line in lines]
    assert len(named) > 20
    assert [line for line, tests in zip(lines, named, strict=True) if not tests] == []
    there = {path: (ROOT / path).read_text() for tests in named for path, _ in tests}
    assert [
        name
        for tests in named
        for path, name in tests
        if not re.search(rf"^(async )?def {name}\(", there[path], re.M)
    ] == []


def test_what_locks_rows_is_a_statement_in_a_file_of_its_own() -> None:
    """No module of Python has a row lock in a string, except where a migration moves data."""
    modules = [
        path
        for package in ("hms_oms", "hms_act", "hms_ops", "hms_floor", "workers")
        for path in (ROOT / package).rglob("*.py")
        if "migrations" not in path.parts
    ]
    locks = re.compile(r"\bfor (no key )?(update|share)\b[^.:,;]*[\"\n]", re.IGNORECASE)
    assert [str(path) for path in modules if locks.search(path.read_text())] == []


@pytest.mark.parametrize("package", ["hms", "hms_oms", "hms_ops", "hms_act", "hms_floor", "workers"])
def test_no_folder_has_more_than_a_dozen_files(package: str) -> None:
    """What is about one subject stands together, and can be looked over."""
    folders = [path for path in [ROOT / package, *(ROOT / package).rglob("*")] if path.is_dir()]
    sizes = {
        str(folder.relative_to(ROOT)): sum(path.is_file() for path in folder.iterdir())
        for folder in folders
        if folder.name not in ("versions", "__pycache__")
    }
    assert {folder: size for folder, size in sizes.items() if size > 12} == {}


def test_no_module_is_longer_than_three_hundred_lines() -> None:
    """A module can be read at once."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for package in ("hms", "hms_oms", "hms_ops", "hms_act", "hms_floor", "workers")
        for path in (ROOT / package).rglob("*.py")
    }
    assert {path: length for path, length in lengths.items() if length > 300} == {}


def test_every_statement_has_a_name_of_its_own() -> None:
    """Statements are run by name: no two files of a package have the same."""
    for package in ("hms_oms", "hms_ops"):
        names = [path.stem for path in (ROOT / package).rglob("*.sql")]
        assert len(names) == len(set(names))


def test_every_setting_is_in_the_readme() -> None:
    """Each HMS_ name that is known is explained, and each one that is explained is known."""
    readme = (ROOT / "README.md").read_text()
    assert [name for name in settings.known_names() if f"`{name}`" not in readme] == []


def test_every_status_of_the_table_is_allowed_by_the_database(engine: sa.Engine) -> None:
    """The CHECK on oms.jobs lists the same statuses as the table of transitions."""
    with engine.connect() as connection:
        check = connection.scalar(
            sa.text("select pg_get_constraintdef(oid) from pg_constraint where conname = 'jobs_status_check'")
        )
    assert all(f"'{status}'" in str(check) for status in states.Status)
    assert str(check).count("::text") >= len(states.Status)


def test_the_tables_are_what_the_migrations_make(engine: sa.Engine) -> None:
    """Every column that SQLAlchemy knows exists with its type, and none is missing from its tables."""
    known = set(metadata.tables)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, parents: (
                    f"{parents['schema_name']}.{name}" in known if kind == "table" else True
                ),
                "compare_type": True,
            },
        )
        different = compare_metadata(context, metadata)
    # Indexes, keys and defaults belong to the migrations alone.
    kinds = ("add_column", "remove_column", "add_table", "modify_type", "modify_nullable")
    flat = [change for group in different for change in (group if isinstance(group, list) else [group])]
    assert [change for change in flat if change[0] in kinds] == []
