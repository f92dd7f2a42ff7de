"""`hms job find`: find jobs by name, number, phone or whatever their recipes show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click
from rich.text import Text

from hms_floor.cli.terminal import api_client, show, tables
from hms_oms.api.codec import document
from hms_oms.documents.jobs import Job
from hms_oms.runtime import format


@click.command("find")
@click.argument("words", metavar="WORDS...", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@show.json_option
def find(words: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find jobs that have all WORDS in what their recipes show, or in their key; newest first.

    A name, the number of an application, a phone or the number of a job: parts of words do, and neither case
    nor accents matter. Which fields are looked through, `show` in a recipe says.

    \b
    Example:  hms job find "zoe berg"
              hms job find 515-555-0142
    """
    api = api_client.oms()
    jobs, more = api.search(" ".join(words), limit=limit)
    if as_json:
        show.print_json([document(job) for job in jobs])
    elif jobs:
        _print(jobs, {job_type.type: job_type.show for job_type in api.job_types()})
    else:
        show.lines("No matching jobs.")
    if more:
        click.echo(f"More jobs match than these {len(jobs):,}: add a word, or raise --limit.", err=True)


def _print(jobs: Sequence[Job], shown_by: Mapping[str, Sequence[str]]) -> None:
    now = api_client.clock()
    fields = list(dict.fromkeys(name for job in jobs for name in shown_by.get(job.type, ())))
    rows: list[tuple[str | Text, ...]] = [
        (
            job.id,
            *(format.field(job.payload, name) for name in fields),
            job.queue,
            show.status(job.status),
            show.deadline(job.sla_expires, job.finished_at, job.status, now, job.held_at),
        )
        for job in jobs
    ]
    headers = ["id", *fields, "queue", "status", "deadline"]
    show.lines(tables.table(headers, rows, spare=["queue", *reversed(fields[1:])], wide=fields[:1]))
