"""`hms job`: start, read, list and steer jobs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import IO, Any

import click
from rich.text import Text

from hms_floor.cli import names
from hms_floor.cli.jobs import actions, answers, detail
from hms_floor.cli.jobs.find import find
from hms_floor.cli.jobs.quote import quote
from hms_floor.cli.jobs.signal import signal
from hms_floor.cli.terminal import api_client, show, tables, zones
from hms_floor.cli.terminal.arguments import HIGHEST_PRIORITY, JobId, Minutes, future
from hms_floor.cli.terminal.selection import filtering
from hms_floor.cli.verbs import Verbs
from hms_floor.presentation.jobs import counted
from hms_oms.api.codec import document
from hms_oms.api.errors import NotFound
from hms_oms.api.filter import Filter
from hms_oms.documents.jobs import Job, Started
from hms_oms.jobs.tickets import job_name


@click.group(cls=Verbs, same={"show": "get"})
def job() -> None:
    """Start, read, list and steer jobs."""


for _control in (*actions.ALL, find, quote, signal, answers.hold, answers.answer):
    job.add_command(_control)


@job.command("start")
@click.argument("job_type", metavar="TYPE", shell_complete=names.job_types)
@click.argument("words", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--sla", "sla_minutes", type=Minutes(), metavar="MINUTES", help="Instead of the queue's SLA.")
@click.option(
    "--key",
    metavar="TEXT",
    help="Asking again with the same key gives the same job, unless that was cancelled.",
)
@click.option(
    "--priority",
    type=click.IntRange(-HIGHEST_PRIORITY, HIGHEST_PRIORITY),
    default=0,
    help="The higher goes first, whatever the deadlines.",
)
@click.option("--at", "ready_at", metavar="TIME", help="Not before: 14:30, 2026-11-23 08:00 or +10m.")
@click.option("--payload", "file", type=click.File("rb"), help="A JSON object; - is standard input.")
@click.option("--supersede", is_flag=True, help="Replace the job that has the key, if it has not begun.")
@click.option("--must", is_flag=True, default=None, help="Never give it up for others.")
@show.json_option
def start(
    job_type: str,
    words: tuple[str, ...],
    sla_minutes: float | None,
    key: str | None,
    priority: int,
    ready_at: str | None,
    file: IO[bytes] | None,
    supersede: bool,
    must: bool | None,
    as_json: bool,
) -> None:
    """Start one job of TYPE with the fields KEY=VALUE of its payload.

    A value is read as JSON where the recipe wants a number, true or false, and as text elsewhere.

    \b
    Example:  hms job start farm:grant:v1 appId=219 name="Ann Lee" phone=515-555-0142 \\
                countyFips=19153 crop=corn acres=120 amountRequested=30000 \\
                submittedOn=2026-11-20 --sla 10
    """
    from hms_floor.cli.jobs import request

    payload = request.of_type(job_type, words, file)
    now = api_client.clock()
    started = api_client.act().start_job(
        job_type,
        payload,
        sla_minutes=sla_minutes,
        key=key,
        priority=priority,
        not_before=None if ready_at is None else future(ready_at, now, "--at"),
        supersede=supersede,
        must=must or None,
    )
    if as_json:
        show.print_json(_whole(started) | {"created": started.created})
        return
    if started.created:
        due = show.moment(started.sla, now)
        show.lines(f"{started.id} is {started.status} in {started.queue}, due {due}.")
        if started.replaces:
            show.lines(f"It replaces {started.replaces}, which had the same key and was cancelled.")
    else:
        show.lines(f"{started.id} has this key already, and is {started.status}; no new job was made.")
    show.lines(f"Look at it with: hms job get {started.id}")


def _whole(started: Started) -> dict[str, Any]:
    try:
        whole = document(api_client.oms().job(started.id))
    except NotFound:  # retention has removed it; only its key is known
        return document(started)
    del whole["timeline"], whole["parts"], whole["childJobs"]
    return whole


@job.command("get")
@click.argument("number", metavar="ID", type=JobId(), shell_complete=names.jobs)
@show.json_option
def get(number: int, as_json: bool) -> None:
    """Show everything about job ID: facts, timeline, payload, results.

    \b
    Example:  hms job get job-219
    """
    shown = api_client.oms().job(job_name(number), forecast=True)
    if as_json:
        show.print_json(document(shown))
    else:
        show.lines(*detail.sheet(shown, api_client.clock()))


@job.command("explain")
@click.argument("number", metavar="ID", type=JobId(), shell_complete=names.jobs)
@show.json_option
def explain(number: int, as_json: bool) -> None:
    """Tell why job ID is where it is, and what would get it further.

    \b
    Example:  hms job explain job-219
    """
    explained = api_client.oms().explain(job_name(number), zone=str(zones.reader()))
    if as_json:
        show.print_json(document(explained))
    else:
        first, *others = explained.because
        show.lines(show.heading(first), *others)


@job.command("list")
@filtering
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="How many; 0 is all.")
@click.option("--parent", type=JobId(), metavar="ID", help="The parts of the steps of this job.")
@click.option(
    "--sort",
    type=click.Choice(["deadline", "lateness", "newest"]),
    help="In which order: other than newest with --late, --at-risk or --status open.",
)
@click.option("ids_only", "--ids", is_flag=True, help="Print nothing but the ids, one a line.")
@show.json_option
def list_jobs(
    selected: Filter,
    limit: int,
    parent: int | None,
    sort: str | None,
    ids_only: bool,
    as_json: bool,
) -> None:
    """List jobs, newest first; those at risk by deadline, with their predicted end.

    \b
    Example:  hms job list --late --since 1d --sort lateness
    """
    if parent is not None:
        selected = replace(selected, parent=job_name(parent))
    jobs = list(api_client.oms().jobs(selected, limit=limit or None, order=sort))
    total = api_client.oms().count(selected, most=counted.COUNTED) if len(jobs) == limit else len(jobs)
    if as_json:
        show.print_json([document(listed) for listed in jobs])
    elif ids_only:
        for listed in jobs:
            click.echo(listed.id)
    elif jobs:
        _print_table(jobs, api_client.clock())
    else:
        show.lines("No matching jobs.")
    if len(jobs) < total:
        in_all = counted.words(min(total, counted.COUNTED), uncounted=total > counted.COUNTED)
        click.echo(f"These are {len(jobs):,} of {in_all}: --limit 0 shows all.", err=True)


def _deadline(job: Job, now: datetime) -> Text:
    words = show.deadline(job.sla_expires, job.finished_at, job.status, now, job.held_at)
    given_up = job.given_up_at is not None and job.status == "waiting"
    return words.append(", given up", "bold yellow") if given_up else words


def _predicted_end(job: Job, now: datetime) -> Text:
    end = show.predicted_end(job.predicted_end, job.sla_expires, now, at_risk=job.at_risk)
    return end or Text("-", style="dim")


def _print_table(jobs: list[Job], now: datetime) -> None:
    if any(job.at_risk for job in jobs):
        _print_risks(jobs, now)
        return
    headers = ["id", "type", "queue", "status", "step", "attempt", "deadline", "accepted", "outcome"]
    rows = [
        (
            job.id,
            job.type,
            job.queue,
            show.status(job.status),
            job.step,
            str(job.attempt),
            _deadline(job, now),
            show.relative(job.created_at, now),
            job.outcome or (str(job.error.get("type", "")) if job.error else ""),
        )
        for job in jobs
    ]
    spare = ["type", "queue", "attempt", "step", "accepted"]
    show.lines(tables.table(headers, rows, right=["attempt"], wide=["outcome"], spare=spare))


def _print_risks(jobs: list[Job], now: datetime) -> None:
    rows = [
        (job.id, job.queue, show.status(job.status), _deadline(job, now), _predicted_end(job, now))
        for job in jobs
    ]
    show.lines(tables.table(["id", "queue", "status", "deadline", "predicted end"], rows, spare=["queue"]))
