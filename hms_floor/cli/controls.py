"""`hms job cancel`, `retry`, `promote`, `move`, `priority` and `delay`: what a person may do to jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import click
from sqlalchemy import Connection

from hms_floor.cli import selection, show
from hms_floor.cli.arguments import moment
from hms_floor.cli.errors import Failure
from hms_floor.cli.ledger import reading, who
from hms_floor.cli.steering import Verb, steer, tell
from hms_oms import control, health, settings
from hms_oms.control import HIGHEST_PRIORITY
from hms_oms.jobs import Filter
from hms_oms.states import Fact
from hms_oms.tickets import Ticket

Function = Callable[..., None]


def _steering(function: Function) -> Function:
    """Give a verb what all of them take: ids or a filter, --yes, --reason and --json."""
    made = show.json_option(selection.filtering(function))
    made = click.option("--reason", metavar="TEXT", help="Why, for the jobs' timeline.")(made)
    made = click.option("--yes", is_flag=True, help="Go on without asking.")(made)
    return click.argument("words", metavar="[ID]...", nargs=-1)(made)


@click.command("cancel")
@click.option("--now", is_flag=True, help="End steps that are running, too.")
@_steering
def cancel(
    words: tuple[str, ...], wanted: Filter, now: bool, yes: bool, reason: str | None, as_json: bool
) -> None:
    """Cancel jobs that have not ended.

    A job that runs ends when its step does, or at once with --now. ID may be - for ids on standard input.

    \b
    Example:  hms job cancel --queue farm-grant --older-than 2d --reason "the county has withdrawn"
    """
    cancelling = _Cancelling(reason, now)
    verb = Verb("Cancel", "cancelled", Fact.CANCELLED, cancelling.change, after=cancelling.committed)
    came = steer(verb, words, wanted, yes=yes)
    steps = [str(ticket) for ticket in cancelling.running]
    tell(verb, came, as_json=as_json, more={"running": steps})
    if cancelling.fault is not None:
        raise Failure(str(cancelling.fault))
    if steps and not as_json:
        alone = "It runs" if came.meant == 1 else "1 of them runs"
        number = alone if len(steps) == 1 else f"{len(steps):,} of them run"
        if now:
            show.lines(f"{number}: the workers are told to end it, and what it reports is refused.")
        else:
            show.lines(f"{number} until the step is over; --now ends the step, too.")


@click.command("retry")
@_steering
def retry(words: tuple[str, ...], wanted: Filter, yes: bool, reason: str | None, as_json: bool) -> None:
    """Have failed jobs tried again, from the step that failed.

    What the steps before it have given is kept. ID may be - for ids on standard input.

    \b
    Example:  hms job retry --queue farm-grant --status failed --reason "the roster is mended"
    """

    def change(connection: Connection, page: Sequence[int]) -> Sequence[int]:
        return control.retry(connection, page, who=who(), reason=reason)

    verb = Verb("Retry", "tried again", Fact.REVIVED, change)
    tell(verb, steer(verb, words, wanted, yes=yes), as_json=as_json)


@click.command("promote")
@_steering
def promote(words: tuple[str, ...], wanted: Filter, yes: bool, reason: str | None, as_json: bool) -> None:
    """Put jobs in front of everything that waits in their queue.

    The first ID becomes the very next job, by a filter the oldest. ID may be - for ids on standard input.

    \b
    Example:  hms job promote job-219 job-7 --reason "the governor asks"
    """

    def change(connection: Connection, page: Sequence[int]) -> Sequence[int]:
        control.hold(connection, page)
        return [done for job in page for done in control.promote(connection, job, who=who(), reason=reason)]

    verb = Verb("Promote", "promoted", Fact.PROMOTED, change, backwards=True)
    tell(verb, steer(verb, words, wanted, yes=yes), as_json=as_json)


@click.command("move")
@click.option("--to", "to_queue", required=True, metavar="QUEUE", help="The queue that they go to.")
@_steering
def move(
    words: tuple[str, ...], wanted: Filter, to_queue: str, yes: bool, reason: str | None, as_json: bool
) -> None:
    """Move jobs that have not begun their step to another queue.

    Their deadline stays, and later steps go where the recipe says. ID may be - for ids on standard input.

    \b
    Example:  hms job move job-219 --to farm-appeal
    """
    with reading() as connection:
        control.require_queue(connection, to_queue)

    def change(connection: Connection, page: Sequence[int]) -> Sequence[int]:
        return control.move(connection, page, to_queue, who=who(), reason=reason)

    verb = Verb("Move", f"moved to {to_queue}", Fact.MOVED, change)
    tell(verb, steer(verb, words, wanted, yes=yes), as_json=as_json)


@click.command("priority")
@click.option(
    "--to",
    "number",
    type=click.IntRange(-HIGHEST_PRIORITY, HIGHEST_PRIORITY),
    required=True,
    metavar="N",
    help=f"From -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}; 0 is what jobs have of themselves.",
)
@_steering
def priority(
    words: tuple[str, ...], wanted: Filter, number: int, yes: bool, reason: str | None, as_json: bool
) -> None:
    """Set the priority of jobs: the higher goes first, whatever the deadlines.

    ID may be - for ids on standard input.

    \b
    Example:  hms job priority --batch 3 --to 10
    """

    def change(connection: Connection, page: Sequence[int]) -> Sequence[int]:
        return control.prioritize(connection, page, number, who=who(), reason=reason)

    verb = Verb("Change the priority of", f"set to priority {number}", Fact.REPRIORITIZED, change)
    tell(verb, steer(verb, words, wanted, yes=yes), as_json=as_json)


@click.command("delay")
@click.option("--at", "at", required=True, metavar="TIME", help="14:30, 2026-11-23 08:00, +10m or now.")
@_steering
def delay(
    words: tuple[str, ...], wanted: Filter, at: str, yes: bool, reason: str | None, as_json: bool
) -> None:
    """Start jobs no earlier than a TIME; now takes a delay away.

    Their deadline stays. ID may be - for ids on standard input.

    \b
    Example:  hms job delay job-219 --at +2h --reason "the inspector is on the road"
    """
    with reading() as connection:
        now = health.clock(connection)
    until = None if at.strip().lower() == "now" else _moment(at, now)

    def change(connection: Connection, page: Sequence[int]) -> Sequence[int]:
        return control.delay(connection, page, until, who=who(), reason=reason)

    done = "free to start now" if until is None else f"delayed until {show.moment(until, now)}"
    verb = Verb("Delay" if until else "Let start", done, Fact.DELAYED, change)
    tell(verb, steer(verb, words, wanted, yes=yes), as_json=as_json)


def _moment(written: str, now: datetime) -> datetime:
    try:
        return moment(written, now)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from None


ALL = (cancel, retry, promote, move, priority, delay)


@dataclass
class _Cancelling:
    """Cancels page by page; the workers hear of a page only after its commit, when no report counts."""

    reason: str | None
    now: bool
    running: list[Ticket] = field(default_factory=list)
    fault: Exception | None = None
    _page: list[Ticket] = field(default_factory=list)

    def change(self, connection: Connection, page: Sequence[int]) -> Sequence[int]:
        done = control.cancel_jobs(connection, page, who=who(), reason=self.reason, now=self.now)
        self._page = done.running
        return done.jobs

    def committed(self) -> None:
        self.running += self._page
        if not (self.now and self._page):
            return
        from hms_act.terminate import WorkersNotTold, terminate

        _, broker_url = settings.load().servers()
        try:
            terminate(broker_url, self._page)
        except WorkersNotTold as error:
            self.fault = error
