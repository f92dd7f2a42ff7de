"""`hms incident`: what is wrong, who has it in hand; acknowledge, resolve, silence."""

from __future__ import annotations

from datetime import datetime

import click
from rich.text import Text

from hms_floor.cli import arguments, door, show, tables
from hms_oms.reading import document
from hms_ops.answers import Incident, IncidentInFull

_STATES = ("pending", "open", "acknowledged", "resolved")
_STYLES = {"open": "bold red", "acknowledged": "yellow", "resolved": "green", "pending": "dim"}
#: Late jobs that are named one by one.
_NAMED = 20


@click.group()
def incident() -> None:
    """See what is wrong; acknowledge, resolve and silence it."""


@incident.command("list")
@click.option("--state", "states", type=click.Choice(_STATES), multiple=True, help="Only these.")
@click.option("--queue", metavar="QUEUE", help="Only those of one queue.")
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@show.json_option
def list_incidents(
    states: tuple[str, ...], queue: str | None, everything: bool, limit: int, as_json: bool
) -> None:
    """List what is wrong now, newest first.

    \b
    Example:  hms incident list
    """
    wanted = states or (_STATES if everything else ("pending", "open", "acknowledged"))
    found = list(door.ops().incidents(*wanted, queue=queue, limit=limit))
    if as_json:
        show.print_json([document(each) for each in found])
        return
    if not found:
        show.lines("Nothing is wrong." if not everything else "Nothing was ever wrong.")
        return
    now = door.clock()
    rows = [_row(each, now) for each in found]
    show.lines(
        tables.table(
            ["incident", "state", "what", "since", "in hand"], rows, wide=["what"], spare=["in hand"]
        )
    )


@incident.command("show")
@click.argument("reference")
@show.json_option
def show_incident(reference: str, as_json: bool) -> None:
    """Tell everything about one incident, by its reference (K7) or number.

    \b
    Example:  hms incident show K7
    """
    found = door.ops().incident(_plain(reference))
    if as_json:
        show.print_json(document(found))
        return
    _show(found, door.clock())


@incident.command("ack")
@click.argument("reference")
@click.option("--reason", metavar="TEXT", help="What is being done, for its history.")
@show.json_option
def ack(reference: str, reason: str | None, as_json: bool) -> None:
    """Say that you have it in hand: nobody else is texted about it for a while.

    \b
    Example:  hms incident ack K7 --reason "two more workers are coming"
    """
    found = door.ops().acknowledge(_plain(reference), reason=reason)
    if as_json:
        show.print_json(document(found))
        return
    until = ""
    if found.state == "acknowledged" and found.ack_expires_at:
        when = show.local(found.ack_expires_at, door.clock())
        until = f" Unless it is over by {when}, people are texted again."
    show.lines(f"{_name(found)} is {found.state}.{until}")


@incident.command("resolve")
@click.argument("reference")
@click.option("--reason", metavar="TEXT", help="Why it is over, for its history.")
@show.json_option
def resolve(reference: str, reason: str | None, as_json: bool) -> None:
    """Say that it is over. If its rule still holds after a while, it opens anew.

    \b
    Example:  hms incident resolve K7
    """
    found = door.ops().resolve(_plain(reference), reason=reason)
    if as_json:
        show.print_json(document(found))
    else:
        show.lines(f"{_name(found)} is {found.state}.")


@incident.command("silence")
@click.option("--queue", metavar="QUEUE", help="Only in this queue.")
@click.option("--rule", metavar="RULE", help="Only this rule, as `hms ops rules` names it.")
@click.option("--for", "length", required=True, metavar="LENGTH", help="For how long: 30m, 2h, 1d.")
@click.option("--from", "since", metavar="TIME", help="Begin then, not now: 18:00, or in 2h.")
@click.option("--reason", required=True, metavar="TEXT", help="Why.")
@show.json_option
def silence(
    queue: str | None, rule: str | None, length: str, since: str | None, reason: str, as_json: bool
) -> None:
    """Have new incidents call nobody for a while; they open and are shown all the same.

    One that is still open when the silence ends calls then.

    \b
    Example:  hms incident silence --queue farm-grant --for 2h --reason "moving the servers"
    """
    now = door.clock()
    begins = arguments.future(since, now, "--from") if since else None
    ends = (begins or now) + arguments.Length().convert(length, None, None)
    found = door.ops().silence(ends, reason=reason, rule=rule, queue=queue, since=begins)
    if as_json:
        show.print_json(document(found))
        return
    what = f"{found.rule or 'every rule'} in {found.queue or 'every queue'}"
    show.lines(f"Silence {found.id}: {what} until {show.moment(found.ends_at, now)}.")


