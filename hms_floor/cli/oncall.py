"""`hms oncall`: who is texted, in which order, and when."""

from __future__ import annotations

import json
import tomllib
from typing import IO, Any

import click

from hms_floor.cli import door, show, tables
from hms_floor.cli.errors import WrongCall
from hms_oms.reading import document


@click.group()
def oncall() -> None:
    """See and set who is called about incidents."""


@oncall.command("list")
@show.json_option
def list_oncall(as_json: bool) -> None:
    """Tell who is called now, step by step, and who set it so.

    \b
    Example:  hms oncall list
    """
    found = door.ops().oncall()
    if as_json:
        show.print_json(document(found))
        return
    if not found.now:
        show.lines("Nobody is called: set a document with `hms oncall set FILE`.")
        return
    phones: dict[str, str] = dict(found.document.get("recipients", {}))
    rows = [
        (f"after {rung.after_minutes:g} min", name, phones.get(name, ""))
        for rung in found.now
        for name in rung.recipients
    ]
    show.lines(tables.table(["when", "who", "phone"], rows))
    if found.set_at is None:
        show.lines("\nThis holds until somebody sets a document: `hms oncall set FILE`.")
    else:
        why = f": {found.reason}" if found.reason else ""
        show.lines(f"\nSet by {found.set_by} {show.relative(found.set_at, door.clock())}{why}")


@oncall.command("set")
@click.argument("file", type=click.File("rb"))
@click.option("--reason", metavar="TEXT", help="Why, for the history.")
@show.json_option
def set_oncall(file: IO[bytes], reason: str | None, as_json: bool) -> None:
    """Put the document in FILE (TOML, or JSON) in force at once; - reads standard input.

    docs/on-call.toml is an example with recipients, shifts and steps.

    \b
    Example:  hms oncall set on-call.toml --reason "Ada is on leave"
    """
    found = door.ops().set_oncall(_read(file), reason=reason)
    if as_json:
        show.print_json(document(found))
        return
    names = [name for rung in found.now for name in rung.recipients]
    show.lines(f"In force. Now on call: {', '.join(dict.fromkeys(names)) or 'nobody'}.")


def _read(file: IO[bytes]) -> dict[str, Any]:
    try:
        text = file.read().decode()
        found: Any = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except ValueError as error:
        raise WrongCall(f"{file.name} cannot be read: {error}") from None
    assert isinstance(found, dict)
    return found
