"""`hms incident`: what is wrong, who has acknowledged it; acknowledge, resolve, silence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import click
from rich.text import Text

from hms_floor.cli.incidents import silences
from hms_floor.cli.terminal import api_client, show, tables, zones
from hms_floor.presentation import audit_words
from hms_floor.presentation.masking import MASK
from hms_oms.api.codec import document
from hms_ops.documents.incidents import Incident, IncidentWithTimeline

_STATES = ("pending", "open", "acknowledged", "resolved")
_STYLES = {"open": "bold red", "acknowledged": "yellow", "resolved": "green", "pending": "dim"}
#: What became of a text, where it is more than a word about to change.
_FATES = {"delivered": "green", "sent": "green", "failed": "bold red", "undelivered": "bold red"}
_FATES |= {"expired": "bold red", "unconfirmed": "yellow", "unknown": "yellow", "logged": "yellow"}
#: Late jobs that are named one by one.
_NAMED = 20
_REFERENCE = re.compile(r"#?([1-9][0-9]{0,17}|[A-Za-z][A-Za-z0-9]{0,9})")


class Reference(click.ParamType[str]):
    """`K7`, `#K7` as it stands in a text, or the number of an incident."""

    name = "reference"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read what an incident is called."""
        found = _REFERENCE.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} names no incident (write K7, or its number)", param, ctx)
        return found[1]


@click.group()
def incident() -> None:
    """See what is wrong; acknowledge, resolve, silence it."""


for _command in (silences.silence, silences.list_silences, silences.unsilence):
    incident.add_command(_command)


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
    found = list(api_client.ops().incidents(*wanted, queue=queue, limit=limit, zone=str(zones.reader())))
    if as_json:
        show.print_json([document(each) for each in found])
        return
    if not found:
        place = f" in {queue}" if queue else ""
        if states:
            show.lines(f"No incident{place} is {' or '.join(states)}.")
        else:
            show.lines(f"Nothing was ever wrong{place}." if everything else f"Nothing is wrong{place}.")
        return
    now = api_client.clock()
    headers = ["incident", "state", "what", "since", "over", "acknowledged"]
    rows = [_row(each, now) for each in found]
    if not any(each.resolved_at for each in found):
        headers.remove("over")
        rows = [[*row[:4], row[5]] for row in rows]
    show.lines(tables.table(headers, rows, wide=["what"], spare=["acknowledged"]))


@incident.command("show")
@click.argument("reference", type=Reference())
@show.json_option
def show_incident(reference: str, as_json: bool) -> None:
    """Tell everything about one incident, by its reference (K7) or number.

    \b
    Example:  hms incident show K7
    """
    found = api_client.ops().incident(reference, zone=str(zones.reader()))
    if as_json:
        show.print_json(document(found))
        return
    _show(found, api_client.clock())


@incident.command("jobs")
@click.argument("reference", type=Reference())
@click.option(
    "--sort",
    type=click.Choice(("deadline", "late", "key", "name", "status")),
    default="deadline",
    show_default=True,
    help="What comes first: the earliest deadline, or the latest job.",
)
@show.json_option
def jobs(reference: str, sort: str, as_json: bool) -> None:
    """List all jobs that were late in an incident.

    \b
    Example:  hms incident jobs K7 --sort late
    """
    found = list(api_client.ops().late_jobs(reference, order=sort))
    if as_json:
        show.print_json([document(each) for each in found])
        return
    if not found:
        show.lines("No job was late in it.")
        return
    now = api_client.clock()
    named = any(each.name not in (None, MASK) for each in found)
    rows = [
        (
            each.job,
            each.key or "",
            *([each.name or ""] if named else []),
            show.local(each.deadline, now),
            show.about(timedelta(seconds=each.late_seconds)),
            each.status,
        )
        for each in found
    ]
    headers = ["job", "key", *(["name"] if named else []), "deadline", "late by", "status"]
    show.lines(tables.table(headers, rows, wide=["key", "name"], spare=["name"]))


@incident.command("comment")
@click.argument("reference", type=Reference())
@click.argument("text")
@show.json_option
def comment(reference: str, text: str, as_json: bool) -> None:
    """Say something about an incident, for its history.

    \b
    Example:  hms incident comment K7 "the county file came twice"
    """
    found = api_client.ops().comment(reference, text)
    if as_json:
        show.print_json(document(found))
    else:
        show.lines(f"{_name(found)} has your comment in its history.")


