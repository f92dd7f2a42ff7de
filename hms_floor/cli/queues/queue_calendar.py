"""`hms queue calendar`: in which office hours the SLAs of a queue count."""

from __future__ import annotations

import click

from hms_floor.cli import names
from hms_floor.cli.jobs import undo
from hms_floor.cli.terminal import api_client, show
from hms_floor.presentation import calendar_words
from hms_oms.api.codec import document
from hms_oms.documents.queues import QueueCalendar


@click.command("calendar")
@click.argument("queue_name", metavar="QUEUE", shell_complete=names.queues)
@click.argument("hours", required=False)
@click.option("--timezone", metavar="ZONE", help="Whose clock the hours are; else the office's.")
@click.option(
    "--holidays", metavar="CALENDAR", help="Closed on those of a country or a part of it, as US-IL."
)
@click.option("--reason", metavar="TEXT", help="Why, for the audit trail.")
@show.json_option
def calendar(
    queue_name: str,
    hours: str | None,
    timezone: str | None,
    holidays: str | None,
    reason: str | None,
    as_json: bool,
) -> None:
    """Count the SLAs of QUEUE in office HOURS only; show the hours if none are given.

    HOURS are written as in OpenStreetMap; none takes the calendar away. Jobs that were accepted before keep
    their deadline.

    \b
    Example:  hms queue calendar farm-grant "Mo-Fr 08:00-12:00,13:00-16:30" --holidays US-IL
    """
    if hours is None and (timezone or holidays or reason):
        raise click.UsageError("Say the hours, too, as in: Mo-Fr 08:00-16:30")
    if hours is None:
        held = api_client.oms().calendar(queue_name)
    else:
        held = api_client.act().set_calendar(
            queue_name,
            None if hours == "none" else hours,
            timezone=timezone,
            holidays=holidays,
            reason=reason,
        )
    if as_json:
        show.print_json(document(held))
        return
    show.lines(_told(held))
    undo.hint(held.undo)


def _told(held: QueueCalendar) -> str:
    now = api_client.clock()
    by = f" Set by {held.set_by} {show.relative(held.set_at, now)}." if held.set_at else ""
    sla = show.minutes(held.sla_minutes)
    due = f"A job accepted now is due {show.moment(held.due, now)}, with the SLA of {sla}."
    if held.hours is None:
        return f"{held.queue} has no calendar: its SLAs count day and night. {due}{by}"
    hours = calendar_words.told(held.hours, held.timezone, held.holidays)
    is_open = "It is open now." if held.open_now else "It is closed now."
    return f"The SLAs of {held.queue} count in office hours only: {hours}. {is_open} {due}{by}"
