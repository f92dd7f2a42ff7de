"""`hms job quote`: whether the deadline of a job would hold, before it is started."""

from __future__ import annotations

from datetime import datetime
from typing import IO

import click

from hms_floor.cli import exit_codes, names
from hms_floor.cli.terminal import api_client, show
from hms_floor.cli.terminal.arguments import HIGHEST_PRIORITY, Minutes
from hms_oms.api.codec import document
from hms_oms.documents.foresight import Quoted
from hms_oms.runtime import format


@click.command("quote")
@click.argument("job_type", metavar="TYPE", shell_complete=names.job_types)
@click.argument("words", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--sla", "sla_minutes", type=Minutes(), metavar="MINUTES", help="Instead of the queue's SLA.")
@click.option(
    "--priority",
    type=click.IntRange(-HIGHEST_PRIORITY, HIGHEST_PRIORITY),
    default=0,
    help="The higher goes first, whatever the deadlines.",
)
@click.option("--payload", "file", type=click.File("rb"), help="A JSON object; - is standard input.")
@click.option("--must", is_flag=True, default=None, help="Never give it up for others.")
@show.json_option
@click.pass_context
def quote(
    ctx: click.Context,
    job_type: str,
    words: tuple[str, ...],
    sla_minutes: float | None,
    priority: int,
    file: IO[bytes] | None,
    must: bool | None,
    as_json: bool,
) -> None:
    """Tell whether a job of TYPE would be on time, and start nothing.

    Ends with 5 if it would be at risk, or others because of it.

    \b
    Example:  hms job quote farm:grant:v1 --payload application.json --sla 10
    """
    # What checks payloads takes a while to import.
    from hms_floor.cli.jobs import request

    payload = request.of_type(job_type, words, file)
    quoted = api_client.act().quote(
        job_type, payload, sla_minutes=sla_minutes, priority=priority, must=must or None
    )
    if as_json:
        show.print_json(document(quoted))
    else:
        show.lines(*_told(quoted, api_client.clock()))
    if quoted.holds is False:
        ctx.exit(exit_codes.AT_RISK)


def _told(quoted: Quoted, now: datetime) -> list[str]:
    """A quote in sentences."""
    due = show.moment(quoted.deadline, now)
    if quoted.holds is None:
        return [f"Due {due}. Whether that holds nobody can tell: {quoted.unknown}."]
    ends = "never" if quoted.predicted_end is None else show.moment(quoted.predicted_end, now)
    chance = format.percent(quoted.late_chance)
    if quoted.holds:
        return [f"Due {due}, and that holds: it would end {ends}, and be late with a chance of {chance}."]
    lines = [f"Due {due}, and that is at risk: it would end {ends}, and be late with a chance of {chance}."]
    if quoted.others_late:
        lines.append(f"{format.count(quoted.others_late, 'other job')} would be late because of it.")
    if quoted.earliest is None:
        lines.append("No deadline can be promised to it as things are.")
    else:
        minutes = (quoted.earliest - now).total_seconds() / 60
        lines.append(
            f"The earliest that can be promised is {show.moment(quoted.earliest, now)},"
            f" in {format.minutes(max(1.0, round(minutes + 0.5)))}."
        )
    return lines
