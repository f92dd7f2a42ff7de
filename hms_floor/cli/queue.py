"""`hms queue`: how the queues stand, and what comes next in them."""

from __future__ import annotations

from datetime import datetime

import click
from rich.text import Text

from hms_floor.cli import documents, show, tables
from hms_floor.cli.ledger import reading
from hms_oms import control, health, jobs, queues
from hms_oms.queues import Queue


@click.group()
def queue() -> None:
    """See how the queues stand and what comes next in them."""


@queue.command("list")
@show.json_option
def list_queues(as_json: bool) -> None:
    """List the queues: what waits, what runs, since when, and who works.

    \b
    Example:  hms queue list
    """
    with reading() as connection:
        found, now = queues.overview(connection), health.clock(connection)
    if as_json:
        show.print_json([documents.queue(each) for each in found])
        return
    if not found:
        show.lines("No queue yet: `hms up` or `hms db migrate` makes the queues of the recipes.")
        return
    numbers = ["waiting", "delayed", "queued", "running", "late", "oldest", "SLA", "next due"]
    numbers += ["workers", "slots"]
    rows = [_row(each, now) for each in found]
    spare = ["slots", "delayed", "queued", "next due", "oldest"]
    table = tables.table(["queue", "status", *numbers], rows, right=numbers, spare=spare)
    show.lines(table, *_remarks(found, now))


@queue.command("peek")
@click.argument("queue_name", metavar="QUEUE")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many jobs.")
@show.json_option
def peek(queue_name: str, limit: int, as_json: bool) -> None:
    """Show the next jobs of QUEUE's backlog, in the order in which they will be handed out.

    \b
    Example:  hms queue peek farm-grant --limit 5
    """
    with reading() as connection:
        control.require_queue(connection, queue_name)
        found, now = jobs.peek(connection, queue_name, limit), health.clock(connection)
    if as_json:
        show.print_json([documents.peeked(job, place) for place, job in enumerate(found, start=1)])
        return
    if not found:
        show.lines(f"Nothing waits in {queue_name}.")
        return
    rows = [
        (str(place), job.name, show.status(job.status), show.deadline(job, now))
        for place, job in enumerate(found, start=1)
    ]
    show.lines(tables.table(["position", "id", "status", "slaExpires"], rows, right=["position"]))


def _row(each: Queue, now: datetime) -> list[str | Text]:
    return [
        each.name,
        show.status("paused" if each.paused_at else "open"),
        show.count(each.waiting),
        show.count(each.delayed),
        show.count(each.queued),
        show.count(each.running, "cyan"),
        show.count(each.late, show.STYLES["late"]),
        show.about(now - each.oldest_waiting) if each.oldest_waiting else Text("-", style="dim"),
        show.minutes(each.sla_minutes) if each.sla_minutes else "",
        show.relative(each.next_sla, now) if each.next_sla else Text("-", style="dim"),
        show.count(each.workers) if each.workers else Text("none", style="bold red"),
        show.count(each.slots),
    ]


def _remarks(found: list[Queue], now: datetime) -> list[Text]:
    """What a reader of the table must not overlook, one sentence a queue."""
    remarks = []
    for each in found:
        if each.paused_at:
            since = show.relative(each.paused_at, now)
            why = f": {each.pause_reason}" if each.pause_reason else ""
            remarks.append(f"{each.name} was paused {since} by {each.paused_by}{why}")
        elif each.open and not each.workers:
            remarks.append(
                f"{each.name} has {each.open:,} open jobs and no live worker: start one with `hms up`"
            )
    return [Text(f"\n{remark}", style="yellow") for remark in remarks]
