"""`hms queue watch`: one queue as it stands, second by second."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from hms_floor.cli import door, show, tables
from hms_oms.answers import Queue
from hms_ops.answers import Metric

#: Bars of the little history, one a second.
_HISTORY = 60
_BARS = " ▁▂▃▄▅▆▇█"

Key = tuple[str, str | None]


@click.command("watch")
@click.argument("queue")
@click.option("--once", is_flag=True, help="Show it once, and end.")
@show.json_option
def watch(queue: str, once: bool, as_json: bool) -> None:
    """Watch QUEUE until Ctrl-C: length, waits, pace, and what will be late.

    Without a terminal, or with --json, each change is a line.

    \b
    Example:  hms queue watch farm-grant
    """
    present = _known(queue)
    frames = _frames(queue)
    if once:
        frames = itertools.islice(frames, 1)
    if as_json:
        for values in frames:
            show.print_json(_document(values), indent=None)
    elif once or not sys.stdout.isatty():
        for values in frames:
            show.lines(_line(queue, values))
    else:
        _live(present, frames)


def _known(queue: str) -> Queue:
    """The queue, as it stands. Raises NotFound."""
    door.oms().sla(queue)
    return next(each for each in door.oms().queues() if each.name == queue)


def _frames(queue: str) -> Iterator[Mapping[Key, Metric]]:
    """The newest value of each metric of a queue, again whenever some have changed together."""
    values: dict[Key, Metric] = {}
    for metrics in door.ops().frames(queue):
        values.update({(metric.name, metric.subject): metric for metric in metrics})
        yield values


def _live(queue: Queue, frames: Iterator[Mapping[Key, Metric]]) -> None:
    history: list[float] = []
    with Live(console=show.out(), auto_refresh=False) as live:
        for values in frames:
            history = [*history, _length(values)][-_HISTORY:]
            live.update(_screen(queue, values, history), refresh=True)


def _screen(queue: Queue, values: Mapping[Key, Metric], history: list[float]) -> RenderableType:
    now = max(metric.at for metric in values.values())
    lengths = [
        f"{_number(values, 'queue.length', state)} {where}"
        for state, where in (
            ("backlog", "in the backlog"),
            ("delayed", "delayed"),
            ("window", "in the window"),
        )
    ]
    waits = [
        f"{what} {_seconds(values, name)}"
        for what, name in (
            ("mean", "queue.waitTime"),
            ("p95", "queue.waitTime.p95"),
            ("oldest", "queue.oldestAge"),
        )
    ]
    needed = _number(values, "forecast.slotsNeeded")
    facts: list[tuple[str, str | Text]] = [
        ("waiting", ", ".join(lengths)),
        ("running", _number(values, "queue.length", "running")),
        ("wait", ", ".join(waits)),
        ("SLA", show.minutes(queue.sla_minutes) if queue.sla_minutes else "none"),
        ("pace", _pace(values)),
        ("done in", _seconds(values, "forecast.doneIn")),
        ("late", _alarming(values, "sla.breached", "bold red")),
        ("will be late", _alarming(values, "sla.atRisk", "bold yellow")),
        ("workers", f"{_number(values, 'worker.online')} with {queue.slots} slots; slots needed: {needed}"),
        ("source", f"{_source(values)}, {now.astimezone():%H:%M:%S %Z}"),
    ]
    return Group(Text(queue.name, style="bold"), tables.facts(facts), Text(_spark(history), style="cyan"))


def _line(queue: str, values: Mapping[Key, Metric]) -> str:
    now = max(metric.at for metric in values.values())
    parts = [
        f"{_length(values):,.0f} open",
        f"mean wait {_seconds(values, 'queue.waitTime')}",
        f"{_number(values, 'sla.breached')} late",
        f"{_number(values, 'sla.atRisk')} will be",
        _pace(values),
    ]
    return f"{now.astimezone():%H:%M:%S} {queue}: {', '.join(parts)}"


def _document(values: Mapping[Key, Metric]) -> dict[str, object]:
    now: datetime = max(metric.at for metric in values.values())
    named = {
        name if subject is None else f"{name}[{subject}]": metric.value
        for (name, subject), metric in sorted(values.items(), key=str)
    }
    return {"at": now.isoformat(), **named}


def _length(values: Mapping[Key, Metric]) -> float:
    return sum(metric.value or 0 for (name, _), metric in values.items() if name == "queue.length")


def _value(values: Mapping[Key, Metric], name: str, subject: str | None = None) -> float | None:
    metric = values.get((name, subject))
    return None if metric is None else metric.value


def _number(values: Mapping[Key, Metric], name: str, subject: str | None = None) -> str:
    value = _value(values, name, subject)
    return "no data" if value is None else f"{value:,.0f}"


def _seconds(values: Mapping[Key, Metric], name: str) -> str:
    value = _value(values, name)
    return "no data" if value is None else show.span(timedelta(seconds=value))


def _pace(values: Mapping[Key, Metric]) -> str:
    value = _value(values, "queue.throughput")
    return "no data" if value is None else f"{60 * value:,.0f} a minute"


def _alarming(values: Mapping[Key, Metric], name: str, style: str) -> Text:
    value = _value(values, name)
    return Text("no data") if value is None else show.count(int(value), style)


def _source(values: Mapping[Key, Metric]) -> str:
    metric = values.get(("queue.waitTime", None))
    return "no data" if metric is None else f"waits from the {metric.source}"


def _spark(history: list[float]) -> str:
    top = max([*history, 1.0])
    return "".join(_BARS[min(8, round(8 * value / top))] for value in history) if show.unicode() else ""
