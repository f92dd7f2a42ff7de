"""Change jobs from the command line: count and confirm first, then report the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import click

from hms_act.client import Action
from hms_floor.cli import exit_codes
from hms_floor.cli.jobs import undo as undoing
from hms_floor.cli.terminal import api_client, confirming, preview, selection, show
from hms_floor.cli.terminal.confirming import Consent
from hms_floor.cli.terminal.errors import ERROR, Stopped
from hms_oms.api import codec
from hms_oms.api.filter import CONFIRM_ABOVE, Filter
from hms_oms.documents.foresight import Effect
from hms_oms.documents.jobs import BulkDone, Undo
from hms_oms.jobs.states import TERMINAL, Status

#: So many jobs are named to the API at a time.
PAGE = 10_000
Part = Filter | Sequence[str]


@dataclass(frozen=True)
class Verb:
    """A change to jobs: its action, its wording, and the API's further arguments."""

    action: Action
    word: str
    done: str
    options: dict[str, Any]


@dataclass
class Result:
    """Result of a change: jobs matched, jobs changed, and the statuses of the others."""

    meant: int = 0
    changed: int = 0
    jobs: list[str] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    running: list[str] = field(default_factory=list)
    warning: str | None = None
    #: Whether the jobs were named one by one: then each that was not changed is one too many.
    named: bool = False
    undo: list[Undo] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    unmeasured: list[str] = field(default_factory=list)

    def add(self, part: BulkDone) -> None:
        """Add what came of one part."""
        self.meant += part.matched
        self.changed += part.changed
        self.jobs += part.jobs
        self.left.update(part.unchanged)
        self.running += part.running
        self.warning = part.warning or self.warning
        self.undo += [part.undo] if part.undo else []
        self.effects += part.effects
        self.unmeasured += [queue for queue in part.unmeasured if queue not in self.unmeasured]


def steer(verb: Verb, words: Sequence[str], selected: Filter, consent: Consent) -> Result:
    """Do it to the jobs that are named or meant. Raises NotFound before anything is done."""
    named = selection.ids(words, selected)
    parts = [_as_of_now(selected)] if named is None else _parts(verb, named)
    counts: list[int | None] = [consent.count] * len(parts)
    # Anyone who names jobs one by one has said how many; anyone who lets a program name them has not.
    by_hand = named is not None and selection.STDIN not in words
    if not by_hand or len(named or ()) > CONFIRM_ABOVE:
        counted, ables = _count(verb, parts, consent.reason)
        counted.named = named is not None
        if not sum(ables):
            return counted
        stdin_used = named is not None and not by_hand
        if sum(ables) > CONFIRM_ABOVE:
            consent = confirming.above(verb.word, sum(ables), consent, stdin_used=stdin_used)
            counts = [consent.count] if len(parts) == 1 else [*ables]
        elif not by_hand:
            _count_first(verb, sum(ables), counted.meant, yes=consent.yes, stdin_used=stdin_used)
    outcome = _each(verb, parts, counts, consent.reason)
    outcome.named = named is not None
    return outcome


def try_out(verb: Verb, words: Sequence[str], selected: Filter, consent: Consent, *, as_json: bool) -> None:
    """Tell what it would do, without doing it. Raises NotFound.

    Of jobs that are named in parts, each part is tried by itself.
    """
    named = selection.ids(words, selected)
    parts: list[Part] = [_as_of_now(selected)] if named is None else [*_parts(verb, named)]
    counted, ables = _count(verb, parts, consent.reason, forecast=True)
    if as_json:
        document = {"dryRun": True, "matched": counted.meant, "able": sum(ables)}
        effects = [codec.document(effect) for effect in counted.effects]
        show.print_json(document | {"effects": effects, "unmeasured": counted.unmeasured})
        return
    words = f"{sum(ables):,} of {counted.meant:,} would be {verb.done}."
    preview.tell_all(words, counted.effects, counted.unmeasured)


