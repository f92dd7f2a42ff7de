"""`hms job`: start, read, list and steer jobs."""

from __future__ import annotations

from datetime import datetime
from typing import IO

import click

from hms_act import accept
from hms_floor.cli import case, controls, documents, explaining, request, sheet, show, tables
from hms_floor.cli.arguments import JobId, Minutes, moment
from hms_floor.cli.ledger import reading, who, writing
from hms_floor.cli.selection import filtering
from hms_oms import health, jobs, recipes, settings
from hms_oms.control import HIGHEST_PRIORITY
from hms_oms.records import Job
from hms_oms.tickets import job_name


@click.group()
def job() -> None:
    """Start, read, list and steer jobs."""


for _control in controls.ALL:
    job.add_command(_control)


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


@job.command("explain")
@click.argument("number", metavar="ID", type=JobId())
@show.json_option
def explain(number: int, as_json: bool) -> None:
    """Tell why job ID is where it is, and what would get it further.

    \b
    Example:  hms job explain job-219
    """
    with reading() as connection:
        found = case.read(connection, number)
    if as_json:
        show.print_json(case.document(found) | {"because": list(explaining.sentences(found))})
    else:
        show.lines(*explaining.page(found))


@job.command("list")
@filtering
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="How many; 0 is all.")
@click.option("ids_only", "--ids", is_flag=True, help="Print nothing but the ids, one a line.")
@show.json_option
def list_jobs(
    wanted: jobs.Filter,
    limit: int,
    ids_only: bool,
    as_json: bool,
) -> None:
    """List jobs, newest first.

    \b
    Example:  hms job list --status failed --older-than 10m
    """
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


def _moment(written: str, now: datetime) -> datetime:
    try:
        return moment(written, now)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from None
