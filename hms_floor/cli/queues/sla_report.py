"""`hms sla report` and `hms sla at-risk`: how deadlines were met, and which will be missed."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

import click
from rich.console import RenderableType
from rich.text import Text

from hms_floor.cli import names
from hms_floor.cli.terminal import api_client, show, tables
from hms_floor.cli.terminal.errors import AT_RISK, ERROR, WrongCall
from hms_floor.presentation.foresight import record_words
from hms_oms.api.codec import document
from hms_oms.api.errors import Conflict
from hms_oms.runtime import clock, format
from hms_ops.documents.reports import Metric, Miss, SlaCounts, SlaReport

#: The worst misses that are shown; --json has more.
_WORST = 10
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command("report")
@click.option("--week", is_flag=True, help="From Monday to Monday: the week of --from, or this one.")
@click.option("--from", "since", type=_DAY, metavar="DAY", help="From this day on, as 2026-11-23.")
@click.option("--to", "until", type=_DAY, metavar="DAY", help="Before this day.")
@click.option(
    "--queue", metavar="QUEUE", shell_complete=names.queues, help="Of this queue alone, day by day."
)
@click.option("as_csv", "--csv", is_flag=True, help="A line for each queue, or each day of --queue.")
@click.option(
    "pdf",
    "--pdf",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write it into a file as a PDF.",
)
@show.json_option
def report(
    week: bool,
    since: datetime | None,
    until: datetime | None,
    queue: str | None,
    as_csv: bool,
    pdf: Path | None,
    as_json: bool,
) -> None:
    """Tell how deadlines were met: by default over the last seven days.

    Failed jobs, and open ones past their deadline, count as missed; cancelled ones do not count.

    \b
    Example:  hms sla report --week --csv --queue farm-grant
    """
    if as_csv + as_json + (pdf is not None) > 1:
        raise click.UsageError("Only one of --json, --csv and --pdf can be had at a time.")
    if week and until:
        raise click.UsageError("--week is a whole week: name one of its days with --from, and no --to.")
    span = since and since.date(), until and until.date()
    try:
        if pdf is not None:
            _write_pdf(
                pdf, lambda file: api_client.ops().sla_report_file(file, *span, week=week, queue=queue)
            )
            return
        summary = api_client.ops().sla_report(*span, week=week, queue=queue)
    except Conflict as error:
        raise WrongCall(str(error)) from None
    if as_json:
        show.print_json(document(summary))
        return
    if as_csv:
        _print_csv(summary, queue)
        return
    _show(summary, queue, api_client.clock())


@dataclass(frozen=True, slots=True)
class _Risk:
    """Open jobs of a queue that are late, and that will be; None if unknown."""

    queue: str
    late: int | None
    will_be: int | None

    @property
    def shaken(self) -> bool:
        """Whether a deadline is missed, or will be."""
        return bool(self.late or self.will_be)


@click.command("at-risk")
@show.json_option
@click.pass_context
def at_risk(ctx: click.Context, as_json: bool) -> None:
    """Tell which queues are late or will be; exits with 5 where any is, with 1 where nobody measures.

    \b
    Example:  hms sla at-risk || echo "call somebody"
    """
    now = api_client.clock()
    newest = [metric for metric in api_client.ops().metrics() if not metric.stale(now)]
    risks = [_risk(name, newest) for name in sorted({metric.queue for metric in newest if metric.queue})]
    shaken = [risk for risk in risks if risk.shaken]
    if as_json:
        show.print_json([{"queue": risk.queue, "late": risk.late, "atRisk": risk.will_be} for risk in risks])
    elif not risks:
        show.lines("Cannot tell: nobody measures. `hms ops status` shows whether the watch is alive.")
    else:
        _show_risks(risks, shaken)
    ctx.exit(AT_RISK if shaken else 0 if risks else ERROR)


def _write_pdf(path: Path, download: Callable[[IO[bytes]], None]) -> None:
    """Write the report into a file; what stands there is kept until the report is whole."""
    content = io.BytesIO()
    download(content)
    path.write_bytes(content.getvalue())
    show.lines(f"Written: {path}")


def _print_csv(summary: SlaReport, queue: str | None) -> None:
    """Print the counts of each queue, or of each day of one, under the names that they have in JSON."""
    lines = csv.writer(sys.stdout, lineterminator="\n")
    headers = ["from", "to", "queue", "onTime", "late", "failed", "openLate", "ended", "missed"]
    lines.writerow([*headers, "shareOfEnded", "shareOfDue", "lateSecondsP50", "lateSecondsP95"])
    for (since, until), name, counts in _cells(summary, queue):
        numbers = [counts.on_time, counts.late, counts.failed, counts.open_late, counts.ended, counts.missed]
        shares = [counts.share_of_ended, counts.share_of_due]
        span = [since.isoformat(), until.isoformat()]
        lines.writerow([*span, name, *numbers, *shares, *(counts.lateness or (None, None))])


def _cells(
    summary: SlaReport, queue: str | None
) -> Iterator[tuple[tuple[datetime, datetime], str, SlaCounts]]:
    """Counts of each queue over the whole time, or of one queue over each day of it."""
    zone = ZoneInfo(summary.zone)
    first, last = summary.since.astimezone(zone), summary.until.astimezone(zone)
    if queue is None:
        yield from (((first, last), name, counts) for name, counts in summary.queues.items())
        return
    for day, counts in summary.days.items():
        begins, ends = (clock.midnight(date, zone) for date in (day, day + timedelta(days=1)))
        yield (max(begins, first), min(ends, last)), queue, counts


def _risk(queue: str, newest: Iterable[Metric]) -> _Risk:
    mine = [metric for metric in newest if metric.queue == queue]
    values = {metric.name: metric.value for metric in mine if metric.name in ("sla.breached", "sla.atRisk")}
    late, will_be = values.get("sla.breached"), values.get("sla.atRisk")
    if will_be is None and not sum(metric.value or 0 for metric in mine if metric.name == "queue.length"):
        # Nothing is forecast of a queue without jobs, and nothing of it will be late.
        will_be = 0
    return _Risk(queue, None if late is None else int(late), None if will_be is None else int(will_be))


def _show_risks(risks: list[_Risk], shaken: list[_Risk]) -> None:
    if shaken:
        rows = [
            (risk.queue, _count(risk.late, "bold red"), _count(risk.will_be, "yellow")) for risk in shaken
        ]
        show.lines(tables.table(["queue", "late", "will be late"], rows, right=["late", "will be late"]))
    unknown = [risk.queue for risk in risks if not risk.shaken and None in (risk.late, risk.will_be)]
    if unknown:
        show.lines(f"Too little has been seen of {', '.join(unknown)} to tell what will be late there.")
    elif not shaken:
        show.lines("Every queue is on track.")


def _count(number: int | None, style: str) -> Text:
    return Text("no data", style="dim") if number is None else show.count(number, style)


def _show(summary: SlaReport, queue: str | None, now: datetime) -> None:
    zone = ZoneInfo(summary.zone)
    since, until = (
        f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M}" for moment in (summary.since, summary.until)
    )
    show.lines(show.heading(f"Deadlines from {since} until {until} ({summary.zone})"), "")
    if not summary.queues:
        show.lines("No job was due in this time.")
        return
    headers = ["queue", "on time", "of ended", "of due", "late", "failed", "open late", "late by p50", "p95"]
    rows = [_row(name, counts) for name, counts in summary.queues.items()]
    if len(rows) > 1:
        rows.append(_row("all queues", summary.whole))
    show.lines(tables.table(headers, rows, right=headers[1:], spare=["p95", "late by p50"]))
    days = [
        (f"{day:%a %Y-%m-%d}", *_row("", counts)[1:7])
        for day, counts in summary.days.items()
        if _judged(counts)
    ]
    if len(days) > 1 or queue is not None:
        show.lines("", tables.table(["day", *headers[1:7]], days, right=headers[1:7]))
    if summary.worst:
        worst = [_miss(miss, now) for miss in summary.worst[:_WORST]]
        columns = ["worst misses", "queue", "status", "deadline", "late by", "cause"]
        show.lines("", tables.table(columns, worst, right=["late by"], spare=["queue", "status"]))
    if summary.forecasts:
        show.lines("", _records(summary))


def _records(summary: SlaReport) -> RenderableType:
    """How good the forecasts were."""
    headers = ["forecasts", *(header.lower() for header in record_words.HEADERS[1:])]
    rows = [record_words.row(name, document(record)) for name, record in summary.forecasts.items()]
    spare = ["over the time", "latest ends", "close calls", "ahead by", "alarms", "came to nothing"]
    return tables.table(headers, rows, right=headers[1:], spare=spare)


def _row(name: str, counts: SlaCounts) -> list[str | Text]:
    spans = counts.lateness or (None, None)
    return [
        name,
        show.count(counts.on_time),
        format.percent(counts.share_of_ended),
        format.percent(counts.share_of_due),
        show.count(counts.late, show.STYLES["late"]),
        show.count(counts.failed, show.STYLES["failed"]),
        show.count(counts.open_late, show.STYLES["late"]),
        *("" if seconds is None else _about(seconds) for seconds in spans),
    ]


def _miss(miss: Miss, now: datetime) -> list[str | Text]:
    spent, whole = miss.spent[miss.cause], sum(miss.spent.values())
    late = Text(_about(miss.late_seconds), style=show.STYLES["late"])
    return [
        miss.job,
        miss.queue,
        show.status(miss.status),
        show.local(miss.deadline, now),
        late if miss.late_seconds else Text("-", style="dim"),
        f"{miss.cause} ({_about(spent)} of {_about(whole)})",
    ]


def _about(seconds: float) -> str:
    return show.about(timedelta(seconds=seconds))


def _judged(counts: SlaCounts) -> int:
    return counts.on_time + counts.missed
