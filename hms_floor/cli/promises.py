"""`hms sla report` and `hms sla at-risk`: how promises were kept, and which will break."""

from __future__ import annotations

from datetime import datetime, timedelta

import click
from rich.text import Text

from hms_floor.cli import door, show, tables
from hms_floor.cli.errors import AT_RISK
from hms_oms.reading import document
from hms_ops.answers import SlaReport, Tally


@click.command("report")
@click.option("--week", is_flag=True, help="The week of --from, or this one.")
@click.option("--from", "since", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="From this day on.")
@click.option("--to", "until", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="Before this day.")
@show.json_option
def report(week: bool, since: datetime | None, until: datetime | None, as_json: bool) -> None:
    """Tell how promises were kept: by default over the last seven days.

    Failed jobs, and open ones past their deadline, count as missed; cancelled ones do not count.

    \b
    Example:  hms sla report --week
    """
    found = door.ops().sla_report(since.date() if since else None, until.date() if until else None, week=week)
    if as_json:
        show.print_json(document(found))
        return
    _show(found, door.clock())


@click.command("at-risk")
@show.json_option
@click.pass_context
def at_risk(ctx: click.Context, as_json: bool) -> None:
    """Tell which queues are late or will be; exits with 5 where any is.

    \b
    Example:  hms sla at-risk || echo "call somebody"
    """
    newest: dict[str, dict[str, int]] = {}
    for metric in door.ops().metrics():
        if metric.name in ("sla.breached", "sla.atRisk") and metric.queue and metric.value is not None:
            newest.setdefault(metric.queue, {})[metric.name] = int(metric.value)
    found = {
        queue: (values.get("sla.breached", 0), values.get("sla.atRisk", 0))
        for queue, values in sorted(newest.items())
    }
    shaken = {queue: numbers for queue, numbers in found.items() if any(numbers)}
    if as_json:
        show.print_json(
            [{"queue": queue, "late": late, "atRisk": risk} for queue, (late, risk) in found.items()]
        )
    elif not shaken:
        show.lines("Every queue holds." if found else "Cannot tell: nothing was measured yet.")
    else:
        rows = [
            (queue, show.count(late, show.STYLES["late"]), show.count(risk, "yellow"))
            for queue, (late, risk) in shaken.items()
        ]
        show.lines(tables.table(["queue", "late", "will be late"], rows, right=["late", "will be late"]))
    ctx.exit(AT_RISK if shaken else 0)


def _show(found: SlaReport, now: datetime) -> None:
    since, until = (f"{moment.astimezone():%Y-%m-%d %H:%M}" for moment in (found.since, found.until))
    show.lines(
        Text(f"Promises from {since} until {until}", style="bold"), f"Days are those of {found.zone}.\n"
    )
    if not found.queues:
        show.lines("No job has ended in this time.")
        return
    headers = ["queue", "on time", "share", "late", "failed", "open, late", "lateness p50", "p95"]
    rows = [_row(name, tally) for name, tally in found.queues.items()]
    rows.append(_row("all queues", found.whole))
    show.lines(tables.table(headers, rows, right=headers[1:], spare=["p95", "lateness p50"]))
    days = [(f"{day:%a %m-%d}", *_row("", tally)[1:4]) for day, tally in found.days.items() if _judged(tally)]
    if len(days) > 1:
        show.lines(
            "", tables.table(["day", "on time", "share", "late"], days, right=["on time", "share", "late"])
        )
    if found.worst:
        worst = [
            (
                miss.job,
                miss.queue,
                miss.status,
                show.local(miss.deadline, now),
                Text(show.about(timedelta(seconds=miss.late_seconds)), style=show.STYLES["late"]),
                miss.cause,
            )
            for miss in found.worst
        ]
        columns = ["worst misses", "queue", "status", "deadline", "late by", "cause"]
        show.lines("", tables.table(columns, worst, spare=["queue", "status"]))


def _row(name: str, tally: Tally) -> list[str | Text]:
    spans = tally.lateness or (None, None)
    return [
        name,
        show.count(tally.on_time),
        show.share(tally.on_time, _judged(tally)),
        show.count(tally.late, show.STYLES["late"]),
        show.count(tally.failed, show.STYLES["failed"]),
        show.count(tally.open_late, show.STYLES["late"]),
        *("" if seconds is None else show.about(timedelta(seconds=seconds)) for seconds in spans),
    ]


def _judged(tally: Tally) -> int:
    return tally.on_time + tally.missed
