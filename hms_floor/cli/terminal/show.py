"""Print to a terminal by the reader's clock and in colours, or as JSON for programs."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
from datetime import datetime
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.text import Text

from hms_floor.cli.terminal import zones
from hms_oms.api.codec import document
from hms_oms.documents.queues import Cause
from hms_oms.runtime import format
from hms_oms.runtime.format import about as about
from hms_oms.runtime.format import minutes as minutes
from hms_oms.runtime.format import relative as relative
from hms_oms.runtime.format import share as share
from hms_oms.runtime.format import span as span
from hms_ops.forecast import advice
from hms_ops.forecast import cause as causes

#: Columns where output goes to a file or a program, which have no width of their own.
UNBOUNDED = 240
#: Columns of a terminal that does not say how many it has, and the fewest that lines are made for.
UNKNOWN, LEAST = 80, 20

STYLES = {
    "running": "cyan",
    "done": "green",
    "failed": "bold red",
    "cancelled": "dim",
    "paused": "bold yellow",
    "late": "bold red",
}

json_option = click.option("as_json", "--json", is_flag=True, help="Print JSON instead of a table.")


def out() -> Console:
    """Standard output for a person: coloured only on a terminal, and never cut to fit elsewhere."""
    return Console(file=sys.stdout, width=width(), highlight=False, soft_wrap=False)


def width() -> int:
    """The columns of standard output; a terminal that has hardly any breaks the lines itself."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit():
        return max(int(columns), LEAST) if int(columns) else UNBOUNDED
    if not sys.stdout.isatty():
        return UNBOUNDED
    try:
        return max(os.get_terminal_size(sys.stdout.fileno()).columns or UNKNOWN, LEAST)
    except OSError:
        return UNKNOWN


@functools.cache
def err() -> Console:
    """Standard error for a person; one for all, so that a line may be told while a bar is drawn."""
    # By a width of 0 nothing at all would be shown.
    unknown = os.environ.get("COLUMNS", "").strip("0") == "" and "COLUMNS" in os.environ
    return Console(stderr=True, highlight=False, width=UNKNOWN if unknown else None)


def print_json(document: Any, *, indent: int | None = 2) -> None:
    """Print a JSON document on standard output; on one line where `indent` is None."""
    click.echo(json.dumps(document, ensure_ascii=not unicode(), allow_nan=False, indent=indent))


def cause(reason: Cause) -> str:
    """Cause of a queue's late jobs and its remedies, with times in the reader's zone."""
    known = causes.read(document(reason))
    assert known is not None
    return advice.sentence(known, lambda when: format.hour_and_zone(when, zones.reader()))


def lines(*parts: RenderableType) -> None:
    """Print one after the other on standard output; a text as it is, whatever it holds."""
    console = out()
    with console.capture() as printed:
        for part in parts:
            # Never cut: what is too long for a line goes on in the next.
            console.print(plain(part) if isinstance(part, str) else part, crop=False, overflow="ignore")
    text = printed.get()
    if not console.is_terminal:
        text = re.sub(" +$", "", text, flags=re.MULTILINE)
    click.echo(text, nl=False)


def unicode() -> bool:
    """Whether standard output can show more than ASCII."""
    return (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")


def heading(sentence: str) -> Text:
    """A text that stands above others."""
    text = plain(sentence)
    text.stylize("bold")
    return text


_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(value: str | Text) -> Text:
    """A text as it is: no markup, and nothing in it that would steer the terminal."""
    if isinstance(value, Text):
        return value
    visible = _UNSEEN.sub("\ufffd", value)
    return Text(visible if unicode() else visible.encode("ascii", "backslashreplace").decode())


def status(word: str) -> Text:
    """A status in its colour."""
    return Text(word, style=STYLES.get(word, ""))


def count(number: int, style: str = "", width: int = 0) -> Text:
    """A number with its thousands apart, set to the right in `width`; 0 is faint."""
    return Text(f"{number:{width},}", style=style if number else "dim")


def slots(number: int, lost: int) -> Text:
    """So many slots, and those of them that are lost."""
    return count(number) + Text(f", {lost:,} lost", style=STYLES["late"]) if lost else count(number)


def moment(when: datetime | None, now: datetime) -> str:
    """A time by the reader's clock, with the zone, and how far away it is."""
    return "" if when is None else format.local_and_relative(when, zones.reader(), now)


def day(when: datetime) -> str:
    """The day of a time by the reader's clock."""
    return format.day(when, zones.reader())


def deadline(
    due: datetime, ended: datetime | None, status: str, now: datetime, held_at: datetime | None = None
) -> Text:
    """A job's deadline, and whether it was met, or by how much the job is ahead of it or behind."""
    words, missed = format.deadline(due, ended, status, zones.reader(), now, held_at)
    return Text(words, style=STYLES["late"] if missed else "")


def predicted_end(
    ends: datetime | None, due: datetime, now: datetime, *, at_risk: bool | None
) -> Text | None:
    """When an open job will end if nothing changes; None if that was not foreseen."""
    if at_risk is None:
        return None
    words = format.predicted_end(ends, due, zones.reader(), now, at_risk=at_risk)
    return Text(words, style="yellow" if at_risk else "")


def local(when: datetime, now: datetime, *, parts: str = "seconds") -> str:
    """A time by the reader's clock, with the zone; the date if it is another day."""
    return format.local(when, zones.reader(), now, parts=parts)
