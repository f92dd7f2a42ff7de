"""`hms db`: bring the database to the revision that this version needs; back it up and restore it."""

from __future__ import annotations

import click

from hms_floor import ledger
from hms_floor.cli import grants
from hms_floor.cli.database import hold, prune, size
from hms_floor.cli.installation import backup
from hms_floor.cli.installation.preparing import prepare as prepare
from hms_floor.cli.terminal import show
from hms_floor.cli.terminal.errors import ERROR
from hms_oms.database.schema import schema_revision
from hms_oms.recipes import package_migrations, recipes
from hms_oms.runtime import settings


@click.group()
def db() -> None:
    """Migrate the database, back it up, restore it; see how it ages."""


for _command in (
    backup.backup,
    backup.restore,
    backup.restored,
    backup.restore_check,
    size.size,
    prune.prune,
    hold.hold,
):
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
    done = prepare(database_url, recipes.load_folder(configured.recipes).values(), str(configured.zone))
    if as_json:
        show.print_json({"before": done.before, "revision": done.revision, **done.changed})
    else:
        show.lines(f"{done}.")


@db.command("status")
@show.json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Tell which revision the database is at, and which this version needs; exit with 1 if they differ.

    The tables of the job types' packages have revisions of their own.

    \b
    Example:  hms db status
    """
    known = recipes.load_folder(settings.load().recipes).values()
    with ledger.reading() as connection:
        applied = schema_revision.applied(connection)
        wrong = schema_revision.mismatch(applied)
        packages = tuple(package_migrations.schemas(connection, known)) if wrong is None else ()
    if as_json:
        document = {
            package.package: {"applied": package.applied, "needed": package.needed} for package in packages
        }
        needed = schema_revision.needed()
        show.print_json({"applied": applied, "needed": needed, "packages": document})
    else:
        line = f"the database is at revision {applied}, as needed" if wrong is None else str(wrong)
        lines = [line, *(str(package.mismatch) for package in packages if package.mismatch)]
        show.lines(*(f"{line[0].upper()}{line[1:]}." for line in lines))
    if wrong is not None or any(package.mismatch for package in packages):
        ctx.exit(ERROR)


db.add_command(grants.grants)
