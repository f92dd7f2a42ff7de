"""`hms worker`: who works, on what, and how heavily."""

from __future__ import annotations

from datetime import datetime

import click
from rich.text import Text

from hms_floor.cli import documents, show, tables
from hms_floor.cli.ledger import reading
from hms_oms import health, presence
from hms_oms.presence import Worker


@click.group()
def worker() -> None:
    """See who works, and on what."""


@worker.command("list")
@show.json_option
def list_workers(as_json: bool) -> None:
    """List the live workers: where they run, what they serve and what they hold.

    A worker that has not been heard of for some seconds is not live, and its jobs are taken back.

    \b
    Example:  hms worker list
    """
    with reading() as connection:
        found, now = presence.live(connection), health.clock(connection)
    if as_json:
        show.print_json([documents.worker(each, now) for each in found])
        return
    if not found:
        show.lines("No worker is live: start some with `hms up`, or one with: celery -A workers worker")
        return
    headers = ["name", "host", "pid", "pool", "slots", "held", "queues", "CPU", "memory", "beat"]
    numbers = ["pid", "slots", "held", "CPU", "memory", "beat"]
    spare = ["host", "pid", "pool", "beat", "CPU"]
    rows = [_row(each, now) for each in found]
    show.lines(tables.table(headers, rows, right=numbers, wide=["queues"], spare=spare))


def _row(each: Worker, now: datetime) -> list[str | Text]:
    return [
        each.name,
        each.host,
        str(each.pid),
        each.pool,
        show.count(each.slots),
        show.count(len(each.tickets), "cyan"),
        ", ".join(each.queues),
        f"{each.cpu_percent:.0f} %",
        f"{each.rss_bytes >> 20:,} MiB",
        f"{show.span(now - each.beat_at)} ago",
    ]
