"""`hms queue forecast`: how a queue will fare, with other numbers of workers, and how many it needs."""

from __future__ import annotations

from datetime import datetime

import click
from rich.text import Text

from hms_floor.cli import names
from hms_floor.cli.terminal import api_client, show, tables
from hms_floor.presentation.foresight import staffing_words
from hms_oms.api.codec import document
from hms_oms.documents.foresight import MOST_WORKERS, Staffing
from hms_oms.runtime import format


@click.command("forecast")
@click.argument("queue_name", metavar="QUEUE", shell_complete=names.queues)
@click.option(
    "--workers",
    type=click.IntRange(0, MOST_WORKERS),
    metavar="N",
    help="How it would fare with so many, too.",
)
@show.json_option
def forecast(queue_name: str, workers: int | None, as_json: bool) -> None:
    """Tell how the open jobs of QUEUE will fare, and how many workers keep their deadlines.

    \b
    Example:  hms queue forecast farm-grant --workers 4
    """
    ahead = api_client.oms().forecast(queue_name, workers)
    if as_json:
        show.print_json(document(ahead))
        return
    now = api_client.clock()
    rows = [
        _row(name, staffing, now)
        for name, staffing in (("now", ahead.present), (f"with {workers}", ahead.asked))
        if staffing is not None
    ]
    numbers = ["workers", "slots", "open", "on time", "late", "given up"]
    if rows:
        show.lines(tables.table(["", *numbers, "all done"], rows, right=numbers))
    words = (staffing_words.needed, staffing_words.done_by)
    sentences = (tell(document(ahead), lambda when: show.moment(when, now) or "") for tell in words)
    show.lines(*filter(None, sentences))


def _row(name: str, staffing: Staffing, now: datetime) -> list[str | Text]:
    outlook = staffing.outlook
    return [
        name,
        f"{staffing.workers:,}",
        f"{staffing.slots:,}",
        f"{outlook.open:,}",
        format.percent(outlook.on_time),
        show.count(outlook.late, show.STYLES["late"]),
        f"{outlook.given_up:,}",
        show.moment(staffing.done_at, now) or ("-" if not outlook.open else "never"),
    ]
