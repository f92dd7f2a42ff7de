"""`hms audit`: who has changed what, when, from where, and why."""

from __future__ import annotations

import click

from hms_floor.cli import arguments, door, show, tables
from hms_oms.reading import document


@click.command("audit")
@click.option("--actor", metavar="WHO", help="Only what this one did.")
@click.option("--subject", metavar="WHAT", help="Only what was done to this: job-219, or a queue.")
@click.option("--action", metavar="ACTION", help="Only this, as `POST /jobs/{id}/cancel`.")
@click.option("--since", metavar="LENGTH", help="Only the last 30m, 2h, 1d.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@show.json_option
def audit(
    actor: str | None, subject: str | None, action: str | None, since: str | None, limit: int, as_json: bool
) -> None:
    """List who has changed what through the door, newest first; refused attempts, too.

    \b
    Example:  hms audit --subject farm-grant --since 1d
    """
    now = door.clock()
    begins = now - arguments.length(since) if since else None
    found = list(door.oms().audit(actor=actor, action=action, subject=subject, since=begins, limit=limit))
    if as_json:
        show.print_json([document(entry) for entry in found])
        return
    if not found:
        show.lines("Nothing was changed.")
        return
    rows = [
        (
            show.local(entry.at, now),
            entry.actor,
            entry.action,
            entry.subject or "",
            str(entry.status),
            entry.source or "",
            entry.reason or "",
        )
        for entry in found
    ]
    headers = ["at", "who", "what", "on", "answer", "from", "why"]
    show.lines(tables.table(headers, rows, right=["answer"], wide=["why"], spare=["from", "why", "answer"]))
