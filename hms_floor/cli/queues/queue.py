"""`hms queue`: how the queues stand, what comes next in them, and who may hold them back."""

from __future__ import annotations

from datetime import datetime
from types import EllipsisType
from typing import Literal

import click
from rich.text import Text

from hms_floor.cli import names
from hms_floor.cli.jobs import undo
from hms_floor.cli.queues import queue_calendar, queue_forecast, queue_sheet, queue_watch
from hms_floor.cli.terminal import api_client, preview, show, tables
from hms_floor.cli.terminal.arguments import Limit
from hms_floor.cli.verbs import Verbs
from hms_oms.api.codec import document
from hms_oms.client import PAGE
from hms_oms.documents.queues import Queue
from hms_oms.jobs.states import WORDS
from hms_oms.order.policy import Policy
from hms_oms.runtime import format
from hms_oms.runtime.errors import UnknownQueue
from hms_ops.forecast import order_words


@click.group(cls=Verbs, same={"get": "show"})
def queue() -> None:
    """See how the queues stand; pause, resume and limit them."""


queue.add_command(queue_watch.watch)
queue.add_command(queue_forecast.forecast)
queue.add_command(queue_calendar.calendar)


@queue.command("list")
@show.json_option
def list_queues(as_json: bool) -> None:
    """List the queues: what waits, what runs, since when, and who works.

    \b
    Example:  hms queue list
    """
    queues = api_client.oms().queues()
    if as_json:
        show.print_json([document(queue) for queue in queues])
        return
    if not queues:
        show.lines("No queue yet: `hms up` or `hms db migrate` makes the queues of the recipes.")
        return
    now = api_client.clock()
    numbers = [*WORDS.values(), "done/min now", "mean of 5 min"]
    numbers += ["late", "oldest", "SLA", "next due"]
    numbers += ["workers", "slots"]
    rows = [_row(queue, now) for queue in queues]
    spare = ["held", "slots", "delayed", "queued", "mean of 5 min", "next due", "oldest", "done/min now"]
    table = tables.table(["queue", "status", *numbers], rows, right=numbers, spare=spare)
    show.lines(table, *_remarks(queues, now))


@queue.command("peek")
@click.argument("queue_name", metavar="QUEUE", shell_complete=names.queues)
@click.option("--limit", type=click.IntRange(1, PAGE), default=20, show_default=True, help="How many jobs.")
@show.json_option
def peek(queue_name: str, limit: int, as_json: bool) -> None:
    """Show the next jobs of QUEUE's backlog, in the order in which they will be handed out.

    \b
    Example:  hms queue peek farm-grant --limit 5
    """
    jobs = api_client.oms().peek(queue_name, limit)
    if as_json:
        show.print_json([document(job) for job in jobs])
        return
    if not jobs:
        show.lines(f"Nothing waits in {queue_name}.")
        return
    now = api_client.clock()
    rows = [
        (
            str(job.position),
            job.id,
            show.status(job.status),
            show.deadline(job.sla_expires, None, job.status, now),
        )
        for job in jobs
    ]
    show.lines(tables.table(["position", "id", "status", "slaExpires"], rows, right=["position"]))


@queue.command("pause")
@click.argument("queue_name", metavar="QUEUE", shell_complete=names.queues)
@click.option("--reason", metavar="TEXT", help="Why, for the person who wonders why nothing starts.")
@preview.dry_run_option
@show.json_option
def pause(queue_name: str, reason: str | None, dry_run: bool, as_json: bool) -> None:
    """Start nothing new in QUEUE until it is resumed.

    Steps that run are finished; what stands in the window goes back to its place in the backlog.

    \b
    Example:  hms queue pause farm-grant --reason "the roster is being changed"
    """
    paused = api_client.act().pause(queue_name, reason=reason, dry_run=dry_run)
    if as_json:
        show.print_json(document(paused))
        return
    if dry_run:
        preview.tell(f"{queue_name} would be paused, and go on in ten minutes.", paused.effect)
        return
    recalled = paused.recalled
    jobs_back = "1 job" if recalled == 1 else f"{recalled:,} jobs"
    show.lines(
        f"{queue_name} is paused: steps that run are finished, nothing new starts."
        f" {jobs_back} went back from the window to the backlog.",
        f"Go on with: hms queue resume {queue_name}",
    )
    undo.hint(paused.undo)


@queue.command("resume")
@click.argument("queue_name", metavar="QUEUE", shell_complete=names.queues)
@click.option("--reason", metavar="TEXT", help="Why, for the audit trail.")
@show.json_option
def resume(queue_name: str, reason: str | None, as_json: bool) -> None:
    """Go on with a QUEUE that is paused.

    \b
    Example:  hms queue resume farm-grant
    """
    resumed = api_client.act().resume(queue_name, reason=reason)
    if as_json:
        show.print_json(document(resumed))
    else:
        show.lines(f"{queue_name} goes on." if resumed.changed else f"{queue_name} was not paused.")
        undo.hint(resumed.undo)


