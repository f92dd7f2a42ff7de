"""The tables of farm grants: made by their own migrations, also beside what the release before has made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from hms_floor.cli.installation import preparing
from hms_oms.database.schema.schema_revision import MIGRATIONS
from hms_oms.recipes import package_migrations, recipes
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime import settings
from hms_oms.runtime.errors import UnknownSchema

KNOWN = recipes.load_folder(settings.Settings().recipes).values()
PACKAGE = "workers.farm_grant"
#: What the product's own migration 0002 did before.
OF_THE_PRODUCT = """
create schema farm;
create table farm.inspectors (
    id int primary key,
    name text not null,
    state char(2) not null check (state ~ '^[0-9]{2}$'),
    open_visits int not null default 0 check (open_visits >= 0),
    active bool not null default true
)
with (fillfactor = 50);
create index inspectors_pick on farm.inspectors (state, id) where active;
create table farm.assignments (
    app_id bigint primary key,
    job_id bigint not null,
    inspector_id int not null references farm.inspectors,
    county_fips text not null,
    assigned_at timestamptz not null
);
insert into farm.inspectors (id, name, state, open_visits, active) values (7, 'Old Name', '19', 3, false);
insert into farm.assignments values (219, 1, 7, '19001', oms.now());
"""
SHAPE = """
select concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default)
from information_schema.columns where table_schema = 'farm'
union all select indexdef from pg_indexes where schemaname = 'farm'
union all select pg_get_constraintdef(oid) from pg_constraint where connamespace = 'farm'::regnamespace
union all select relname || reloptions::text from pg_class where relnamespace = 'farm'::regnamespace
"""


def shape(engine: sa.Engine) -> list[str]:
    """The columns, indexes, constraints and storage of everything in schema farm."""
    with engine.connect() as connection:
        return sorted(str(line) for line in connection.scalars(sa.text(SHAPE)))


def go_back(engine: sa.Engine, revision: str) -> None:
    """Take back the product's migrations after a revision."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def test_a_filled_ledger_of_the_release_before_goes_on(database: str, engine: sa.Engine) -> None:
    """Visits and loads stay, the roster follows its file, and the tables are those of a new ledger."""
    fresh = shape(engine)
    go_back(engine, "0021")
    with engine.begin() as connection:
        connection.exec_driver_sql("drop schema farm cascade")
        connection.exec_driver_sql(OF_THE_PRODUCT.replace("%", "%%"))
    done = preparing.prepare(database, KNOWN)
    assert done.before == "0021"
    assert shape(engine) == fresh
    with engine.connect() as connection:
        assert connection.execute(
            sa.text("select name != 'Old Name', open_visits, active from farm.inspectors where id = 7")
        ).one() == (True, 3, False)
        assert connection.scalar(sa.text("select inspector_id from farm.assignments where app_id = 219")) == 7
        applied = sa.text("select package, revision from oms.package_revisions")
        assert connection.execute(applied).all() == [(PACKAGE, "0001")]
    assert preparing.prepare(database, KNOWN).changed == {"inspectors": 0}


class Loans:
    """A job type of another team, whose package gets one migration after the other."""

    def __init__(self, shop: Recipe, folder: Path) -> None:
        self._migrations = folder / "migrations"
        self._migrations.mkdir(parents=True)
        (folder / "hooks.py").write_text(
            "from pathlib import Path\nfrom hms_oms.recipes.hooks import Hooks\n"
            "HOOKS = Hooks(migrations=Path(__file__).parent / 'migrations')\n"
        )
        self.known = [replace(shop, module=f"{folder.name}.steps")]

    def add(self, name: str, statements: str) -> Path:
        """Write the next migration."""
        path = self._migrations / name
        path.write_text(statements)
        return path


@pytest.fixture
def loans(shop: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loans:
    """A package with its first migration."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Loans(shop, tmp_path / f"loans_{tmp_path.name}")
    made.add(
        "0001_loans.sql", "create schema loans; create table loans.scores (rest text check (rest like '%'))"
    )
    return made


def test_each_file_is_applied_once_and_in_order(database: str, engine: sa.Engine, loans: Loans) -> None:
    """A release adds files; what was applied is not run again, and a worker asks for what is missing."""
    with pytest.raises(UnknownSchema, match="revision none, this program needs 0001: run `hms db migrate`"):
        package_migrations.require(database, loans.known)
    for _ in range(2):
        preparing.prepare(database, loans.known)
    package_migrations.require(database, loans.known)
    loans.add("0003_by.sql", "alter table loans.scores add by text references loans.people")
    loans.add("0002_people.sql", "create table loans.people (name text primary key)")
    with pytest.raises(UnknownSchema, match="at revision 0001, this program needs 0003: run"):
        package_migrations.require(database, loans.known)
    preparing.prepare(database, loans.known)
    with engine.connect() as connection:
        assert set(sa.inspect(connection).get_table_names("loans")) == {"people", "scores"}


def test_a_migration_that_fails_leaves_nothing_behind(database: str, engine: sa.Engine, loans: Loans) -> None:
    """The files before it are taken back with it, so that they are all applied when it is mended."""
    broken = loans.add("0002_by.sql", "alter table loans.no_such_table add by text")
    with pytest.raises(sa.exc.ProgrammingError):
        preparing.prepare(database, loans.known)
    with engine.connect() as connection:
        assert "loans" not in sa.inspect(connection).get_schema_names()
    broken.write_text("alter table loans.scores add by text")
    preparing.prepare(database, loans.known)
    package_migrations.require(database, loans.known)


def test_an_older_package_leaves_the_tables_of_a_newer_one_alone(database: str, loans: Loans) -> None:
    """Neither a migration nor a worker of it begins: the program has to be upgraded."""
    newer = loans.add("0002_by.sql", "alter table loans.scores add by text")
    preparing.prepare(database, loans.known)
    newer.unlink()
    for begin in (preparing.prepare, package_migrations.require):
        with pytest.raises(UnknownSchema, match="at revision 0002, this program needs 0001: upgrade this"):
            begin(database, loans.known)
