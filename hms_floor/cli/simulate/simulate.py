"""`hms simulate`: replay arrivals against workers under each policy."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from hms_floor import ledger
from hms_floor.cli import names
from hms_floor.cli.simulate import chart
from hms_floor.cli.terminal import show, tables, zones
from hms_floor.cli.terminal.arguments import Minutes
from hms_floor.cli.terminal.errors import WrongCall
from hms_floor.presentation.foresight import simulating
from hms_oms.api.codec import document
from hms_oms.jobs.queries import days
from hms_oms.order import arrivals, comparison
from hms_oms.order.arrivals import Arrivals, UnreadableArrivals
from hms_oms.order.comparison import Comparison
from hms_oms.order.policy import Policy
from hms_oms.runtime import format

_POLICIES = [str(policy) for policy in Policy]


@click.command("simulate")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--workers", required=True, type=click.IntRange(1), metavar="N", help="Each does one job at a time."
)
@click.option(
    "--policy", "policies", multiple=True, type=click.Choice(_POLICIES), help="Only this; may be repeated."
)
@click.option(
    "--sla", type=Minutes(), metavar="MINUTES", help="Of jobs whose deadline the file does not say."
)
@click.option(
    "--queue",
    metavar="QUEUE",
    shell_complete=names.queues,
    help="Instead of a file: jobs of this queue, as the ledger has them ...",
)
@click.option(
    "--day", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="... accepted on this day, as 2026-11-23."
)
@click.option(
    "--chart", "picture", type=click.Path(dir_okay=False, path_type=Path), metavar="PNG", help="Draw it, too."
)
@show.json_option
def simulate(
    file: Path | None,
    workers: int,
    policies: Sequence[str],
    sla: float | None,
    queue: str | None,
    day: datetime | None,
    picture: Path | None,
    as_json: bool,
) -> None:
    """Tell how many jobs would be on time under each policy.

    FILE is a CSV file with the columns arrival, service, deadline and type, or a log in the Standard Workload
    Format. The order is the product's own; the bound is what no order could beat.

    \b
    Example:  hms simulate arrivals.csv --workers 8
              hms simulate --queue farm-grant --day 2026-11-23 --workers 12 --chart day.png
    """
    if (file is None) == (queue is None or day is None) or (file and (queue or day)):
        raise click.UsageError("Name a FILE, or a day of the ledger with --queue and --day.")
    if picture is not None:
        chart.require()
        if not picture.absolute().parent.is_dir():
            raise WrongCall(f"--chart {picture}: there is no folder {picture.absolute().parent}")
    jobs = _read(file, sla) if file else _day(str(queue), day)
    chosen = [Policy(name) for name in dict.fromkeys(policies)] or list(Policy)
    result = comparison.compare(jobs.jobs, workers, chosen)
    if picture is not None:
        chart.draw(result, picture)
    if as_json:
        show.print_json(document(simulating.summary(result, jobs)))
    else:
        _print(result, jobs, picture)


def _read(file: Path, sla: float | None) -> Arrivals:
    try:
        raw = file.read_bytes()
        text = (gzip.decompress(raw) if file.suffix == ".gz" else raw).decode("utf-8-sig")
        return arrivals.read(text.splitlines(), None if sla is None else 60 * sla)
    except UnreadableArrivals as error:
        raise WrongCall(f"{file}: {error}") from None
    except UnicodeDecodeError:
        raise WrongCall(f"{file}: it is no text in UTF-8") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise WrongCall(f"{file}: it is not compressed by gzip, or not whole") from None


def _day(queue: str, day: datetime | None) -> Arrivals:
    assert day is not None
    with ledger.reading() as connection:
        jobs = days.read(connection, queue, day.replace(tzinfo=zones.reader()))
    if not jobs.jobs:
        raise WrongCall(f"{queue}: no job that was accepted on {day:%Y-%m-%d} has been worked on")
    return jobs


def _print(result: Comparison, jobs: Arrivals, picture: Path | None) -> None:
    has_must = any(job.must for job in jobs.jobs)
    headers = ["policy", "on time", "late", "late on average", "longest wait"]
    rows = [
        (
            str(outcome.policy),
            _percent(outcome.on_time, result.jobs),
            f"{result.jobs - outcome.on_time:,}",
            show.span(outcome.mean_lateness) if outcome.on_time < result.jobs else "",
            show.span(outcome.longest_wait),
            *([f"{outcome.must_late:,}"] if has_must else []),
        )
        for outcome in result.outcomes
    ]
    least = result.jobs - int(result.most + 1e-6)
    rows.append(
        ("bound", _percent(result.most, result.jobs), f"{least:,}", "", "", *([""] if has_must else []))
    )
    headers += ["must, late"] if has_must else []
    work = sum(job.service for job in jobs.jobs)
    workers = format.count(result.slots, "worker")
    heading = f"{format.count(result.jobs, 'job')}, {show.span(work)} of work, {workers}"
    show.lines(
        heading, "", tables.table(headers, rows, right=headers[1:], spare=["longest wait", "late on average"])
    )
    if jobs.passed_over:
        show.lines("", f"{jobs.passed_over:,} jobs had not run, and were passed over.")
    if picture is not None:
        show.lines("", f"The chart is in {picture}.")


def _percent(part: float, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"
