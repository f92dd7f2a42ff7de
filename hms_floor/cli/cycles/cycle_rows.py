"""`hms cycle refused` and `duplicates`: the rows of a cycle's file that made no job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click
from rich.console import RenderableType

from hms_floor.cli.terminal import api_client, show, tables
from hms_oms.api.codec import document
from hms_oms.api.errors import NotFound
from hms_oms.documents.cycles import Cycle, RefusedRow, RepeatedRow
from hms_oms.recipes.payload_equality import ABSENT

_cycle = click.argument("name", metavar="[CYCLE]", required=False)
_output = click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="A file, instead of standard output.",
)
_limit = click.option(
    "--limit", type=click.IntRange(0), default=50, show_default=True, help="How many; 0 is all."
)


@click.command("refused")
@_cycle
@click.option("kind", "--csv", flag_value="csv", help="All rows as CSV for a spreadsheet.")
@click.option("kind", "--xlsx", flag_value="xlsx", help="All rows as an Excel workbook.")
@_output
@_limit
@show.json_option
def refused(
    name: str | None,
    kind: Literal["csv", "xlsx"] | None,
    output: Path | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show the rows of a cycle that were refused: line, field, reason and the row as it came.

    CYCLE is a number or the name of a file, the latest cycle if there is none. The rows are kept as long as
    the cycle is.

    \b
    Example:  hms cycle refused 3 --xlsx --output refused.xlsx
    """
    if output is not None and kind is None:
        kind = "xlsx" if output.suffix.lower() == ".xlsx" else "csv"
    if kind is not None and as_json:
        raise click.UsageError("--json goes with neither --csv nor --xlsx.")
    if kind == "xlsx" and output is None and sys.stdout.isatty():
        raise click.UsageError("A workbook cannot be shown on a terminal: name a file with --output.")
    cycle = chosen(name)
    if kind is not None:
        _download(cycle, kind, output)
        return
    rows = list(api_client.oms().refused_rows(cycle.id, limit=limit or None))
    if as_json:
        show.print_json([document(row) for row in rows])
    elif not rows and cycle.refused:
        show.lines(f"The refused rows of cycle {cycle.id} were not kept: an older version has run it.")
    elif not rows:
        show.lines(f"No row of cycle {cycle.id} was refused.")
    else:
        show.lines(
            tables.table(
                ["line", "field", "reason", "row"],
                map(_refused, rows),
                right=["line"],
                wide=["reason", "row"],
                spare=["row"],
            )
        )
    _tell_rest(len(rows), cycle.refused)


@click.command("duplicates")
@_cycle
@click.option("--differing", is_flag=True, help="Only rows with other content than the job has.")
@_limit
@show.json_option
def duplicates(name: str | None, differing: bool, limit: int, as_json: bool) -> None:
    """Show the rows of a cycle whose key a job had already, and what differs.

    CYCLE is a number or the name of a file, the latest cycle if there is none.

    \b
    Example:  hms cycle duplicates 3 --differing
    """
    cycle = chosen(name)
    rows = list(api_client.oms().duplicates(cycle.id, differing=differing, limit=limit or None))
    if as_json:
        show.print_json([document(row) for row in rows])
    elif not rows:
        what = "differs from the job that has its key" if differing else "was known already"
        show.lines(f"No row of cycle {cycle.id} {what}.")
    else:
        show.lines(repeated_table(rows))
    _tell_rest(len(rows), cycle.differing if differing else cycle.duplicates)


def chosen(name: str | None) -> Cycle:
    """The cycle of a number or of the name of a file, the latest without one. Raises NotFound."""
    if name is None or name.isdecimal():
        return api_client.oms().cycle(int(name) if name else None)
    for cycle in api_client.oms().cycles():
        if cycle.name == name:
            return cycle
    raise NotFound(f"there is no cycle {name}", status=404)


def repeated_table(rows: list[RepeatedRow]) -> RenderableType:
    """Rows whose key was known, with what differs."""
    cells = [(str(row.line), row.job or "an earlier row", _differences(row)) for row in rows]
    return tables.table(["line", "known as", "differs in"], cells, right=["line"], wide=["differs in"])


def _differences(row: RepeatedRow) -> str:
    parts = [
        f"{field}: {_shown(pair.known)} there, {_shown(pair.sent)} here"
        if pair.known is not None
        else f"{field}: {_shown(pair.sent)} here"
        for field, pair in row.differences.items()
    ]
    return "; ".join(parts) or "nothing"


def _shown(value: object) -> str:
    return ABSENT if value == ABSENT else str(value)


def _refused(row: RefusedRow) -> tuple[str, str, str, str]:
    return str(row.line), row.field, row.reason, row.original or ""


def _download(cycle: Cycle, kind: Literal["csv", "xlsx"], output: Path | None) -> None:
    if output is None:
        api_client.oms().refused_file(cycle.id, kind, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    with output.open("wb") as file:
        api_client.oms().refused_file(cycle.id, kind, file)


def _tell_rest(shown: int, whole: int) -> None:
    if shown < whole:
        click.echo(f"These are {shown:,} of {whole:,} rows: --limit 0 shows all.", err=True)
