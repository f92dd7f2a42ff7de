"""`hms up`: everything on this machine, and with `--sample` a first cycle to look at."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path

import click
from rich.text import Text

from hms_act.client import ActClient
from hms_floor.auth import sign_in_link
from hms_floor.cli.cycles import cycle, cycle_run, report
from hms_floor.cli.installation import db
from hms_floor.cli.terminal import show, tables
from hms_floor.cli.terminal.errors import ERROR, Stopped
from hms_floor.local import launcher
from hms_oms.api.endpoint import BADGE_FILE
from hms_oms.client import OmsClient
from hms_oms.database import connections
from hms_oms.recipes import hooks, recipes
from hms_oms.runtime import settings
from hms_oms.runtime.settings import Settings
from hms_ops.oncall import doubts
from workers import modules

#: With `--once` a cycle in which nothing moves for this long is given up.
PATIENCE = timedelta(minutes=2)
#: ... and this is how long the last texts are waited for.
TEXT_PATIENCE = timedelta(seconds=15)


@click.command()
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Run a cycle of N made-up applications.")
@click.option("--once", is_flag=True, help="Stop everything after that cycle; the last line is its JSON.")
@click.pass_context
def up(ctx: click.Context, sample: int | None, once: bool) -> None:
    """Start everything on this machine and keep it running until Ctrl-C.

    Starts the dispatcher, the watch, the workers, the API and Flower; PostgreSQL and Redis too, privately
    under HMS_HOME, where HMS_DATABASE_URL and HMS_BROKER_URL name none. What is in the ledger survives.

    \b
    Example:  hms up --sample 3000
    """
    if once and sample is None:
        raise click.UsageError("--once goes with --sample N: it stops everything after that cycle.")
    configured = settings.load()
    known = recipes.load_folder(configured.recipes)
    modules.load(known, configured.recipes)
    if sample is not None:
        hooks.sample(known, None)

    def prepare(database_url: str) -> None:
        _say(str(db.prepare(database_url, known.values(), str(configured.zone))))
        with connections.engine(database_url).connect() as connection:
            doubts.require_anybody(connection, configured)

    def when_ready() -> int | None:
        if sample is None:
            _print_hints(configured, known, after_cycle=False)
            return None
        return _sample_cycle(configured, known, sample, once)

    code = launcher.run(configured, prepare=prepare, when_ready=when_ready, say=_say)
    ctx.exit(code)


def _sample_cycle(configured: Settings, known: recipes.Recipes, rows: int, once: bool) -> int | None:
    job_type, write = hooks.sample(known, None)
    act, oms = _clients(configured)
    seed = sum(1 for _ in oms.cycles()) + 1
    path = configured.home / "samples" / f"sample-{seed}.csv"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    cycle.write_sample(path, rows, seed, write)
    try:
        with path.open("rb") as stream:
            ran = cycle_run.run(
                act,
                oms,
                job_type,
                stream,
                name=path.name,
                places=cycle_run.beside(path, configured.home),
                patience=PATIENCE if once else None,
            )
    except Stopped as stopped:
        if once:
            raise
        _say(f"{stopped.message}\nThe floor stays up; Ctrl-C again stops it.")
        return None
    if once:
        # Everything stops next: let the last texts be handed over first.
        ran = cycle_run.with_texts_sent(oms, ran, TEXT_PATIENCE)
    show.lines("", *report.report(ran, ran.progress.now))
    if once:
        show.print_json(dict(ran.report), indent=None)
        return 0 if cycle_run.all_ended(ran) else ERROR
    _print_hints(configured, known, after_cycle=True)
    return None


def _clients(configured: Settings) -> tuple[ActClient, OmsClient]:
    """Clients of the API that has just opened, whatever other API the environment names."""
    url = settings.load().floor_url
    badge = configured.badge
    if configured.badge_jwks is None:
        badge = (configured.home / BADGE_FILE).read_text(encoding="ascii").strip()
    return ActClient(url, badge), OmsClient(url, badge)


def _print_hints(configured: Settings, known: recipes.Recipes, *, after_cycle: bool) -> None:
    hms = _called()
    samples = hooks.sampled(known)
    queue = known[next(iter([*samples, *known]))].queue
    again = [
        (f"{hms} cycle report", "the report again"),
        (f"{hms} job list --limit 5", "the latest jobs"),
        (f"{hms} job get 1", "one job, step by step"),
    ]
    tries = [
        *(again if after_cycle else ()),
        (f"{hms} queue list", "what waits and who works"),
        (f"{hms} queue watch {queue}", "the same, second by second"),
        (f"{hms} sla report", "how deadlines were met"),
        *_sample_hints(hms, samples),
        (f"{hms} sla set {queue} 30 --reason 'shorter days'", "hold the queue to half an hour"),
        (f"{hms} check", "is all well?"),
    ]
    show.lines(Text("\nWhat to try next, in another terminal in this folder", style="bold"))
    show.lines(tables.facts((f"  {words}", Text(what, style="dim")) for words, what in tries))
    url = configured.public_url or settings.load().floor_url
    if configured.badge_jwks is None:
        code = sign_in_link.make_code(configured.home, time.time())
        url = f"{url}/enter?code={code}  (once, within 15 minutes; `{hms} floor link`)"
    show.lines(f"\nThe operations floor: {url}")
    texts = configured.home / "handset.log"
    show.lines(f"\nTexts to applicants are in {texts}. Ctrl-C stops everything; the ledger is kept.")


def _sample_hints(hms: str, job_types: Iterable[str]) -> Iterator[tuple[str, str]]:
    for job_type in islice(job_types, 1):
        yield f"{hms} cycle sample 500 --seed 99 --output more.csv", "a list of applications ..."
        yield f"{hms} cycle run more.csv --type {job_type} --sla 5", "... run with five minutes for each"


def _called() -> str:
    """The command by which the reader can call `hms`."""
    if shutil.which("hms"):
        return "hms"
    beside = Path(sys.executable).with_name("hms")
    if not beside.exists():
        return f"{sys.executable} -m hms_floor"
    return str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside)


def _say(words: str) -> None:
    show.err().print(show.plain(words), style="dim", soft_wrap=True)
