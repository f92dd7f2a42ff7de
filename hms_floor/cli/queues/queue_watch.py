"""`hms queue watch`: one queue as it stands, second by second."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from hms_floor.cli import names
from hms_floor.cli.terminal import api_client, show, tables, zones
from hms_floor.cli.terminal.chart import Chart
from hms_floor.cli.terminal.errors import INTERRUPTED
from hms_oms.api.codec import stamp
from hms_oms.api.errors import TooManyRequests, Unavailable
from hms_oms.documents.queues import Queue
from hms_oms.runtime import format
from hms_ops.documents.reports import STALE_SECONDS, Metric

#: How often the screen is drawn, so that the age of what it shows is seen to grow.
DRAWN_PER_SECOND = 2
#: How often SLA and pauses are asked for, in seconds: they are no measurements.
ASKED_SECONDS = 5.0

Key = tuple[str, str | None]
Values = Mapping[Key, Metric]


@click.command("watch")
@click.argument("queue", shell_complete=names.queues)
@click.option("--once", is_flag=True, help="Show it once, and end.")
@show.json_option
@click.pass_context
def watch(ctx: click.Context, queue: str, once: bool, as_json: bool) -> None:
    """Watch QUEUE until Ctrl-C: length, waits, throughput, and what will be late.

    Without a terminal, or with --json, each change is a line.

    \b
    Example:  hms queue watch farm-grant
    """
    screen = Screen(queue)
    frames = _frames(queue)
    try:
        if as_json:
            for values in frames:
                show.print_json(_document(queue, values), indent=None)
                if once:
                    return
        elif once:
            screen.take(next(frames))
            show.lines(screen)
        elif sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            _live(screen, frames)
        else:
            for values in frames:
                show.lines(_line(queue, values))
    except KeyboardInterrupt:
        ctx.exit(INTERRUPTED)


def _live(screen: Screen, frames: Iterator[Values]) -> None:
    # Rich's stand-in for standard output has no encoding: everything would be drawn in ASCII.
    with Live(
        get_renderable=lambda: screen,
        console=show.out(),
        refresh_per_second=DRAWN_PER_SECOND,
        redirect_stdout=False,
    ):
        for values in frames:
            screen.take(values)


def _frames(queue: str) -> Iterator[Values]:
    """The newest value of each metric of a queue, again whenever some have changed together."""
    values: dict[Key, Metric] = {}
    for metrics in api_client.ops().frames(queue):
        values = {**values, **{(metric.name, metric.subject): metric for metric in metrics}}
        yield values


class Screen:
    """What is seen of a queue; drawn again and again, by another thread than the one that `take`s."""

    def __init__(self, name: str) -> None:
        """Raises NotFound where there is no such queue."""
        api_client.oms().sla(name)
        self._name = name
        self._queue: Queue | None = None
        self._asked = self._began = time.monotonic()
        self._clock = api_client.clock()
        self._values: Values = {}
        self._chart = Chart("open jobs")
        self._ask()

    def take(self, values: Values) -> None:
        """Show these values from now on."""
        if time.monotonic() - self._asked > ASKED_SECONDS:
            self._ask()
        length, at = _length(values), _at(values)
        if length is not None and at is not None:
            self._chart.add(at, length)
        self._values = values

    def __rich__(self) -> RenderableType:
        """The queue as it stands, and how old that is."""
        at, now = _at(self._values), self._clock + timedelta(seconds=time.monotonic() - self._began)
        parts: list[RenderableType] = [show.heading(self._name)]
        if at is None:
            silent = "Nothing was ever measured: is the watch alive (`hms ops status`)?"
            return Group(*parts, Text(silent, style="yellow"))
        parts += [tables.facts(self._facts(self._values, at, now)), *self._chart.lines()]
        if now - at > timedelta(seconds=STALE_SECONDS):
            old = f"Nothing new for {show.about(now - at)}: is the watch alive (`hms ops status`)?"
            parts.append(Text(old, style="bold red"))
        return Group(*parts)

    def _ask(self) -> None:
        """Look at what is set for the queue; keep what is known while the API is away."""
        self._asked = time.monotonic()
        with suppress(Unavailable, TooManyRequests):
            self._queue = next(
                (queue for queue in api_client.oms().queues() if queue.name == self._name), self._queue
            )

    def _facts(self, values: Values, at: datetime, now: datetime) -> Iterator[tuple[str, str | Text]]:
        queue = self._queue
        if queue is not None and queue.paused_at:
            why = f": {queue.pause_reason}" if queue.pause_reason else ""
            paused = f"since {show.moment(queue.paused_at, now)} by {queue.paused_by}{why}"
            yield "paused", Text(paused, style="bold yellow")
        states = {"backlog": "ready", "delayed": "delayed", "window": "queued", "held": "held"}
        lengths = (f"{_number(values, 'queue.length', state)} {name}" for state, name in states.items())
        yield "not started", ", ".join(lengths)
        yield "running", _number(values, "queue.length", "running")
        waits = {"mean": "queue.waitTime", "p95": "queue.waitTime.p95", "oldest": "queue.oldestAge"}
        known = {what: name for what, name in waits.items() if _value(values, name) is not None}
        yield (
            "wait",
            ", ".join(f"{what} {_seconds(values, name)}" for what, name in known.items()) or "no data",
        )
        yield "SLA", show.minutes(queue.sla_minutes) if queue and queue.sla_minutes else ""
        done = _value(values, "forecast.doneIn")
        yield (
            "throughput",
            _throughput(values) + (f", all done in {show.about(timedelta(seconds=done))}" if done else ""),
        )
        yield "late", _alarming(values, "sla.breached", "bold red")
        yield "will be late", _alarming(values, "sla.atRisk", "bold yellow")
        if queue is not None and queue.cause:
            yield "because", Text(show.cause(queue.cause), style="yellow")
        slots = f" with {format.slots(queue.slots, queue.slots_lost)}" if queue else ""
        yield "workers", f"{_number(values, 'worker.online')}{slots}"
        yield "as of", f"{show.local(at, now)}, waits from the {_source(values)}"


def _line(queue: str, values: Values) -> str:
    at = _at(values)
    if at is None:
        return f"{queue}: nothing was ever measured; is the watch alive (`hms ops status`)?"
    length = _length(values)
    parts = [
        "no data" if length is None else f"{length:,.0f} open",
        f"mean wait {_seconds(values, 'queue.waitTime')}",
        f"{_number(values, 'sla.breached')} late",
        f"{_number(values, 'sla.atRisk')} will be late",
        _throughput(values),
    ]
    return f"{format.moment(at, zones.reader())} {queue}: {', '.join(parts)}"


def _document(queue: str, values: Values) -> dict[str, object]:
    at = _at(values)
    named = {
        name if subject is None else f"{name}[{subject}]": metric.value
        for (name, subject), metric in sorted(
            values.items(), key=lambda entry: (entry[0][0], entry[0][1] or "")
        )
    }
    return {"queue": queue, "at": None if at is None else stamp(at), "metrics": named}


def _at(values: Values) -> datetime | None:
    return max((metric.at for metric in values.values()), default=None)


def _length(values: Values) -> float | None:
    lengths = [metric.value for (name, _), metric in values.items() if name == "queue.length"]
    known = [value for value in lengths if value is not None]
    return sum(known) if known else None


def _value(values: Values, name: str, subject: str | None = None) -> float | None:
    metric = values.get((name, subject))
    return None if metric is None else metric.value


def _number(values: Values, name: str, subject: str | None = None) -> str:
    value = _value(values, name, subject)
    return "no data" if value is None else f"{value:,.0f}"


def _seconds(values: Values, name: str) -> str:
    value = _value(values, name)
    return "no data" if value is None else show.span(timedelta(seconds=value))


def _throughput(values: Values) -> str:
    now, mean = _value(values, "queue.throughput.now"), _value(values, "queue.throughput")
    if now is None:
        return "no data"
    of_window = "" if mean is None else f" ({60 * mean:,.0f} in the mean of 5 min)"
    return f"{60 * now:,.0f} a minute now{of_window}"


def _alarming(values: Values, name: str, style: str) -> Text:
    value = _value(values, name)
    return Text("no data", style="dim") if value is None else show.count(int(value), style)


def _source(values: Values) -> str:
    metric = values.get(("queue.waitTime", None))
    return "ledger" if metric is None else metric.source
