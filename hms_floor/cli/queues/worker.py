"""`hms worker`: who works, on what, and how heavily."""

from __future__ import annotations

from datetime import timedelta

import click
from rich.text import Text

from hms_floor.cli.installation import probe
from hms_floor.cli.terminal import api_client, show, tables
from hms_floor.cli.verbs import Verbs
from hms_oms.api.codec import document
from hms_oms.documents.queues import Worker


@click.group(cls=Verbs)
def worker() -> None:
    """See who works, and on what."""


worker.add_command(probe.command("worker", "worker", ["worker"]))


@worker.command("run", context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def run_worker(options: tuple[str, ...]) -> None:
    """Run a Celery worker for the recipes of HMS_RECIPES until SIGTERM.

    The same as `celery -A workers worker`, with pool and slots from HMS_WORKER_POOL and HMS_WORKER_SLOTS,
    and from whatever folder: a `workers` or `celeryconfig` of another project there is not used. OPTIONS go
    to Celery.

    \b
    Example:  hms worker run -n worker@%h -c 16
    """
    from hms_oms.runtime import settings

    configured = settings.load()
    pool = ("-P", configured.worker_pool, "-c", str(configured.worker_slots))
    words = ["worker", "--without-gossip", "--without-mingle", "-l", configured.log_level, *pool, *options]
    from workers import main

    main.app.worker_main(words)


@worker.command("list")
@show.json_option
def list_workers(as_json: bool) -> None:
    """List the live workers: where they run, what they serve and what they hold.

    A worker that has not been heard of for some seconds is not live, and its jobs are taken back.

    \b
    Example:  hms worker list
    """
    workers = api_client.oms().workers()
    if as_json:
        show.print_json([document(worker) for worker in workers])
        return
    if not workers:
        show.lines("No worker is live: start some with `hms up`, or one with `hms worker run`")
        return
    headers = ["name", "host", "pid", "pool", "slots", "held", "queues", "CPU", "memory", "beat"]
    numbers = ["pid", "slots", "held", "CPU", "memory", "beat"]
    spare = ["host", "pid", "pool", "beat", "CPU"]
    rows = [_row(worker) for worker in workers]
    held = [
        Text(f"\n{worker.name} starts nothing more: {worker.held_because}", style="yellow")
        for worker in workers
        if worker.held_because
    ]
    show.lines(tables.table(headers, rows, right=numbers, wide=["queues"], spare=spare), *held)


def _row(worker: Worker) -> list[str | Text]:
    return [
        worker.name,
        worker.host,
        str(worker.pid),
        worker.pool,
        show.slots(worker.slots, worker.slots_lost),
        show.count(len(worker.tickets), "cyan"),
        ", ".join(worker.queues) or Text("none: steps hang, it is to be replaced", style=show.STYLES["late"]),
        f"{worker.cpu_percent:.0f} %",
        f"{worker.rss_bytes >> 20:,} MiB",
        f"{show.span(timedelta(seconds=worker.beat_age_seconds))} ago",
    ]
