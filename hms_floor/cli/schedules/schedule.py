"""`hms schedule`: what starts by itself, when, and what came of it."""

from __future__ import annotations

import time
from typing import IO, Any

import click

from hms_floor.cli import exit_codes
from hms_floor.cli.schedules import schedule_words as words
from hms_floor.cli.terminal import api_client, show
from hms_floor.cli.terminal.arguments import Minutes
from hms_floor.cli.terminal.errors import WrongCall
from hms_floor.cli.verbs import Verbs
from hms_oms.api.codec import document
from hms_oms.documents.jobs import JobType
from hms_oms.documents.schedules import ScheduleRun
from hms_oms.recipes.schedules.written import CATCH_UP, MOST_HOURS, MOST_MINUTES, OVERLAP
from hms_oms.runtime.errors import UnknownJobType

#: How long `run` waits for the dispatcher, and how often it looks, in seconds.
WAIT_SECONDS, LOOK_SECONDS = 20.0, 0.25


@click.group(cls=Verbs, same={"show": "get"})
def schedule() -> None:
    """See what starts by itself; add, run, pause and remove schedules."""


_name = click.argument("name", metavar="NAME")
_reason = click.option("--reason", metavar="TEXT", help="Why, for the audit trail.")


@schedule.command("add")
@_name
@click.argument("fields", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--type", "job_type", required=True, metavar="TYPE", help="The job type that it starts.")
@click.option(
    "--cron",
    required=True,
    metavar="LINE",
    help="Minute, hour, day of the month, month, day of the week: '0 6 * * MON-FRI'; or @daily.",
)
@click.option("--timezone", metavar="ZONE", help="Whose clock it goes by; else the office's.")
@click.option("--calendar", metavar="NAME", help="On business days of this calendar only: US, US-IL, NYSE.")
@click.option(
    "--source",
    metavar="FILES",
    help="Make cycles of files: a folder below that of incoming files, grants/*.csv, or an https URL.",
)
@click.option("--payload", "file", type=click.File("rb"), help="A JSON object; - is standard input.")
@click.option("--sla", "sla_minutes", type=Minutes(), metavar="MINUTES", help="Instead of the queue's SLA.")
@click.option(
    "--catch-up",
    type=click.Choice(CATCH_UP),
    help="Which of the runs that were due during an outage are made up for; last, if not said.",
)
@click.option(
    "--catch-up-hours",
    type=click.IntRange(1, MOST_HOURS),
    metavar="HOURS",
    help="What was due longer ago than that is not made up for; 24, if not said.",
)
@click.option(
    "--overlap",
    type=click.Choice(OVERLAP),
    help="What a run does while work of the run before is open; start, if not said.",
)
@click.option(
    "--missing-after",
    type=click.IntRange(1, MOST_MINUTES),
    metavar="MINUTES",
    help="How long a run waits for its file before somebody is called; 15, if not said.",
)
@_reason
@show.json_option
def add(
    name: str,
    fields: tuple[str, ...],
    job_type: str,
    cron: str,
    timezone: str | None,
    calendar: str | None,
    source: str | None,
    file: IO[bytes] | None,
    sla_minutes: float | None,
    catch_up: str | None,
    catch_up_hours: int | None,
    overlap: str | None,
    missing_after: int | None,
    reason: str | None,
    as_json: bool,
) -> None:
    """Add a schedule that starts one job with the fields KEY=VALUE, or the cycle of the files of --source.

    \b
    Example:  hms schedule add daily-grants --type farm:grant:v1 --cron '0 6 * * MON-FRI' \\
                --calendar US --source 'grants/*.csv' --missing-after 15
    """
    if source is not None and (fields or file):
        raise WrongCall("say either the files of a cycle by --source, or the payload of one job")
    added = api_client.act().add_schedule(
        name,
        job_type,
        cron,
        payload=None if source is not None else _payload(job_type, fields, file),
        source=source,
        reason=reason,
        timezone=timezone,
        calendar=calendar,
        slaMinutes=sla_minutes,
        catchUp=catch_up,
        catchUpHours=catch_up_hours,
        overlap=overlap,
        missingAfterMinutes=missing_after,
    )
    if as_json:
        show.print_json(document(added))
        return
    now = api_client.clock()
    show.lines(
        f"{name} is added: {words.times(added)}.",
        f"Its next run: {show.moment(added.next[0], now) if added.next else 'never'}.",
        f"Try it with: hms schedule run {name}",
    )


def _payload(job_type: str, fields: tuple[str, ...], file: IO[bytes] | None) -> dict[str, Any]:
    from hms_floor.cli.jobs import request

    known: dict[str, JobType] = {recipe.type: recipe for recipe in api_client.oms().job_types()}
    if job_type not in known:
        raise UnknownJobType(job_type, list(known))
    return request.build(known[job_type], fields, file)


@schedule.command("list")
@show.json_option
def list_schedules(as_json: bool) -> None:
    """List the schedules: when each is due next, and what came of its last run.

    \b
    Example:  hms schedule list
    """
    listed = api_client.act().schedules()
    if as_json:
        show.print_json([document(shown) for shown in listed])
    elif listed:
        show.lines(words.table(listed, api_client.clock()))
    else:
        show.lines("Nothing starts by itself: `hms schedule add`, or [[schedule]] in a recipe, has it so.")


@schedule.command("get")
@_name
@show.json_option
def get(name: str, as_json: bool) -> None:
    """Show a schedule: its rules, the runs to come and the latest ones.

    \b
    Example:  hms schedule get daily-grants
    """
    shown = api_client.act().schedule(name)
    if as_json:
        show.print_json(document(shown))
    else:
        show.lines(*words.detail(shown, api_client.clock()))


@schedule.command("run")
@_name
@_reason
@show.json_option
def run(name: str, reason: str | None, as_json: bool) -> None:
    """Run a schedule now, also a paused one, and tell what it has started.

    Exits with 1 if the run failed or nothing was started; a file that is missing starts nothing.

    \b
    Example:  hms schedule run daily-grants --reason "the file came late"
    """
    asked = api_client.act().run_schedule(name, reason=reason)
    done = _awaited(name, asked)
    if as_json:
        show.print_json(document(done))
    else:
        show.lines(words.outcome(done))
    raise SystemExit(exit_codes.OK if done.state == "started" else exit_codes.ERROR)


def _awaited(name: str, asked: ScheduleRun) -> ScheduleRun:
    """The run once the dispatcher has done it, or as it stands after a while."""
    until, run = time.monotonic() + WAIT_SECONDS, asked
    while run.state == "waiting" and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        runs = api_client.act().schedule(name).runs
        run = next((latest for latest in runs if latest.id == asked.id), run)
    return run


@schedule.command("skip")
@_name
@_reason
@show.json_option
def skip(name: str, reason: str | None, as_json: bool) -> None:
    """Wait no longer for the file of the run that is due: today none comes.

    \b
    Example:  hms schedule skip daily-grants --reason "the county is closed today"
    """
    skipped = api_client.act().skip_schedule(name, reason=reason)
    if as_json:
        show.print_json(document(skipped))
    else:
        due = show.moment(skipped.due_at, api_client.clock())
        show.lines(f"The run of {name} that was due {due} waits for its file no longer.")


@schedule.command("pause")
@_name
@_reason
@show.json_option
def pause(name: str, reason: str | None, as_json: bool) -> None:
    """Have nothing of a schedule be due until it is resumed.

    \b
    Example:  hms schedule pause daily-grants --reason "the season is over"
    """
    paused = api_client.act().pause_schedule(name, reason=reason)
    if as_json:
        show.print_json(document(paused))
    else:
        show.lines(
            f"{name} is paused: nothing of it is due until it is resumed.",
            f"Go on with: hms schedule resume {name}",
        )


@schedule.command("resume")
@_name
@_reason
@show.json_option
def resume(name: str, reason: str | None, as_json: bool) -> None:
    """Go on with a schedule from its next run on; what was due meanwhile is left out.

    \b
    Example:  hms schedule resume daily-grants
    """
    resumed = api_client.act().resume_schedule(name, reason=reason)
    if as_json:
        show.print_json(document(resumed))
    else:
        due = show.moment(resumed.next[0], api_client.clock()) if resumed.next else "never"
        show.lines(f"{name} goes on; its next run: {due}.")


@schedule.command("remove")
@_name
@_reason
@show.json_option
def remove(name: str, reason: str | None, as_json: bool) -> None:
    """Remove a schedule; what it has started goes on.

    \b
    Example:  hms schedule remove daily-grants --reason "replaced by grants-v2"
    """
    removed = api_client.act().remove_schedule(name, reason=reason)
    if as_json:
        show.print_json(document(removed))
    else:
        show.lines(f"{name} is removed: nothing more starts by it, and its name is free.")
