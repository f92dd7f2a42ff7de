"""`hms db`: bring the database to the revision that this version needs; back it up and restore it."""

from __future__ import annotations

import click

from hms_floor import ledger
from hms_floor.cli import grants
from hms_floor.cli.installation import backup
from hms_floor.cli.installation.preparing import prepare as prepare
from hms_floor.cli.terminal import show
from hms_floor.cli.terminal.errors import ERROR
from hms_oms.database import schema_revision
from hms_oms.recipes import recipes
from hms_oms.runtime import settings


@click.group()
def db() -> None:
    """Migrate the database, back it up, restore it."""


for _command in (backup.backup, backup.restore, backup.restored, backup.restore_check):
    db.add_command(_command)


@db.command("migrate")
@show.json_option
def run_migrations(as_json: bool) -> None:
    """Apply every missing migration, make the queues of the recipes, prepare what their packages keep.

    Safe to run at any time, by many at once; `hms up` does it by itself.

    \b
    Example:  hms db migrate
    """
    configured = settings.load()
    database_url, _ = configured.servers()
    done = prepare(database_url, recipes.load_folder(configured.recipes).values())
    if as_json:
        show.print_json({"before": done.before, "revision": done.revision, **done.changed})
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
