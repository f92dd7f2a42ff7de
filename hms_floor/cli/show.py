"""How things are shown to a person: times local and relative, spans, numbers; and to programs: JSON."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
from datetime import datetime, timedelta
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.text import Text

#: Columns where output goes to a file or a program, which have no width of their own.
UNBOUNDED = 240

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
    bounded = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(file=sys.stdout, width=None if bounded else UNBOUNDED, highlight=False, soft_wrap=False)


@functools.cache
def err() -> Console:
    """Standard error for a person; one for all, so that a line may be told while a bar is drawn."""
    return Console(stderr=True, highlight=False)


def print_json(document: Any, *, indent: int | None = 2) -> None:
    """Print a JSON document on standard output; on one line where `indent` is None."""
    click.echo(json.dumps(document, ensure_ascii=not unicode(), allow_nan=False, indent=indent))


def lines(*parts: RenderableType) -> None:
    """Print one after the other on standard output; a text as it is, whatever it holds."""
    console = out()
    with console.capture() as printed:
        for part in parts:
            console.print(plain(part) if isinstance(part, str) else part)
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
    seen = _UNSEEN.sub("\ufffd", value)
    return Text(seen if unicode() else seen.encode("ascii", "backslashreplace").decode())


def status(word: str) -> Text:
    """A status in its colour."""
    return Text(word, style=STYLES.get(word, ""))


def count(number: int, style: str = "", width: int = 0) -> Text:
    """A number with its thousands apart, set to the right in `width`; 0 is faint."""
    return Text(f"{number:{width},}", style=style if number else "dim")


def moment(when: datetime | None, now: datetime) -> str:
    """A time as the reader's clock has it, with the zone, and how far away it is."""
    return "" if when is None else f"{local(when, now)} ({relative(when, now)})"


def deadline(due: datetime, finished_at: datetime | None, now: datetime) -> Text:
    """A job's deadline, and by how much it is ahead of it or behind."""
    at = local(due, now)
    if finished_at is not None:
        spare = due - finished_at
        if spare >= timedelta(0):
            return Text(f"{at} (met, {about(spare)} to spare)")
        return Text(f"{at} (missed by {about(-spare)})", style=STYLES["late"])
    if due < now:
        return Text(f"{at} ({about(now - due)} late)", style=STYLES["late"])
    return Text(f"{at} ({relative(due, now)})")


def local(when: datetime, now: datetime) -> str:
    """A time as the reader's clock has it, with the zone; the date where it is another day."""
    here = when.astimezone()
    date = "" if here.date() == now.astimezone().date() else f"{here:%Y-%m-%d} "
    return f"{date}{here:%H:%M:%S %Z}"


def relative(when: datetime, now: datetime) -> str:
    """How far away a time is, as people say it: `in 4 min`, `2 h ago`."""
    distance = abs(when - now)
    if distance < timedelta(seconds=1):
        return "now"
    return f"in {about(distance)}" if when > now else f"{about(distance)} ago"


def about(length: timedelta) -> str:
    """A length of time in one unit, or in two where the first says little."""
    seconds = int(length.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 36000 and seconds % 3600 >= 60:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 3600} h" if seconds < 172800 else f"{seconds // 86400} d"


def span(length: timedelta) -> str:
    """A measured length of time, with the digits that matter."""
    seconds = max(0.0, length.total_seconds())
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} min {int(seconds) % 60} s"
    return about(length)


def minutes(number: float) -> str:
    """An SLA: `60 min`."""
    return f"{number:g} min"


def share(part: int, whole: int) -> str:
    """A share in percent; neither 0 nor 100 unless it is exactly that."""
    if whole == 0:
        return "-"
    percent = 100 * part / whole
    if 0 < part < whole:
        percent = min(max(percent, 0.1), 99.9)
    return f"{percent:.0f} %" if percent in (0, 100) else f"{percent:.1f} %"
