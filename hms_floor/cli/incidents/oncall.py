"""`hms oncall`: who is texted, in which order, and when."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from datetime import datetime, time
from typing import IO, Any

import click
from rich.text import Text

from hms_floor.cli.incidents import channels
from hms_floor.cli.terminal import api_client, show, tables
from hms_floor.cli.terminal.errors import WrongCall, listed
from hms_floor.cli.verbs import Verbs
from hms_floor.presentation.oncall import night_words
from hms_oms.api.codec import document
from hms_oms.api.errors import InvalidRequest
from hms_oms.runtime import text_decoding
from hms_ops.documents.calling import Gap, OnCall


@click.group(cls=Verbs, same={"get": "list"})
def oncall() -> None:
    """See and set who is texted about it."""


oncall.add_command(channels.channel)


@oncall.command("list")
@show.json_option
def list_oncall(as_json: bool) -> None:
    """Tell who is texted now, step by step, until when, and tonight; and who set it so.

    \b
    Example:  hms oncall list
    """
    in_force = api_client.ops().oncall()
    if as_json:
        show.print_json(document(in_force))
        return
    show.lines(tables.table(["when", "who", "reached by"], _rungs(in_force)), "")
    show.lines(*_turns(in_force), *_coverage(in_force))
    if in_force.set_at is not None:
        why = f": {in_force.reason}" if in_force.reason else "."
        show.lines(f"Set by {in_force.set_by} {show.relative(in_force.set_at, api_client.clock())}{why}")
        show.lines(f"Shifts follow the clock of {in_force.zone}.")
    elif _texts_leave():
        warning = "Nobody is texted: nobody has said yet who is on call. Do it with: hms oncall set FILE"
        show.lines(Text(warning, style="bold red"))
    else:
        show.lines("This holds until somebody sets a document: hms oncall set FILE")


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
    try:
        in_force = api_client.ops().set_oncall(_read(file), reason=reason)
    except InvalidRequest as error:
        faults = [f"{field.removeprefix('document.')}: {why}" for field, why in error.faults] or [str(error)]
        raise WrongCall(listed(f"{_named(file)} cannot be put in force", faults)) from None
    if as_json:
        show.print_json(document(in_force))
        return
    show.lines(
        "In force from now on. Now on call:",
        tables.table(["when", "who", "reached by"], _rungs(in_force)),
        "",
    )
    show.lines(*_turns(in_force), *_coverage(in_force))


def _rungs(document: OnCall) -> Iterator[tuple[str, str | Text, str]]:
    """Each step, and who is on it now."""
    phones = dict(document.document.get("recipients", {}))
    for step in document.now:
        when = f"after {step.after_minutes:g} min" if step.after_minutes else "at once"
        for name in step.recipients:
            yield when, name, _reached_by(phones.get(name, ""))
        if not step.recipients:
            yield when, Text("nobody: no shift covers this hour", style="yellow"), ""


def _turns(document: OnCall) -> Iterator[Text]:
    """Who is called first now and until when, and tonight, by the reader's clock."""
    now = api_client.clock()
    names = next((step.recipients for step in document.now if step.recipients), ())
    following = (document.next.since, document.next.names) if document.next else None
    yield Text(night_words.now(names, following, lambda when: _hour(when, now)), style="bold")
    night = [(turn.until, turn.names) for turn in document.tonight]
    yield Text(night_words.tonight(night, lambda when: _hour(when, now)))


def _hour(when: datetime | str, now: datetime) -> str:
    assert isinstance(when, datetime)
    return show.local(when, now, parts="minutes")


def _reached_by(entry: str | dict[str, str]) -> str:
    return entry if isinstance(entry, str) else f"channel {entry['channel']}"


def _coverage(document: OnCall) -> Iterator[Text]:
    """The hours of the week in which nobody stands on some step, and why nobody may be reached now."""
    nobody = [gap for gap in document.gaps if gap.nobody]
    if nobody:
        yield Text(
            "Nobody is on call, and nothing reaches anybody, in these hours of each week:", style="bold red"
        )
        yield from (Text(f"  {_hours(gap)}") for gap in nobody)
    alone = [gap for gap in document.gaps if not gap.nobody]
    if alone:
        yield Text("A step has nobody in these hours; the next one is texted at once:", style="yellow")
        yield from (Text(f"  {_hours(gap)}: step {', '.join(map(str, gap.steps))}") for gap in alone)
    if not document.gaps:
        yield Text("Every hour of the week is covered.", style="green")
    if document.doubt is not None:
        yield Text(f"{document.doubt[0].upper()}{document.doubt[1:]}.", style="bold yellow")


def _hours(gap: Gap) -> str:
    hours = f"{gap.hours:g} hour{'' if gap.hours == 1 else 's'}"
    return f"{gap.begins} - {gap.ends} ({hours})" if gap.hours < 168 else "the whole week"


def _texts_leave() -> bool:
    """Whether the watch says that texts do not stay on its machine, so that nobody is called by default."""
    beats = api_client.ops().status().beats
    return any(beat.detail.get("sender_is_local") is False for beat in beats)


def _read(file: IO[bytes]) -> dict[str, Any]:
    """The document in a file. Raises WrongCall."""
    try:
        text = text_decoding.decode(file.read())
        parsed = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
        # TOML has times and numbers that JSON does not have.
        plain: dict[str, Any] = json.loads(json.dumps(parsed, default=_plain, allow_nan=False))
    except text_decoding.Undecodable as error:
        raise WrongCall(f"{_named(file)} cannot be read: {error}") from None
    except (ValueError, RecursionError) as error:
        raise WrongCall(f"{_named(file)} is neither TOML nor JSON: {error}") from None
    return plain


def _named(file: IO[bytes]) -> str:
    return "standard input" if file.name == "<stdin>" else file.name


def _plain(value: Any) -> str:
    return value.isoformat("minutes") if isinstance(value, time) else str(value)