def end(outcome: Result) -> None:
    """End with the exit code of what was left, if jobs were named and not all of them changed."""
    code = exit_codes.of_parts(outcome.meant - outcome.changed, outcome.meant)
    if outcome.named and code:
        raise click.exceptions.Exit(code)


def tell(verb: Verb, outcome: Result, *, as_json: bool, more: dict[str, Any] | None = None) -> None:
    """Tell what came of it."""
    if as_json:
        document: dict[str, Any] = {"matched": outcome.meant, "changed": outcome.changed}
        document |= {"jobs": outcome.jobs, "unchanged": dict(outcome.left)}
        document["undo"] = [change.id for change in outcome.undo]
        show.print_json(document | (more or {}))
    elif not outcome.meant:
        show.lines("No matching jobs.")
    elif outcome.meant == 1 and outcome.jobs:
        show.lines(f"{outcome.jobs[0]} {verb.done}.")
    else:
        parts = [f"{outcome.changed:,} of {outcome.meant:,} {verb.done}", *_left(verb, outcome.left)]
        show.lines("; ".join(parts) + ".")
    if not as_json:
        undoing.hint(*outcome.undo)


def _parts(verb: Verb, named: list[str]) -> list[list[str]]:
    parts = [named[start : start + PAGE] for start in range(0, len(named), PAGE)]
    # Of the promoted the one that is named first goes first: it is promoted last.
    return parts[::-1] if verb.action == "promote" else parts


def _as_of_now(selected: Filter) -> Filter:
    """The filter without jobs that come in while somebody makes up their mind."""
    return selected if selected.created_to else replace(selected, created_to=api_client.clock())


def _count(
    verb: Verb, parts: Sequence[Part], reason: str | None, *, forecast: bool = False
) -> tuple[Result, list[int]]:
    """Dry run of a change, with the number of jobs that each part would change."""
    counted = Result()
    ables = []
    for part in parts:
        done = api_client.act().bulk(
            verb.action, part, dry_run=True, forecast=forecast, reason=reason, **verb.options
        )
        counted.add(done)
        ables.append(done.able)
    return counted, ables


def _each(verb: Verb, parts: Sequence[Part], counts: Sequence[int | None], reason: str | None) -> Result:
    outcome = Result()
    try:
        for part, count in zip(parts, counts, strict=True):
            outcome.add(api_client.act().bulk(verb.action, part, reason=reason, count=count, **verb.options))
    except KeyboardInterrupt:
        raise Stopped(
            f"Stopped: {outcome.changed:,} {verb.done} before that; what the API has begun, it finishes."
        ) from None
    return outcome


def _count_first(verb: Verb, count: int, meant: int, *, yes: bool, stdin_used: bool) -> None:
    what = "1 job" if count == 1 else f"{count:,} jobs"
    others = f" ({meant:,} are meant, the others are not in a state for it)" if count < meant else ""
    if yes:
        click.echo(f"{verb.word} {what}{others} ...", err=True)
    elif not selection.ask(f"{verb.word} {what}{others}?", stdin_used=stdin_used):
        click.echo("Nothing was changed.", err=True)
        raise click.exceptions.Exit(ERROR)


def _left(verb: Verb, left: Counter[str]) -> list[str]:
    """Reasons why the other jobs were not changed, as parts of a sentence."""
    if verb.action == "retry":
        return [f"{left.total():,} had not failed"] if left else []
    if verb.action == "reinstate":
        replaced = left[Status.CANCELLED]
        others = left.total() - replaced
        notes = [f"{replaced:,} stayed cancelled"] if replaced else []
        return notes + ([f"{others:,} {'was' if others == 1 else 'were'} not cancelled"] if others else [])
    ended = sum(number for status, number in left.items() if status in TERMINAL)
    others = left.total() - ended
    running = f"{others:,} {'was' if others == 1 else 'were'} running already"
    return ([f"{ended:,} had ended already"] if ended else []) + ([running] if others else [])
