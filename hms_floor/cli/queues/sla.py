"""`hms sla`: how many minutes a queue has for a job, and who said so."""

from __future__ import annotations

from collections.abc import Sequence

import click

from hms_floor.cli import names
from hms_floor.cli.jobs import undo
from hms_floor.cli.queues import sla_report
from hms_floor.cli.terminal import api_client, show, tables
from hms_floor.cli.terminal.arguments import Minutes
from hms_floor.cli.verbs import Verbs
from hms_floor.presentation.foresight import effect_words, sla_preview_words
from hms_oms.api.codec import document
from hms_oms.documents.queues import Sla


@click.group(cls=Verbs, same={"get": "history"})
def sla() -> None:
    """Set SLAs; see which deadlines were met and which will be missed."""


for _command in (sla_report.report, sla_report.at_risk):
    sla.add_command(_command)


@sla.command("set")
@click.argument("queue", shell_complete=names.queues)
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
    answer = api_client.act().set_sla(queue, minutes, reason=reason, dry_run=dry_run)
    before = show.minutes(answer.before)
    if as_json:
        show.print_json(document(answer))
    elif dry_run:
        ahead = sla_preview_words.told(document(answer.forecast) if answer.forecast else None)
        show.lines(f"{queue}: {before} -> {show.minutes(minutes)}, not set. {ahead}")
        if answer.effect is not None:
            show.lines(effect_words.told(document(answer.effect)))
    else:
        show.lines(
            f"{queue}: {before} -> {show.minutes(minutes)} for every job from now on."
            " Jobs accepted before keep their deadline."
        )
        undo.hint(answer.undo)


@sla.command("list")
@show.json_option
def list_slas(as_json: bool) -> None:
    """List the SLA of every queue, as it stands now.

    \b
    Example:  hms sla list
    """
    _print(api_client.oms().slas(), as_json)


@sla.command("history")
@click.argument("queue", shell_complete=names.queues)
@show.json_option
def show_history(queue: str, as_json: bool) -> None:
    """List every SLA that QUEUE ever had, newest first.

    \b
    Example:  hms sla history farm-grant
    """
    _print(api_client.oms().sla(queue), as_json)


def _print(slas: Sequence[Sla], as_json: bool) -> None:
    if as_json:
        show.print_json([document(entry) for entry in slas])
        return
    if not slas:
        show.lines("No queue yet: `hms up` or `hms db migrate` makes the queues of the recipes.")
        return
    now = api_client.clock()
    rows = [
        (
            entry.queue,
            show.minutes(entry.minutes),
            show.moment(entry.effective_at, now),
            entry.set_by,
            entry.reason or "",
        )
        for entry in slas
    ]
    headers = ["queue", "SLA", "in force since", "set by", "reason"]
    show.lines(tables.table(headers, rows, right=["SLA"], wide=["reason"]))
