"""`hms ops` beside the daemon: is the watch alive, what do its rules compare with, do texts arrive?"""

from __future__ import annotations

import click
from rich.text import Text

from hms_floor.cli import door, show, tables
from hms_floor.cli.errors import ERROR
from hms_oms.reading import document


@click.command("status")
@show.json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Tell whether the watch and the pager are alive; exits with 1 where one is not.

    \b
    Example:  hms ops status
    """
    found = door.ops().status()
    if as_json:
        show.print_json(document(found))
    else:
        rows: list[tuple[str, str | Text, str | Text, str]] = []
        for beat in found.beats:
            word = Text("silent", style="bold red") if beat.stale else Text("alive", style="green")
            age = "never heard" if beat.age_seconds is None else f"{beat.age_seconds:.1f} s ago"
            detail = ", ".join(f"{name} {value}" for name, value in beat.detail.items() if value is not None)
            rows.append((beat.name, word, age, detail))
        show.lines(tables.table(["duty", "state", "last beat", "detail"], rows, wide=["detail"]))
        if not found.ok:
            show.lines("\nNobody is called while it is silent: start it with `hms ops run` (`hms up` does).")
    ctx.exit(0 if found.ok else ERROR)


@click.command("test-page")
@click.argument("phone")
def test_page(phone: str) -> None:
    """Have a text that says it is a test sent to PHONE (+12025550143).

    \b
    Example:  hms ops test-page +12025550143
    """
    token = door.ops().test_page(phone)
    show.lines(f"On its way to {phone} ({token}).")


@click.command("rules")
@click.option("--queue", metavar="QUEUE", help="As they hold in this queue.")
@show.json_option
def rules(queue: str | None, as_json: bool) -> None:
    """List what each rule compares with, and who changed it.

    \b
    Example:  hms ops rules
    """
    found = [each for each in door.ops().thresholds() if queue is None or each.queue in (None, queue)]
    if as_json:
        show.print_json([document(each) for each in found])
        return
    rows = [
        (
            each.rule,
            each.parameter,
            each.queue or "every queue",
            f"{each.value:g}",
            f"{each.default:g}" if each.value != each.default else "",
            each.set_by or "",
            each.reason or "",
        )
        for each in found
    ]
    headers = ["rule", "parameter", "queue", "value", "default", "set by", "reason"]
    show.lines(tables.table(headers, rows, right=["value", "default"], wide=["reason"], spare=["reason"]))


@click.command("rule")
@click.argument("name")
@click.argument("parameter")
@click.argument("value")
@click.option("--queue", metavar="QUEUE", help="Only in this queue.")
@click.option("--reason", metavar="TEXT", help="Why, for the history.")
@show.json_option
def rule(name: str, parameter: str, value: str, queue: str | None, reason: str | None, as_json: bool) -> None:
    """Change what rule NAME compares with, from the next look on; VALUE `default` takes it back.

    \b
    Example:  hms ops rule stalled minutes 10 --queue farm-grant
    """
    number = None if value == "default" else _number(value)
    found = door.ops().set_threshold(name, parameter, number, queue=queue, reason=reason)
    if as_json:
        show.print_json(document(found))
    else:
        show.lines(f"{found.rule} {found.parameter} in {found.queue or 'every queue'}: {found.value:g}.")


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is neither a number nor `default`.", param_hint="VALUE"
        ) from None