@incident.command("silences")
@show.json_option
def list_silences(as_json: bool) -> None:
    """List the silences that hold or are to come.

    \b
    Example:  hms incident silences
    """
    found = door.ops().silences()
    if as_json:
        show.print_json([document(each) for each in found])
        return
    if not found:
        show.lines("Nothing is silenced.")
        return
    now = door.clock()
    rows = [
        (
            str(each.id),
            each.rule or "every rule",
            each.queue or "every queue",
            show.moment(each.starts_at, now),
            show.moment(each.ends_at, now),
            each.set_by,
            each.reason,
        )
        for each in found
    ]
    headers = ["silence", "rule", "queue", "from", "until", "set by", "reason"]
    show.lines(tables.table(headers, rows, right=["silence"], wide=["reason"], spare=["from", "set by"]))


@incident.command("unsilence")
@click.argument("silence", type=int)
@click.option("--reason", metavar="TEXT", help="Why.")
@show.json_option
def unsilence(silence: int, reason: str | None, as_json: bool) -> None:
    """End a silence before its time, by its number.

    \b
    Example:  hms incident unsilence 3
    """
    found = door.ops().end_silence(silence, reason=reason)
    if as_json:
        show.print_json(document(found))
    else:
        show.lines(f"Silence {found.id} has ended.")


def _row(each: Incident, now: datetime) -> list[str | Text]:
    return [
        _name(each),
        Text(each.state, style=_STYLES[each.state]),
        each.sentence,
        show.relative(each.active_at, now),
        each.acknowledged_by or "",
    ]


def _show(found: IncidentInFull, now: datetime) -> None:
    facts: list[tuple[str, str | Text]] = [
        ("state", Text(found.state, style=_STYLES[found.state])),
        ("what", found.sentence),
        ("rule", f"{found.rule}: {found.title}"),
        ("holds since", show.moment(found.active_at, now)),
        ("opened", show.moment(found.opened_at, now)),
        ("in hand", _by(found.acknowledged_by, found.acknowledged_at, now)),
        ("over", _by(found.resolved_by, found.resolved_at, now)),
        ("late jobs", f"{found.late_jobs:,}" if found.late_jobs else ""),
        ("reopened", f"{found.reopened} times" if found.reopened else ""),
        ("flapping", "yes: no more texts until it is steady" if found.flapping else ""),
        ("silenced", "yes" if found.silenced else ""),
    ]
    show.lines(Text(_name(found), style="bold"), tables.facts(fact for fact in facts if str(fact[1])))
    rows = [
        (show.local(line.at, now), line.kind, line.who or "", _detail(line.detail)) for line in found.timeline
    ]
    show.lines("", tables.table(["at", "what happened", "who", "detail"], rows, wide=["detail"]))
    if found.jobs:
        more = found.late_jobs - min(len(found.jobs), _NAMED)
        named = " ".join(found.jobs[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
        show.lines(f"\nLate jobs: {named}")


def _detail(detail: object) -> str:
    if not isinstance(detail, dict):
        return ""
    return ", ".join(f"{name} {value}" for name, value in detail.items() if value is not None)


def _name(found: Incident) -> str:
    return f"#{found.reference}" if found.reference else str(found.id)


def _by(who: str | None, when: datetime | None, now: datetime) -> str:
    if when is None:
        return ""
    return f"{show.moment(when, now)}{f' by {who}' if who else ''}"


def _plain(reference: str) -> str:
    """A reference as it stands in a text: `#K7` is K7."""
    return reference.strip().removeprefix("#")
