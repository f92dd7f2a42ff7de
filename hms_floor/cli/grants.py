"""`hms db grants`: the least rights in PostgreSQL of each kind of process."""

from __future__ import annotations

import click
from sqlalchemy import Connection, text

from hms_floor import ledger
from hms_floor.cli.terminal import show
from hms_floor.cli.terminal.errors import Failure
from hms_oms import grants as least
from hms_oms.database.schema import schema_revision
from hms_oms.recipes import hooks, recipes
from hms_oms.runtime import settings

_ROLES = "\n".join(f"{name:>10}  {rights.purpose}" for name, rights in least.ROLES.items())


@click.command(
    "grants",
    help=f"""Print the SQL that gives ROLE's processes the rights that they need in PostgreSQL, and no others.

\b
{_ROLES}

The role in PostgreSQL is called hms_ROLE unless --to names it, and has to be there; it is never changed
itself, so passwords and limits stay as they are. Run it by the owner of the schemas, after `hms db migrate`.

\b
Example:  hms db grants worker
          hms db grants worker --apply
""",
)
@click.argument("role", type=click.Choice(list(least.ROLES)))
@click.option("--to", "name", metavar="NAME", help="The role in PostgreSQL; else hms_ROLE.")
@click.option(
    "--workers",
    metavar="NAME",
    default="hms_worker",
    show_default=True,
    help="The workers' role in PostgreSQL, whose sessions the dispatcher has to end.",
)
@click.option("--apply", "runs", is_flag=True, help="Run it, too, all or nothing.")
@show.json_option
def grants(role: str, name: str | None, workers: str, runs: bool, as_json: bool) -> None:
    """Print the SQL of a role's least rights, and run it if asked to."""
    name = name or f"hms_{role}"
    packages = hooks.packages(recipes.load_folder(settings.load().recipes).values()).values()
    with ledger.writing() as connection:
        database = str(connection.scalar(text("select current_database()")))
        statements = list(least.statements(role, name, workers, database, packages))
        if runs:
            _apply(connection, statements, [name, workers] if least.ROLES[role].ends_workers else [name])
    if as_json:
        show.print_json({"role": role, "name": name, "applied": runs, "statements": statements})
        return
    click.echo(f"-- {least.ROLES[role].purpose}{'; applied' if runs else ''}")
    click.echo(";\n".join([*statements, ""]), nl=False)


def _apply(connection: Connection, statements: list[str], names: list[str]) -> None:
    wrong = schema_revision.mismatch(schema_revision.applied(connection))
    if wrong is not None:
        raise wrong
    for name in names:
        if connection.scalar(text("select to_regrole(:name)::text"), {"name": least.quoted(name)}) is None:
            raise Failure(
                f"there is no role {name} in PostgreSQL; create it first:"
                f" create role {least.quoted(name)} login password '...'"
            )
    for statement in statements:
        connection.exec_driver_sql(statement)
