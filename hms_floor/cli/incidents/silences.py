"""`hms incident silence`: for a while new incidents call nobody, as while servers are being moved."""

from __future__ import annotations

from datetime import timedelta

import click

from hms_floor.cli import names
from hms_floor.cli.terminal import api_client, arguments, show, tables
from hms_oms.api.codec import document


@click.command("silence")
@click.option("--queue", metavar="QUEUE", shell_complete=names.queues, help="Only in this queue.")
@click.option("--rule", metavar="RULE", help="Only this rule, as `hms ops rules` names it.")
@click.option(
    "--for",
    "length",
    type=arguments.Length(),
    required=True,
    metavar="LENGTH",
    help="For how long: 30m, 2h, 1d.",
)
@click.option("--from", "since", metavar="TIME", help="Begin then, not now: 18:00, or +2h.")
@click.option("--reason", required=True, metavar="TEXT", help="Why.")
@show.json_option
def silence(
    queue: str | None, rule: str | None, length: timedelta, since: str | None, reason: str, as_json: bool
) -> None:
    """Have new incidents call nobody for a while; they open and are shown all the same.

    One that is still open when the silence ends calls then.

    \b
    Example:  hms incident silence --queue farm-grant --for 2h --reason "moving the servers"
    """
    now = api_client.clock()
    begins = arguments.future(since, now, "--from") if since else None
    try:
        ends = (begins or now) + length
    except OverflowError:
        raise click.BadParameter("nothing lasts that long", param_hint="--for") from None
    created = api_client.ops().silence(ends, reason=reason, rule=rule, queue=queue, since=begins)
    if as_json:
        show.print_json(document(created))
        return
    what = f"{created.rule or 'every rule'} in {created.queue or 'every queue'}"
    start = f" from {show.moment(created.starts_at, now)}" if begins else ""
    show.lines(
        f"Silence {created.id}: {what}{start} until {show.moment(created.ends_at, now)}.",
        f"End it before its time with: hms incident unsilence {created.id}",
    )


@click.command("silences")
@show.json_option
def list_silences(as_json: bool) -> None:
    """List the silences that hold or are to come.

    \b
    Example:  hms incident silences
    """
    silences = api_client.ops().silences()
    if as_json:
        show.print_json([document(silence) for silence in silences])
        return
    if not silences:
        show.lines("Nothing is silenced: every new incident calls the person who is on call.")
        return
    now = api_client.clock()
    rows = [
        (
            str(silence.id),
            silence.rule or "every rule",
            silence.queue or "every queue",
            show.moment(silence.starts_at, now),
            show.moment(silence.ends_at, now),
            silence.set_by,
            silence.reason,
        )
        for silence in silences
    ]
    headers = ["silence", "rule", "queue", "from", "until", "set by", "reason"]
    show.lines(tables.table(headers, rows, right=["silence"], wide=["reason"], spare=["set by", "from"]))


@click.command("unsilence")
@click.argument("silence", type=click.IntRange(1, 2**63 - 1))
@click.option("--reason", metavar="TEXT", help="Why.")
@show.json_option
def unsilence(silence: int, reason: str | None, as_json: bool) -> None:
    """End a silence before its time, by its number.

    \b
    Example:  hms incident unsilence 3
    """
    ended = api_client.ops().end_silence(silence, reason=reason)
    if as_json:
        show.print_json(document(ended))
    else:
        show.lines(f"Silence {ended.id} has ended.")
