"""Commands that change jobs: `hms job cancel`, `reinstate`, `retry`, `promote`, `move` and others."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from hms_floor.cli import names
from hms_floor.cli.jobs.changes import Verb, end, steer, tell, try_out
from hms_floor.cli.terminal import api_client, preview, selection, show
from hms_floor.cli.terminal.arguments import HIGHEST_PRIORITY, future
from hms_floor.cli.terminal.confirming import Consent
from hms_oms.api.filter import CONFIRM_ABOVE, Filter

Function = Callable[..., None]


def _steering(function: Function) -> Function:
    """Give a verb what all of them take: ids or a filter, --yes, --reason, --count and --json."""

    @functools.wraps(function)
    def call(*arguments: Any, yes: bool, reason: str | None, count: int | None, **others: Any) -> None:
        function(*arguments, consent=Consent(yes, reason, count), **others)

    made = show.json_option(selection.filtering(call))
    made = click.option(
        "--count",
        type=click.IntRange(1),
        metavar="N",
        help=f"How many jobs are expected to change; wanted above {CONFIRM_ABOVE}, with a reason.",
    )(made)
    made = click.option("--reason", metavar="TEXT", help="Why, for the jobs' timeline.")(made)
    made = click.option("--yes", is_flag=True, help="Go on without asking.")(made)
    return click.argument("words", metavar="[ID]...", nargs=-1, shell_complete=names.jobs)(made)


@click.command("cancel")
@click.option("--now", is_flag=True, help="End steps that are running, too.")
@preview.dry_run_option
@_steering
def cancel(
    words: tuple[str, ...], selected: Filter, now: bool, consent: Consent, dry_run: bool, as_json: bool
) -> None:
    """Cancel jobs that have not ended.

    A job that runs ends when its step does, or at once with --now. ID may be - for ids on standard input.

    \b
    Example:  hms job cancel --queue farm-grant --older-than 2d --reason "the county has withdrawn"
    """
    verb = Verb("cancel", "Cancel", "cancelled", {"now": now})
    if dry_run:
        try_out(verb, words, selected, consent, as_json=as_json)
        return
    outcome = steer(verb, words, selected, consent)
    tell(verb, outcome, as_json=as_json, more={"running": outcome.running})
    if outcome.running and not as_json:
        alone = "It runs" if outcome.meant == 1 else "1 of them runs"
        number = alone if len(outcome.running) == 1 else f"{len(outcome.running):,} of them run"
        if now:
            show.lines(f"{number}: the workers end it within some seconds, and what it reports is refused.")
        else:
            show.lines(f"{number} until the step is over; --now ends the step, too.")
    end(outcome)


@click.command("retry")
@_steering
def retry(words: tuple[str, ...], selected: Filter, consent: Consent, as_json: bool) -> None:
    """Have failed jobs tried again, from the step that failed.

    What the steps before it have given is kept. ID may be - for ids on standard input.

    \b
    Example:  hms job retry --queue farm-grant --status failed --reason "the roster is mended"
    """
    _do(Verb("retry", "Retry", "tried again", {}), words, selected, consent, as_json)


@click.command("reinstate")
@_steering
def reinstate(words: tuple[str, ...], selected: Filter, consent: Consent, as_json: bool) -> None:
    """Have cancelled jobs done after all, from the step at which they stood.

    What the steps before it have given is kept, and so is the deadline: a job that is past it is late. A job
    stays cancelled if a newer one has its key. ID may be - for ids on standard input.

    \b
    Example:  hms job reinstate --batch 3 --status cancelled --reason "cancelled by mistake"
    """
    verb = Verb("reinstate", "Reinstate", "reinstated", {})
    outcome = steer(verb, words, selected, consent)
    tell(verb, outcome, as_json=as_json)
    if outcome.warning is not None:
        click.echo(f"{outcome.warning[0].upper()}{outcome.warning[1:]}.", err=True)
    end(outcome)


@click.command("promote")
@preview.dry_run_option
@_steering
def promote(words: tuple[str, ...], selected: Filter, consent: Consent, dry_run: bool, as_json: bool) -> None:
    """Put jobs in front of everything that waits in their queue.

    The first ID becomes the very next job, by a filter the oldest. ID may be - for ids on standard input.

    \b
    Example:  hms job promote job-219 job-7 --reason "the governor asks"
    """
    _do(Verb("promote", "Promote", "promoted", {}), words, selected, consent, as_json, dry_run=dry_run)


@click.command("move")
@click.option("--to", "to_queue", required=True, metavar="QUEUE", help="The queue that they go to.")
@preview.dry_run_option
@_steering
def move(
    words: tuple[str, ...],
    selected: Filter,
    to_queue: str,
    consent: Consent,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Move jobs that have not begun their step to another queue.

    Their deadline stays, and later steps go where the recipe says. ID may be - for ids on standard input.

    \b
    Example:  hms job move job-219 --to farm-appeal
    """
    verb = Verb("move", "Move", f"moved to {to_queue}", {"queue": to_queue})
    _do(verb, words, selected, consent, as_json, dry_run=dry_run)


@click.command("priority")
@click.option(
    "--to",
    "number",
    type=click.IntRange(-HIGHEST_PRIORITY, HIGHEST_PRIORITY),
    required=True,
    metavar="N",
    help=f"From -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}; 0 is what jobs have of themselves.",
)
@preview.dry_run_option
@_steering
def priority(
    words: tuple[str, ...],
    selected: Filter,
    number: int,
    consent: Consent,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Set the priority of jobs: the higher goes first, whatever the deadlines.

    ID may be - for ids on standard input.

    \b
    Example:  hms job priority --batch 3 --to 10
    """
    verb = Verb("priority", "Change the priority of", f"set to priority {number}", {"priority": number})
    _do(verb, words, selected, consent, as_json, dry_run=dry_run)


@click.command("delay")
@click.option("--at", "at", required=True, metavar="TIME", help="14:30, 2026-11-23 08:00, +10m or now.")
@_steering
def delay(words: tuple[str, ...], selected: Filter, at: str, consent: Consent, as_json: bool) -> None:
    """Start jobs no earlier than a TIME; now takes a delay away.

    Their deadline stays. ID may be - for ids on standard input.

    \b
    Example:  hms job delay job-219 --at +2h --reason "the inspector is on the road"
    """
    now = api_client.clock()
    until = None if at.strip().lower() == "now" else future(at, now, "--at")
    done = "free to start now" if until is None else f"delayed until {show.moment(until, now)}"
    verb = Verb("delay", "Delay" if until else "Let start", done, {"until": until})
    _do(verb, words, selected, consent, as_json)


def _do(
    verb: Verb,
    words: tuple[str, ...],
    selected: Filter,
    consent: Consent,
    as_json: bool,
    *,
    dry_run: bool = False,
) -> None:
    if dry_run:
        try_out(verb, words, selected, consent, as_json=as_json)
        return
    outcome = steer(verb, words, selected, consent)
    tell(verb, outcome, as_json=as_json)
    end(outcome)


ALL = (cancel, reinstate, retry, promote, move, priority, delay)