@queue.command("limit")
@click.argument("queue_name", metavar="QUEUE", shell_complete=names.queues)
@click.option("--window", type=Limit(0), help="How many jobs may stand in front of the workers.")
@click.option("--per-minute", type=Limit(1), help="How many jobs may start in a minute.")
@click.option("--at-once", type=Limit(1), help="How many jobs may be queued or running at once.")
@click.option("--reason", metavar="TEXT", help="Why, for the incident that it may cause.")
@preview.dry_run_option
@show.json_option
def limit(
    queue_name: str,
    window: int | Literal["none"] | None,
    per_minute: int | Literal["none"] | None,
    at_once: int | Literal["none"] | None,
    reason: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Limit the window of QUEUE, its starts a minute, its jobs at once; show the limits if none is given.

    A limit that is not named stays as it is; none takes it away.

    \b
    Example:  hms queue limit farm-grant --per-minute 600 --reason "the county's server is slow today"
    """
    limits = api_client.act().limit(
        queue_name,
        window=_limit(window),
        starts_per_minute=_limit(per_minute),
        at_once=_limit(at_once),
        reason=reason,
        dry_run=dry_run,
    )
    if as_json:
        show.print_json(document(limits))
        return
    size = "as the workers need it" if limits.window is None else f"{limits.window:,} jobs at most"
    starts = "no limit" if limits.starts_per_minute is None else f"{limits.starts_per_minute:,} a minute"
    at_most = "no limit" if limits.at_once is None else f"{limits.at_once:,} jobs at most"
    words = f"{queue_name}: window {size}; starts {starts}; at once {at_most}."
    if dry_run:
        preview.tell(words, limits.effect)
        return
    show.lines(words)
    undo.hint(limits.undo)


@queue.command("policy")
@click.argument("queue_name", metavar="QUEUE", shell_complete=names.queues)
@click.argument("policy", metavar="[POLICY]", type=click.Choice([*map(str, Policy)]), required=False)
@click.option("--reason", metavar="TEXT", help="Why, for the audit trail.")
@preview.dry_run_option
@show.json_option
def set_policy(queue_name: str, policy: str | None, reason: str | None, dry_run: bool, as_json: bool) -> None:
    """Set how the jobs of QUEUE are put in order; show it where none is given.

    \b
    most-on-time  by deadline; when not all can be on time, give up the fewest
    defer         the same; those are held back until no other job waits
    deadline      by deadline, also when not all can be on time
    fifo          by when they were accepted

    \b
    Example:  hms queue policy farm-grant deadline --reason "the county wants them in turn"
    """
    instead = Policy(policy) if policy else None
    held = api_client.act().policy(queue_name, instead, reason=reason, dry_run=dry_run)
    if as_json:
        show.print_json(document(held))
        return
    if dry_run:
        preview.tell(f"{queue_name} would have the policy {held.policy}.", held.effect)
        return
    by = f" Set by {held.set_by} {show.relative(held.set_at, api_client.clock())}." if held.set_at else ""
    show.lines(f"{queue_name} has the policy {held.policy}: it {order_words.MEANING[held.policy]}.{by}")
    undo.hint(held.undo)


@queue.command("show")
@click.argument("queue_name", metavar="QUEUE", shell_complete=names.queues)
@show.json_option
def show_queue(queue_name: str, as_json: bool) -> None:
    """Show how QUEUE stands: what waits and runs, its limits and policy, and what was given up.

    \b
    Example:  hms queue show farm-grant
    """
    named = next((item for item in api_client.oms().queues() if item.name == queue_name), None)
    if named is None:
        raise UnknownQueue(queue_name, [item.name for item in api_client.oms().queues()])
    if as_json:
        show.print_json(document(named))
        return
    now = api_client.clock()
    show.lines(tables.facts(queue_sheet.facts(named, now)), *_remarks([named], now))


def _limit(given: int | Literal["none"] | None) -> int | EllipsisType | None:
    if given is None:
        return ...
    return None if given == "none" else given


def _row(queue: Queue, now: datetime) -> list[str | Text]:
    return [
        queue.name,
        show.status("paused" if queue.paused_at else "open"),
        *(show.count(getattr(queue, name), show.STYLES.get(name, "")) for name in WORDS),
        *(
            Text("-", style="dim") if rate is None else f"{60 * rate:,.0f}"
            for rate in (queue.throughput_now, queue.throughput_mean)
        ),
        show.count(queue.late, show.STYLES["late"]),
        show.about(now - queue.oldest_waiting) if queue.oldest_waiting else Text("-", style="dim"),
        show.minutes(queue.sla_minutes) if queue.sla_minutes else "",
        show.relative(queue.next_sla, now) if queue.next_sla else Text("-", style="dim"),
        show.count(queue.workers) if queue.workers else Text("none", style="bold red"),
        show.slots(queue.slots, queue.slots_lost),
    ]


def _remarks(queues: list[Queue], now: datetime) -> list[Text]:
    """Warnings about queues, one sentence each."""
    remarks = []
    for queue in queues:
        if queue.cause:
            remarks.append(f"{queue.name}: {show.cause(queue.cause)}")
        elif queue.slots_lost:
            remarks.append(f"{queue.name}: {format.slots(queue.slots, queue.slots_lost)}")
        elif queue.given_up:
            remarks.append(f"{queue.name}: {queue_sheet.given_up(queue, now)}")
        elif queue.held_hosts:
            remarks.append(f"{queue.name}: nothing more is started on {', '.join(queue.held_hosts)}")
        elif queue.paused_at:
            since = show.relative(queue.paused_at, now)
            why = f": {queue.pause_reason}" if queue.pause_reason else ""
            remarks.append(f"{queue.name} was paused {since} by {queue.paused_by}{why}")
        elif queue.open and not queue.workers:
            remarks.append(
                f"{queue.name} has {queue.open:,} open jobs and no live worker: start one with `hms up`"
            )
    return [Text(f"\n{remark}", style="yellow") for remark in remarks]
