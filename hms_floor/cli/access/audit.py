"""`hms audit`: who has changed what, when, from where, and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus

import click
from rich.text import Text

from hms_floor.cli.terminal import api_client, arguments, show, tables
from hms_floor.presentation.audit import acts, details
from hms_oms.api.codec import document
from hms_oms.documents.access import Entry


@click.command("audit")
@click.option("--actor", metavar="WHO", help="Only what this one did.")
@click.option("--subject", metavar="WHAT", help="Only what was done to this: job-219, or a queue.")
@click.option("--action", metavar="ACTION", help="Only this, as `POST /jobs/{id}/cancel`.")
@click.option("--since", type=arguments.Length(), metavar="LENGTH", help="Only the last 30m, 2h, 1d.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@show.json_option
def audit(
    actor: str | None,
    subject: str | None,
    action: str | None,
    since: timedelta | None,
    limit: int,
    as_json: bool,
) -> None:
    """See who has changed what, when and why.

    Newest first; what was refused has the answer's number behind it. It is what came through the API: what
    daemons do is in the timelines of jobs and incidents.

    \b
    Example:  hms audit --subject farm-grant --since 1d
    """
    now = api_client.clock()
    entries = list(
        api_client.oms().audit(
            actor=actor, action=action, subject=subject, since=_before(now, since), limit=limit
        )
    )
    if as_json:
        show.print_json([document(entry) for entry in entries])
        return
    if not entries:
        filtered = any((actor, subject, action, since))
        show.lines("Nothing was changed that fits." if filtered else "Nothing was changed yet.")
        return
    headers = ["at", "who", "did what", "detail", "from", "why"]
    rows = [_row(entry, now) for entry in entries]
    show.lines(
        tables.table(headers, rows, wide=["did what", "why", "detail"], spare=["from", "detail", "why"])
    )


def _row(entry: Entry, now: datetime) -> tuple[str | Text, ...]:
    def tell(when: datetime) -> str:
        return show.local(when, now)

    done = entry.status < HTTPStatus.BAD_REQUEST
    words, left = acts.said(entry.action, entry.subject, entry.detail, tell, done=done)
    return (
        tell(entry.at),
        entry.actor,
        words if done else Text(f"{words} ({entry.status})", style="red"),
        details.detail(left, tell),
        entry.source or "",
        entry.reason or "",
    )


def _before(now: datetime, length: timedelta | None) -> datetime | None:
    try:
        return None if length is None else now - length
    except OverflowError:
        # That is before everything.
        return None
