"""Confirming a change to very many jobs: why it is made, and their number, typed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import click

from hms_floor.cli.terminal import selection
from hms_floor.cli.terminal.errors import ERROR, WrongCall


@dataclass(frozen=True)
class Consent:
    """Consent given on the command line: --yes, the reason, and the expected number of jobs."""

    yes: bool
    reason: str | None
    count: int | None


def above(word: str, able: int, consent: Consent, *, stdin_used: bool) -> Consent:
    """The reason and the number for a change to `able` jobs: as given, or as typed at a terminal.

    Raises WrongCall if something is missing and there is no terminal, Exit if another number is typed.
    """
    what = f"{word} {able:,} jobs"
    missing = [
        option
        for option, given in ((f"--count {able}", consent.count), ("--reason", consent.reason))
        if not given
    ]
    if not missing:
        return consent
    otherwise = (
        f"{what}? For so many, give {' and '.join(missing)}."
        " There is no terminal to ask at, so nothing was changed"
    )
    reason, count = consent.reason, consent.count
    if not reason:
        reason = selection.answer(f"{what}: why?", stdin_used=stdin_used, otherwise=otherwise)
        if not reason:
            raise WrongCall(f"{what}: it wants a reason, so nothing was changed")
    if count is None:
        typed = selection.answer(f"{what}? Type {able} to go on:", stdin_used=stdin_used, otherwise=otherwise)
        if typed.replace(",", "") != str(able):
            click.echo("Nothing was changed.", err=True)
            raise click.exceptions.Exit(ERROR)
        count = able
    return replace(consent, reason=reason, count=count)
