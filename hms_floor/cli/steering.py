"""What a person does to jobs: on which ones is said and asked first, what came of it is told afterwards."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
from sqlalchemy import Connection

from hms_floor.cli import ledger, selection, show
from hms_floor.cli.errors import ERROR, NotFound, Stopped
from hms_oms import control, jobs
from hms_oms.states import TERMINAL, Fact, allowed_before
from hms_oms.tickets import job_name

#: So many jobs are changed in one transaction.
PAGE = 10_000
#: So many ids that do not exist are named.
_NAMED = 5


@dataclass(frozen=True)
class Verb:
    """What is to be done: the words for it, what it does to a page of jobs, and what follows its commit.

    `backwards` takes jobs that are named from the last one to the first.
    """

    word: str
    done: str
    fact: Fact
    change: Callable[[Connection, Sequence[int]], Sequence[int]]
    backwards: bool = False
    after: Callable[[], None] = lambda: None


@dataclass
class Came:
    """What came of it: how many jobs were meant, which were changed, and in which status the others are."""

    meant: int = 0
    changed: list[int] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)


def steer(verb: Verb, words: Sequence[str], wanted: jobs.Filter, *, yes: bool) -> Came:
    """Do it to the jobs that are named or meant, page by page. Raises NotFound before anything is done."""
    named = selection.ids(words, wanted)
    came = Came()
    if named is None:
        pages = _by_filter(verb, wanted, came)
    else:
        with ledger.reading() as connection:
            _require(connection, named)
        came.meant = len(named)
        pages = _chunks(named[::-1] if verb.backwards else named)
    count = came.meant - came.left.total()
    # Whoever names jobs one by one has said how many; whoever lets a program name them has not.
    if count and (named is None or selection.STDIN in words):
        _count_first(verb, count, came.meant, yes=yes, stdin_used=named is not None)
    try:
        for page in pages:
            _turn(verb, page, came)
    except KeyboardInterrupt:
        raise Stopped(
            f"Stopped: {len(came.changed):,} {verb.done} before that, the others are as they were."
        ) from None
    return came


def tell(verb: Verb, came: Came, *, as_json: bool, more: dict[str, Any] | None = None) -> None:
    """Tell what came of it."""
    if as_json:
        document: dict[str, Any] = {"matched": came.meant, "changed": len(came.changed)}
        document |= {"jobs": [job_name(job) for job in came.changed], "unchanged": dict(came.left)}
        show.print_json(document | (more or {}))
    elif not came.meant:
        show.lines("No job is like that.")
    elif came.meant == 1 and came.changed:
        show.lines(f"{job_name(came.changed[0])} {verb.done}.")
    else:
        parts = [f"{len(came.changed):,} of {came.meant:,} {verb.done}", *_left(verb, came.left)]
        show.lines("; ".join(parts) + ".")


def _count_first(verb: Verb, count: int, meant: int, *, yes: bool, stdin_used: bool) -> None:
    what = "1 job" if count == 1 else f"{count:,} jobs"
    others = f" ({meant:,} are meant, the others are not in a state for it)" if count < meant else ""
    if yes:
        click.echo(f"{verb.word} {what}{others} ...", err=True)
    elif not selection.ask(f"{verb.word} {what}{others}?", stdin_used=stdin_used):
        click.echo("Nothing was changed.", err=True)
        raise click.exceptions.Exit(ERROR)


def _turn(verb: Verb, page: Sequence[int], came: Came) -> None:
    with ledger.writing() as connection:
        changed = list(verb.change(connection, page))
        others = control.statuses(connection, list(set(page) - set(changed)))
    came.changed += changed
    came.left.update(others.values())
    verb.after()


def _by_filter(verb: Verb, wanted: jobs.Filter, came: Came) -> Iterator[Sequence[int]]:
    """Count what a filter means, and return its pages: of the jobs that the verb can change."""
    able = allowed_before(verb.fact)
    with ledger.reading() as connection:
        if wanted.queue is not None:
            control.require_queue(connection, wanted.queue)
        census = control.census(connection, wanted)
    came.meant = sum(census.values())
    came.left.update({status: number for status, number in census.items() if status not in able})
    statuses = tuple(status.value for status in able if status in census)
    return _pages(dataclasses.replace(wanted, status=statuses)) if statuses else iter(())


def _pages(wanted: jobs.Filter) -> Iterator[Sequence[int]]:
    """The ids of a filter, newest first, so that jobs which come meanwhile are not among them."""
    last: int | None = None
    while True:
        with ledger.reading() as connection:
            page = control.page(connection, wanted, limit=PAGE, after=last)
        if not page:
            return
        yield page
        last = page[-1]


def _chunks(named: Sequence[int]) -> Iterator[Sequence[int]]:
    return (named[start : start + PAGE] for start in range(0, len(named), PAGE))


def _require(connection: Connection, named: Sequence[int]) -> None:
    unknown: list[int] = []
    for page in _chunks(named):
        known = control.statuses(connection, page)
        unknown += [job for job in page if job not in known]
    if unknown:
        names = ", ".join(map(job_name, unknown[:_NAMED]))
        more = f" and {len(unknown) - _NAMED:,} more" if len(unknown) > _NAMED else ""
        raise NotFound(f"there is no {names}{more}; nothing was changed. `hms job list` shows the jobs")


def _left(verb: Verb, left: Counter[str]) -> list[str]:
    """Why the others were left alone, one part of a sentence for each reason."""
    if verb.fact is Fact.REVIVED:
        return [f"{left.total():,} had not failed"] if left else []
    ended = sum(number for status, number in left.items() if status in TERMINAL)
    others = left.total() - ended
    running = f"{others:,} {'was' if others == 1 else 'were'} running already"
    return ([f"{ended:,} had ended already"] if ended else []) + ([running] if others else [])
