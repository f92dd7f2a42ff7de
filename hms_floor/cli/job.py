"""`hms job`: start, read and list jobs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import IO

import click

from hms_act import accept
from hms_floor.cli import documents, request, sheet, show, tables
from hms_floor.cli.arguments import JobId, Length, Minutes, moment
from hms_floor.cli.ledger import reading, who, writing
from hms_oms import health, jobs, recipes, settings
from hms_oms.control import HIGHEST_PRIORITY
from hms_oms.records import Job
from hms_oms.states import OPEN, Status
from hms_oms.tickets import job_name

#: What `--status open` stands for.
_OPEN = "open"


@click.group()
def job() -> None:
    """Start, read and list jobs."""


@job.command("start")
@click.argument("job_type", metavar="TYPE")
@click.argument("words", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--sla", "sla_minutes", type=Minutes(), metavar="MINUTES", help="Instead of the queue's SLA.")
@click.option("--key", metavar="TEXT", help="Asking again with the same key gives the same job.")
@click.option(
    "--priority",
    type=click.IntRange(-HIGHEST_PRIORITY, HIGHEST_PRIORITY),
    default=0,
    help="The higher goes first, whatever the deadlines.",
)
@click.option("--at", "ready_at", metavar="TIME", help="Not before: 14:30, 2026-11-23 08:00 or +10m.")
@click.option(
    "--payload", "file", type=click.File(encoding="utf-8-sig"), help="A JSON object; - is standard input."
)
@show.json_option
def start(
    job_type: str,
    words: tuple[str, ...],
    sla_minutes: float | None,
    key: str | None,
    priority: int,
    ready_at: str | None,
    file: IO[str] | None,
    as_json: bool,
) -> None:
    """Start one job of TYPE with the fields KEY=VALUE of its payload.

    A value is read as JSON where the recipe wants a number, true or false, and as text elsewhere.

    \b
    Example:  hms job start farm:grant:v1 appId=219 name="Ann Lee" phone=515-555-0142 \\
                countyFips=19153 crop=corn acres=120 amountRequested=30000 \\
                submittedOn=2026-11-20 --sla 10
    """
    recipe = recipes.find(recipes.load_folder(settings.load().recipes), job_type)
    payload = request.build(recipe, words, file)
    with writing() as connection:
        now = health.clock(connection)
        started = accept.start_job(
            connection,
            recipe,
            payload,
            requested_by=who(),
            sla_minutes=sla_minutes,
            key=key,
            priority=priority,
            ready_at=None if ready_at is None else _moment(ready_at, now),
        )
    if as_json:
        show.print_json(documents.job(started.job) | {"created": started.created})
        return
    found = started.job
    if started.created:
        show.lines(f"{found.name} is {found.status} in {found.queue}, due {show.moment(found.sla, now)}.")
    else:
        show.lines(f"{found.name} has this key already, and is {found.status}; no new job was made.")
    show.lines(f"Look at it with: hms job get {found.name}")


@job.command("get")
@click.argument("number", metavar="ID", type=JobId())
@show.json_option
def get(number: int, as_json: bool) -> None:
    """Show everything about job ID: facts, timeline, payload, results.

    \b
    Example:  hms job get job-219
    """
    with reading() as connection:
        found = jobs.get(connection, number)
        diary, now = jobs.diary(connection, number), health.clock(connection)
    if not as_json:
        show.lines(*sheet.sheet(found, diary, now))
        return
    stays = sheet.took(diary, found.finished_at or now)
    timeline = [
        documents.event(line, found.steps) | {"seconds": stay.total_seconds()}
        for line, stay in zip(diary, stays, strict=True)
    ]
    show.print_json(documents.job(found) | {"timeline": timeline})


@job.command("list")
@click.option("--queue", metavar="QUEUE", help="Only jobs of this queue.")
@click.option(
    "--status",
    "statuses",
    type=click.Choice([status.value for status in Status] + [_OPEN]),
    multiple=True,
    help="Only jobs in this status; may be given several times.",
)
@click.option("--type", "job_type", metavar="TYPE", help="Only jobs of this type.")
@click.option("--batch", type=click.IntRange(1), metavar="CYCLE", help="Only jobs of this cycle.")
@click.option("--older-than", type=Length(), metavar="LENGTH", help="Only jobs accepted before: 10m, 2h, 1d.")
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="How many; 0 is all.")
@click.option("ids_only", "--ids", is_flag=True, help="Print nothing but the ids, one a line.")
@show.json_option
def list_jobs(
    queue: str | None,
    statuses: tuple[str, ...],
    job_type: str | None,
    batch: int | None,
    older_than: timedelta | None,
    limit: int,
    ids_only: bool,
    as_json: bool,
) -> None:
    """List jobs, newest first.

    \b
    Example:  hms job list --status failed --older-than 10m
    """
    wanted = jobs.Filter(
        queue=queue, status=_statuses(statuses), type=job_type, batch=batch, older_than=older_than
    )
    with reading() as connection:
        found = jobs.find(connection, wanted, limit=limit or None)
        total, now = jobs.count(connection, wanted), health.clock(connection)
    if as_json:
        show.print_json([documents.job(each) for each in found])
    elif ids_only:
        for each in found:
            click.echo(job_name(each.id))
    elif found:
        _print_table(found, now)
    else:
        show.lines("No job is like that.")
    if len(found) < total:
        click.echo(f"These are {len(found):,} of {total:,} jobs: --limit 0 shows all.", err=True)


def _print_table(found: list[Job], now: datetime) -> None:
    headers = ["id", "type", "queue", "status", "step", "attempt", "deadline", "accepted", "outcome"]
    rows = [
        (
            each.name,
            each.type,
            each.queue,
            show.status(each.status),
            each.step_name,
            str(each.attempt),
            show.deadline(each, now),
            show.relative(each.created_at, now),
            each.outcome or (str(each.error.get("type", "")) if each.error else ""),
        )
        for each in found
    ]
    spare = ["type", "queue", "attempt", "step", "accepted"]
    show.lines(tables.table(headers, rows, right=["attempt"], wide=["outcome"], spare=spare))


def _statuses(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple({str(each) for word in given for each in (OPEN if word == _OPEN else [word])})


def _moment(written: str, now: datetime) -> datetime:
    try:
        return moment(written, now)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from None
