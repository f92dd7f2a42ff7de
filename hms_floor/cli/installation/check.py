"""`hms check`: what is configured, what answers and takes writes, who works, and what is wrong now."""

from __future__ import annotations

import click
from rich.text import Text

from hms_floor.cli.installation.checks import all_checks
from hms_floor.cli.installation.checks.finding import Finding
from hms_floor.cli.terminal import errors, show, tables
from hms_ops.health import BAD, OK, WARN

_LOOKS = {
    OK: ("\u2713 ok", "+ ok", "green"),
    WARN: ("\u25b2 look", "! look", "yellow"),
    BAD: ("\u2717 fail", "x fail", "bold red"),
}


@click.command()
@show.json_option
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Tell what answers, who works, and what is wrong now.

    Asks PostgreSQL, Redis and the API at the same time, each for a few seconds at most; starts nothing and
    changes nothing. Exits with 1 if anything has failed or an incident is open; what only wants a look
    (nobody real is on call) does not.

    \b
    Example:  hms check
    """
    findings = all_checks.findings()
    bad = sum(finding.light == BAD for finding in findings)
    look = sum(finding.light == WARN for finding in findings)
    if as_json:
        show.print_json(
            {"ok": not bad, "look": look, "findings": [finding.document() for finding in findings]}
        )
    else:
        show.lines(tables.table(["", "what", "found"], map(row, findings), wide=["found"]))
        show.lines(_verdict(bad, look))
    if bad:
        ctx.exit(errors.ERROR)


def _verdict(bad: int, look: int) -> Text:
    more = f"{look} to look at"
    if bad:
        return Text(f"\n{bad} not well" + (f", {more}" if look else ""), style="bold red")
    return Text(
        f"\nnothing has failed, {more}" if look else "\nall is well", style="yellow" if look else "green"
    )


def row(finding: Finding) -> tuple[Text, str, Text]:
    """A finding as a row of a table: how it stands, what it is about, what was found and is to be done."""
    fine, plain, style = _LOOKS[finding.light]
    detail = show.plain(finding.detail)
    if finding.advice:
        detail = Text.assemble(detail, "\n", (f"-> {finding.advice}", "yellow"))
    return Text(fine if show.unicode() else plain, style=style), finding.name, detail
