"""`hms sla`: how many minutes a queue has for a job, and who said so."""

from __future__ import annotations

from collections.abc import Sequence

import click

from hms_floor import ahead
from hms_floor.cli import door, promises, show, tables, undoing
from hms_floor.cli.arguments import Minutes
from hms_oms.answers import Sla
from hms_oms.reading import document


@click.group()
def sla() -> None:
    """Set what queues promise; see how it was kept and what will break."""


for _command in (promises.report, promises.at_risk):
    sla.add_command(_command)


@sla.command("set")
@click.argument("queue")
@click.argument("minutes", type=Minutes())
@click.option("--reason", metavar="TEXT", help="Why, for the history.")
@click.option("--dry-run", is_flag=True, help="Only tell how the jobs that are open now would fare.")
@show.json_option
def set_minutes(queue: str, minutes: float, reason: str | None, dry_run: bool, as_json: bool) -> None:
    """Hold QUEUE to MINUTES from now on.

    Jobs that were accepted before keep their deadline.

    \b
    Example:  hms sla set farm-grant 45 --reason "county fair next week"
    """
    found = door.act().set_sla(queue, minutes, reason=reason, dry_run=dry_run)
    before = "none" if found.before is None else show.minutes(found.before)
    if as_json:
        show.print_json(document(found))
    elif dry_run:
        show.lines(f"{queue}: {before} -> {show.minutes(minutes)}, not set. {ahead.told(found.forecast)}")
    else:
        show.lines(
            f"{queue}: {before} -> {show.minutes(minutes)} for every job from now on."
            " Jobs accepted before keep their deadline."
        )
        undoing.hint(found.undo)


@sla.command("list")
@show.json_option
def list_slas(as_json: bool) -> None:
    """List the SLA of every queue, as it stands now.

    \b
    Example:  hms sla list
    """
    _print(door.oms().slas(), as_json)


@sla.command("history")
@click.argument("queue")
@show.json_option
def show_history(queue: str, as_json: bool) -> None:
    """List every SLA that QUEUE ever had, newest first.

    \b
    Example:  hms sla history farm-grant
    """
    _print(door.oms().sla(queue), as_json)


def _print(found: Sequence[Sla], as_json: bool) -> None:
    if as_json:
        show.print_json([document(entry) for entry in found])
        return
    if not found:
        show.lines("No queue yet: `hms up` or `hms db migrate` makes the queues of the recipes.")
        return
    now = door.clock()
    rows = [
        (
            entry.queue,
            show.minutes(entry.minutes),
            show.moment(entry.effective_at, now),
            entry.set_by,
            entry.reason or "",
        )
        for entry in found
    ]
    headers = ["queue", "SLA", "in force since", "set by", "reason"]
    show.lines(tables.table(headers, rows, right=["SLA"], wide=["reason"]))