@incident.command("ack")
@click.argument("reference", type=Reference())
@click.option("--reason", metavar="TEXT", help="What is being done, for its history.")
@show.json_option
def ack(reference: str, reason: str | None, as_json: bool) -> None:
    """Acknowledge it: nobody else is texted about it for a while.

    \b
    Example:  hms incident ack K7 --reason "two more workers are coming"
    """
    found = api_client.ops().acknowledge(reference, reason=reason)
    if as_json:
        show.print_json(document(found))
        return
    until = ""
    if found.ack_expires_at:
        when = show.local(found.ack_expires_at, api_client.clock())
        until = f" Unless it is over by {when}, people are texted again."
    show.lines(f"{_name(found)} is {found.state}.{until}")


@incident.command("resolve")
@click.argument("reference", type=Reference())
@click.option("--reason", metavar="TEXT", help="Why it is over, for its history.")
@show.json_option
def resolve(reference: str, reason: str | None, as_json: bool) -> None:
    """Say that it is over. If its rule still holds after a while, it opens again.

    \b
    Example:  hms incident resolve K7
    """
    found = api_client.ops().resolve(reference, reason=reason)
    if as_json:
        show.print_json(document(found))
    else:
        show.lines(f"{_name(found)} is {found.state}. Those who were texted about it are told.")


def _row(each: Incident, now: datetime) -> list[str | Text]:
    return [
        _name(each),
        Text(each.state, style=_STYLES[each.state]),
        each.sentence,
        show.relative(each.active_at, now),
        show.relative(each.resolved_at, now) if each.resolved_at else "",
        each.acknowledged_by or "",
    ]


def _show(found: IncidentWithTimeline, now: datetime) -> None:
    show.lines(
        show.heading(_name(found)),
        tables.facts((name, value) for name, value in _facts(found, now) if str(value)),
    )
    happened = [
        (show.local(line.at, now), line.kind, line.who or "", _detail(line.detail)) for line in found.timeline
    ]
    if happened:
        show.lines("", tables.table(["at", "what happened", "who", "detail"], happened, wide=["detail"]))
    if found.actions:
        acts = [
            (
                show.local(each.at, now),
                each.action,
                each.who,
                each.reason or "",
                audit_words.detail(each.detail, lambda when: show.local(when, now)),
            )
            for each in found.actions
        ]
        show.lines(
            "", tables.table(["at", "what people did", "who", "reason", "detail"], acts, wide=["detail"])
        )
    if found.texts:
        texts = [
            (
                show.local(text.created_at, now),
                text.to,
                Text(text.fate, style=_FATES.get(text.fate, "")),
                text.body,
            )
            for text in reversed(found.texts)
        ]
        show.lines("", tables.table(["at", "texted to", "fate", "text"], texts, wide=["text"]))
    if found.jobs:
        more = found.late_jobs - min(len(found.jobs), _NAMED)
        named = " ".join(found.jobs[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
        all_of_them = f" (all: hms incident jobs {found.reference or found.id})" if more > 0 else ""
        show.lines(f"\nLate jobs: {named}{all_of_them}")


def _facts(found: IncidentWithTimeline, now: datetime) -> Iterator[tuple[str, str | Text]]:
    yield "state", Text(found.state, style=_STYLES[found.state])
    yield "what", found.sentence
    yield "stage", (found.stage or "") if found.state != "resolved" else ""
    yield "why", found.advice or ""
    yield "rule", f"{found.rule}: {found.title}"
    yield "holds since" if found.state != "resolved" else "held since", show.moment(found.active_at, now)
    yield "opened", show.moment(found.opened_at, now)
    yield "acknowledged", _by(found.acknowledged_by, found.acknowledged_at, now)
    if found.state == "acknowledged" and found.ack_expires_at:
        yield "texts again", f"{show.moment(found.ack_expires_at, now)}, unless it is over"
    yield "over", _by(found.resolved_by, found.resolved_at, now)
    yield "late jobs", f"{found.late_jobs:,}" if found.late_jobs else ""
    if found.reopened:
        yield "reopened", "once" if found.reopened == 1 else f"{found.reopened} times"
    yield "flapping", "yes: no more texts until it is steady" if found.flapping else ""
    yield "silenced", "yes: it calls when the silence ends" if found.silenced else ""


def _detail(detail: Mapping[str, Any] | None) -> str:
    """What a line of the history says beside its kind; the number of the call only from the second on."""
    told = []
    for name, value in (detail or {}).items():
        if name in ("reason", "text"):
            told.append(str(value))
        elif value is not None and (name, value) != ("call", 1):
            told.append(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
    return ", ".join(told)


def _name(found: Incident) -> str:
    return f"#{found.reference}" if found.reference else str(found.id)


def _by(who: str | None, when: datetime | None, now: datetime) -> str:
    if when is None:
        return ""
    return f"{show.moment(when, now)}{f' by {who}' if who else ''}"
