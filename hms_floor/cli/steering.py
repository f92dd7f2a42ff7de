"""What a person does to jobs: on which ones is said and asked first, what came of it is told afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from hms_act.client import Action
from hms_floor.cli import door, exit_codes, selection, show
from hms_floor.cli.errors import ERROR, Stopped
from hms_oms.answers import Changed
from hms_oms.filter import Filter
from hms_oms.states import TERMINAL

#: So many jobs are named to the door at a time.
PAGE = 10_000


@dataclass(frozen=True)
class Verb:
    """What is to be done, the words for it, and what the door needs to know besides."""

    action: Action
    word: str
    done: str
    options: dict[str, Any]


@dataclass
class Came:
    """What came of it: how many jobs were meant, which were changed, and in which status the others are."""

    meant: int = 0
    changed: int = 0
    jobs: list[str] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    running: list[str] = field(default_factory=list)
    warning: str | None = None
    #: Whether the jobs were named one by one: then each that was not changed is one too many.
    named: bool = False

    def add(self, part: Changed) -> None:
        """Add what came of one part."""
        self.meant += part.matched
        self.changed += part.changed
        self.jobs += part.jobs
        self.left.update(part.unchanged)
        self.running += part.running
        self.warning = part.warning or self.warning


def steer(verb: Verb, words: Sequence[str], wanted: Filter, *, yes: bool, reason: str | None) -> Came:
    """Do it to the jobs that are named or meant. Raises NotFound before anything is done."""
    named = selection.ids(words, wanted)
    parts = [wanted] if named is None else _parts(verb, named)
    # Whoever names jobs one by one has said how many; whoever lets a program name them has not.
    by_hand = named is not None and selection.STDIN not in words
    if not by_hand or len(parts) > 1:
        seen = _each(verb, parts, dry_run=True, reason=reason)
        seen.named = named is not None
        able = seen.meant - seen.left.total()
        if not able:
            return seen
        if not by_hand:
            _count_first(verb, able, seen.meant, yes=yes, stdin_used=named is not None)
    came = _each(verb, parts, dry_run=False, reason=reason)
    came.named = named is not None
    return came


def end(came: Came) -> None:
    """End with the exit code of what was left, if jobs were named and not all of them changed."""
    code = exit_codes.of_parts(came.meant - came.changed, came.meant)
    if came.named and code:
        raise click.exceptions.Exit(code)


def tell(verb: Verb, came: Came, *, as_json: bool, more: dict[str, Any] | None = None) -> None:
    """Tell what came of it."""
    if as_json:
        document: dict[str, Any] = {"matched": came.meant, "changed": came.changed}
        document |= {"jobs": came.jobs, "unchanged": dict(came.left)}
        show.print_json(document | (more or {}))
    elif not came.meant:
        show.lines("No job is like that.")
    elif came.meant == 1 and came.jobs:
        show.lines(f"{came.jobs[0]} {verb.done}.")
    else:
        parts = [f"{came.changed:,} of {came.meant:,} {verb.done}", *_left(verb, came.left)]
        show.lines("; ".join(parts) + ".")


def _parts(verb: Verb, named: list[str]) -> list[list[str]]:
    parts = [named[start : start + PAGE] for start in range(0, len(named), PAGE)]
    # Of the promoted the one that is named first goes first: it is promoted last.
    return parts[::-1] if verb.action == "promote" else parts


def _each(verb: Verb, parts: Sequence[Filter | Sequence[str]], *, dry_run: bool, reason: str | None) -> Came:
    came = Came()
    try:
        for part in parts:
            done = door.act().bulk(verb.action, part, dry_run=dry_run, reason=reason, **verb.options)
            came.add(done)
    except KeyboardInterrupt:
        if dry_run:
            raise
        raise Stopped(
            f"Stopped: {came.changed:,} {verb.done} before that; what the door has begun, it finishes."
        ) from None
    return came


def _count_first(verb: Verb, count: int, meant: int, *, yes: bool, stdin_used: bool) -> None:
    what = "1 job" if count == 1 else f"{count:,} jobs"
    others = f" ({meant:,} are meant, the others are not in a state for it)" if count < meant else ""
    if yes:
        click.echo(f"{verb.word} {what}{others} ...", err=True)
    elif not selection.ask(f"{verb.word} {what}{others}?", stdin_used=stdin_used):
        click.echo("Nothing was changed.", err=True)
        raise click.exceptions.Exit(ERROR)


def _left(verb: Verb, left: Counter[str]) -> list[str]:
    """Why the others were left alone, one part of a sentence for each reason."""
    if verb.action == "retry":
        return [f"{left.total():,} had not failed"] if left else []
    ended = sum(number for status, number in left.items() if status in TERMINAL)
    others = left.total() - ended
    running = f"{others:,} {'was' if others == 1 else 'were'} running already"
    return ([f"{ended:,} had ended already"] if ended else []) + ([running] if others else [])
