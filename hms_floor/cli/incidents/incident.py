"""`hms incident`: what is wrong, who has acknowledged it; acknowledge, resolve, silence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import click
from rich.text import Text

from hms_floor.cli import names
from hms_floor.cli.incidents import silences
from hms_floor.cli.terminal import api_client, show, tables, zones
from hms_floor.cli.verbs import Verbs
from hms_floor.presentation.audit import details
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
        match = _REFERENCE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} names no incident (write K7, or its number)", param, ctx)
        return match[1]


@click.group(cls=Verbs, same={"get": "show"})
def incident() -> None:
    """See what is wrong; acknowledge, resolve, silence it."""


for _command in (silences.silence, silences.list_silences, silences.unsilence):
    incident.add_command(_command)


@incident.command("list")
@click.option("--state", "states", type=click.Choice(_STATES), multiple=True, help="Only these.")
@click.option("--queue", metavar="QUEUE", shell_complete=names.queues, help="Only those of one queue.")
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
    statuses = states or (_STATES if everything else ("pending", "open", "acknowledged"))
    incidents = list(
        api_client.ops().incidents(*statuses, queue=queue, limit=limit, zone=str(zones.reader()))
    )
    if as_json:
        show.print_json([document(incident) for incident in incidents])
        return
    if not incidents:
        place = f" in {queue}" if queue else ""
        if states:
            show.lines(f"No incident{place} is {' or '.join(states)}.")
        else:
            show.lines(f"No incidents{place}." if everything else f"Nothing is wrong{place}.")
        return
    now = api_client.clock()
    headers = ["incident", "state", "what", "since", "over", "acknowledged"]
    rows = [_row(incident, now) for incident in incidents]
    if not any(incident.resolved_at for incident in incidents):
        headers.remove("over")
        rows = [[*row[:4], row[5]] for row in rows]
    show.lines(tables.table(headers, rows, wide=["what"], spare=["acknowledged"]))


@incident.command("show")
@click.argument("reference", type=Reference(), shell_complete=names.incidents)
@show.json_option
def show_incident(reference: str, as_json: bool) -> None:
    """Tell everything about one incident, by its reference (K7) or number.

    \b
    Example:  hms incident show K7
    """
    whole = api_client.ops().incident(reference, zone=str(zones.reader()))
    if as_json:
        show.print_json(document(whole))
        return
    _show(whole, api_client.clock())


@incident.command("jobs")
@click.argument("reference", type=Reference(), shell_complete=names.incidents)
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
    late = list(api_client.ops().late_jobs(reference, order=sort))
    if as_json:
        show.print_json([document(job) for job in late])
        return
    if not late:
        show.lines("No job was late in it.")
        return
    now = api_client.clock()
    named = any(job.name not in (None, MASK) for job in late)
    rows = [
        (
            job.job,
            job.key or "",
            *([job.name or ""] if named else []),
            show.local(job.deadline, now),
            show.about(timedelta(seconds=job.late_seconds)),
            job.status,
        )
        for job in late
    ]
    headers = ["job", "key", *(["name"] if named else []), "deadline", "late by", "status"]
    show.lines(tables.table(headers, rows, wide=["key", "name"], spare=["name"]))


@incident.command("comment")
@click.argument("reference", type=Reference(), shell_complete=names.incidents)
@click.argument("text")
@show.json_option
def comment(reference: str, text: str, as_json: bool) -> None:
    """Say something about an incident, for its history.

    \b
    Example:  hms incident comment K7 "the county file came twice"
    """
    changed = api_client.ops().comment(reference, text)
    if as_json:
        show.print_json(document(changed))
    else:
        show.lines(f"{_name(changed)} has your comment in its history.")


@incident.command("ack")
@click.argument("reference", type=Reference(), shell_complete=names.incidents)
@click.option("--reason", metavar="TEXT", help="What is being done, for its history.")
@show.json_option
def ack(reference: str, reason: str | None, as_json: bool) -> None:
    """Acknowledge it: nobody else is texted about it for a while.

    \b
    Example:  hms incident ack K7 --reason "two more workers are coming"
    """
    changed = api_client.ops().acknowledge(reference, reason=reason)
    if as_json:
        show.print_json(document(changed))
        return
    until = ""
    if changed.ack_expires_at:
        when = show.local(changed.ack_expires_at, api_client.clock())
        until = f" Unless it is over by {when}, people are texted again."
    show.lines(f"{_name(changed)} is {changed.state}.{until}")


@incident.command("resolve")
@click.argument("reference", type=Reference(), shell_complete=names.incidents)
@click.option("--reason", metavar="TEXT", help="Why it is over, for its history.")
@show.json_option
def resolve(reference: str, reason: str | None, as_json: bool) -> None:
    """Say that it is over. If its rule still holds after a while, it opens again.

    \b
    Example:  hms incident resolve K7
    """
    changed = api_client.ops().resolve(reference, reason=reason)
    if as_json:
        show.print_json(document(changed))
    else:
        show.lines(f"{_name(changed)} is {changed.state}. Those who were texted about it are told.")


def _row(incident: Incident, now: datetime) -> list[str | Text]:
    return [
        _name(incident),
        Text(incident.state, style=_STYLES[incident.state]),
        incident.sentence,
        show.relative(incident.active_at, now),
        show.relative(incident.resolved_at, now) if incident.resolved_at else "",
        incident.acknowledged_by or "",
    ]


def _show(incident: IncidentWithTimeline, now: datetime) -> None:
    show.lines(
        show.heading(_name(incident)),
        tables.facts((name, value) for name, value in _facts(incident, now) if str(value)),
    )
    happened = [
        (show.local(line.at, now), line.kind, line.who or "", _detail(line.detail))
        for line in incident.timeline
    ]
    if happened:
        show.lines("", tables.table(["at", "what happened", "who", "detail"], happened, wide=["detail"]))
    if incident.actions:
        acts = [
            (
                show.local(action.at, now),
                action.action,
                action.who,
                action.reason or "",
                details.detail(action.detail, lambda when: show.local(when, now)),
            )
            for action in incident.actions
        ]
        show.lines(
            "", tables.table(["at", "what people did", "who", "reason", "detail"], acts, wide=["detail"])
        )
    if incident.texts:
        texts = [
            (
                show.local(text.created_at, now),
                text.to,
                Text(text.fate, style=_FATES.get(text.fate, "")),
                text.body,
            )
            for text in reversed(incident.texts)
        ]
        show.lines("", tables.table(["at", "texted to", "fate", "text"], texts, wide=["text"]))
    if incident.jobs:
        more = incident.late_jobs - min(len(incident.jobs), _NAMED)
        named = " ".join(incident.jobs[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
        all_of_them = f" (all: hms incident jobs {incident.reference or incident.id})" if more > 0 else ""
        show.lines(f"\nLate jobs: {named}{all_of_them}")


def _facts(incident: IncidentWithTimeline, now: datetime) -> Iterator[tuple[str, str | Text]]:
    yield "state", Text(incident.state, style=_STYLES[incident.state])
    yield "what", incident.sentence
    yield "stage", (incident.stage or "") if incident.state != "resolved" else ""
    yield "why", incident.advice or ""
    yield "rule", f"{incident.rule}: {incident.title}"
    yield (
        "holds since" if incident.state != "resolved" else "held since",
        show.moment(incident.active_at, now),
    )
    yield "opened", show.moment(incident.opened_at, now)
    yield "acknowledged", _by(incident.acknowledged_by, incident.acknowledged_at, now)
    if incident.state == "acknowledged" and incident.ack_expires_at:
        yield "texts again", f"{show.moment(incident.ack_expires_at, now)}, unless it is over"
    yield "over", _by(incident.resolved_by, incident.resolved_at, now)
    yield "late jobs", f"{incident.late_jobs:,}" if incident.late_jobs else ""
    if incident.reopened:
        yield "reopened", "once" if incident.reopened == 1 else f"{incident.reopened} times"
    yield "flapping", "yes: no more texts until it is steady" if incident.flapping else ""
    yield "silenced", "yes: it calls when the silence ends" if incident.silenced else ""


def _detail(detail: Mapping[str, Any] | None) -> str:
    """Details of a timeline entry; the number of the call only from the second call on."""
    details = []
    for name, value in (detail or {}).items():
        if name in ("reason", "text"):
            details.append(str(value))
        elif value is not None and (name, value) != ("call", 1):
            details.append(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
    return ", ".join(details)


def _name(incident: Incident) -> str:
    return f"#{incident.reference}" if incident.reference else str(incident.id)


def _by(who: str | None, when: datetime | None, now: datetime) -> str:
    if when is None:
        return ""
    return f"{show.moment(when, now)}{f' by {who}' if who else ''}"
