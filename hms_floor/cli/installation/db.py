"""`hms db`: bring the database to the revision that this version needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import click

from hms_floor import ledger
from hms_floor.cli import grants
from hms_floor.cli.terminal import show
from hms_floor.cli.terminal.errors import ERROR
from hms_oms.database import connections, migrate, schema_revision
from hms_oms.recipes import recipes, registry
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime import settings
from workers.farm_grant import roster


@dataclass(frozen=True)
class Prepared:
    """What was done to the database."""

    before: str | None
    revision: str
    queues: tuple[str, ...]
    inspectors: int

    def __str__(self) -> str:
        if self.before == self.revision:
            done = f"the database is at revision {self.revision}; nothing to migrate"
        else:
            done = f"migrated the database from revision {self.before or 'none'} to {self.revision}"
        seeded = f"{self.inspectors} new or changed" if self.inspectors else "unchanged"
        return f"{done}; queues: {', '.join(self.queues)}; inspectors: {seeded}"


def prepare(database_url: str, known: Iterable[Recipe]) -> Prepared:
    """Migrate, make the queues of the recipes, and bring the roster of inspectors up to its file."""
    engine = ledger.engine_of(database_url)
    with engine.connect() as connection:
        before = schema_revision.applied(connection)
    wrong = schema_revision.mismatch(before)
    if wrong is not None and wrong.newer:
        raise wrong
    revision = migrate.upgrade(database_url)
    queues: dict[str, None] = {}
    with engine.begin() as connection:
        for recipe in known:
            registry.register(connection, recipe)
            queues |= dict.fromkeys(recipe.queues)
    bare = connections.connect(database_url, "hms db", autocommit=False)
    try:
        inspectors = roster.seed(bare)
        bare.commit()
    finally:
        bare.close()
    return Prepared(before, revision, tuple(queues), inspectors)


@click.group()
def db() -> None:
    """Bring the database to the revision that this version needs."""


@db.command("migrate")
@show.json_option
def run_migrations(as_json: bool) -> None:
    """Apply every migration that is missing, make the queues of the recipes, seed the roster.

    Safe to run at any time, by many at once; `hms up` does it by itself.

    \b
    Example:  hms db migrate
    """
    configured = settings.load()
    database_url, _ = configured.servers()
    done = prepare(database_url, recipes.load_folder(configured.recipes).values())
    if as_json:
        show.print_json({"before": done.before, "revision": done.revision, "inspectors": done.inspectors})
    else:
        show.lines(f"{done}.")


@db.command("status")
@show.json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Tell which revision the database is at, and which this version needs; exit with 1 if they differ.

    \b
    Example:  hms db status
    """
    with ledger.reading() as connection:
        applied, needed = schema_revision.applied(connection), schema_revision.needed()
    if as_json:
        show.print_json({"applied": applied, "needed": needed})
    else:
        wrong = schema_revision.mismatch(applied)
        told = f"the database is at revision {applied}, as needed" if wrong is None else str(wrong)
        show.lines(f"{told[0].upper()}{told[1:]}.")
    if applied != needed:
        ctx.exit(ERROR)


db.add_command(grants.grants)
