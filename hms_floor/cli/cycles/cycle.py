"""`hms cycle`: a file of requests, run, watched and reported on."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from hms_floor.cli import exit_codes, names
from hms_floor.cli.cycles import cycle_preview, cycle_rows, cycle_run
from hms_floor.cli.cycles import report as reports
from hms_floor.cli.terminal import api_client, show, tables
from hms_floor.cli.terminal.arguments import Minutes
from hms_floor.cli.verbs import Verbs
from hms_oms.api.codec import document
from hms_oms.documents.cycles import Cycle, CycleReport
from hms_oms.runtime import settings

if TYPE_CHECKING:
    from hms_oms.recipes.hooks import Sample


@click.group(cls=Verbs, same={"get": "report", "show": "report"})
def cycle() -> None:
    """Run a file of requests and watch it through; report on it."""


cycle.add_command(cycle_rows.refused)
cycle.add_command(cycle_rows.duplicates)


@cycle.command("run")
@click.argument("file", type=click.File("rb"))
@click.option("--type", "job_type", required=True, metavar="TYPE", help="The job type, as in farm:grant:v1.")
@click.option("--sla", "sla_minutes", type=Minutes(), metavar="MINUTES", help="Instead of the queue's SLA.")
@click.option(
    "--refused",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Where refused rows go, instead of FILE.refused.csv.",
)
@click.option(
    "--accept-refusals", is_flag=True, help="Start even if one reason refuses more than half of the rows."
)
@click.option("--supersede", is_flag=True, help="Let rows that differ replace jobs that have not begun.")
@click.option("--must", is_flag=True, default=None, help="Never give its jobs up for others.")
@click.option("--dry-run", is_flag=True, help="Tell what it would do, and start nothing.")
@show.json_option
@click.pass_context
def run(
    ctx: click.Context,
    file: IO[bytes],
    job_type: str,
    sla_minutes: float | None,
    refused: Path | None,
    supersede: bool,
    must: bool | None,
    accept_refusals: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Accept every row of FILE as a job and watch until all have ended.

    FILE is CSV with a header, or has one JSON object a line where its name ends in .ndjson; - is CSV on
    standard input. A row that is a job already makes no second one, so the same file may be run again.
    Ctrl-C stops the watching, not the work.

    A row with the key of a job and other content is told, and not taken. Exits with 0 if every row was taken
    or known and every job ended done, with 1 if a job did not, with 6 if some rows were refused or differ,
    with 7 if all were, and with 8 if nothing was started because one reason would refuse more than half of
    them: then the file is probably wrong. --accept-refusals starts the others all the same.

    \b
    Example:  hms cycle run today.csv --type farm:grant:v1 --sla 60 --dry-run
    """
    name = "standard input" if file.name == "<stdin>" else Path(file.name).name
    if dry_run:
        preview = cycle_run.preview(api_client.act(), job_type, file, name=name, sla_minutes=sla_minutes)
        if as_json:
            show.print_json(document(preview))
        else:
            show.lines(*cycle_preview.sheet(preview))
        ctx.exit(exit_codes.of_parts(preview.refused + preview.differing, preview.rows))
    report = cycle_run.run(
        api_client.act(),
        api_client.oms(),
        job_type,
        file,
        name=name,
        places=_refused_file(file, refused, settings.load().home),
        sla_minutes=sla_minutes,
        supersede=supersede,
        must=must,
        accept_refusals=accept_refusals,
        silent=as_json,
    )
    _print(report, as_json)
    ctx.exit(cycle_run.code(report))


@cycle.command("report")
@click.argument("batch", metavar="[CYCLE]", type=click.IntRange(1), required=False)
@show.json_option
def show_report(batch: int | None, as_json: bool) -> None:
    """Report on a cycle, the latest if none is named.

    \b
    Example:  hms cycle report 3
    """
    _print(api_client.oms().cycle(batch), as_json)


@cycle.command("list")
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="How many; 0 is all.")
@show.json_option
def list_cycles(limit: int, as_json: bool) -> None:
    """List the cycles, newest first.

    \b
    Example:  hms cycle list
    """
    cycles = list(api_client.oms().cycles(limit=limit or None))
    if as_json:
        show.print_json([document(listed) for listed in cycles])
        return
    if not cycles:
        show.lines("No cycle has been run yet: hms cycle run FILE --type TYPE runs one.")
        return
    now = api_client.clock()
    headers = ["cycle", "begun", "type", "file", "accepted", "duplicates", "refused", "by"]
    rows = [
        (
            str(listed.id),
            show.moment(listed.created_at, now),
            listed.type,
            listed.name,
            show.count(listed.accepted),
            show.count(listed.duplicates),
            show.count(listed.refused),
            listed.requested_by,
        )
        for listed in cycles
    ]
    numbers = ["cycle", "accepted", "duplicates", "refused"]
    show.lines(tables.table(headers, rows, right=numbers, wide=["file"], spare=["by", "type"]))


@cycle.command("sample")
@click.argument("rows", metavar="N", type=click.IntRange(1))
@click.option("--seed", type=click.IntRange(0), required=True, help="The same seed gives the same file.")
@click.option(
    "--type",
    "job_type",
    metavar="TYPE",
    shell_complete=names.job_types,
    help="The job type, by default the first that has a sample.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="A file, instead of standard output.",
)
def sample(rows: int, seed: int, job_type: str | None, output: Path | None) -> None:
    """Write a list of N requests as people send them, with faults in it.

    \b
    Example:  hms cycle sample 3000 --seed 7 --output today.csv
    """
    from hms_oms.recipes import hooks, recipes

    _, write = hooks.sample(recipes.load_folder(settings.load().recipes), job_type)
    if output is not None:
        write_sample(output, rows, seed, write)
        return
    stream = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
    write(stream, rows, seed, datetime.now(UTC).date())
    stream.detach()


def write_sample(path: Path, rows: int, seed: int, write: Sample) -> None:
    """Write a sample of requests to a file."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        write(stream, rows, seed, datetime.now(UTC).date())


def _refused_file(file: IO[bytes], path: Path | None, home: Path) -> Callable[[Cycle], cycle_run.Places]:
    if path is not None:
        if not path.absolute().parent.is_dir():
            raise click.BadParameter(f"there is no folder {path.parent}", param_hint="--refused")
        return lambda _: (path, path)
    if file.name == "<stdin>":
        return lambda cycle: (cycle_run.in_home(home, cycle), cycle_run.in_home(home, cycle))
    return cycle_run.beside(Path(file.name), home)


def _print(report: CycleReport, as_json: bool) -> None:
    if as_json:
        show.print_json(dict(report.report), indent=None)
    else:
        show.lines(*reports.report(report, report.progress.now))
