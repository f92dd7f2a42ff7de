"""`hms db backup`, `restore`, `restored`, `restore-check`: the ledger kept, and taken up again elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import psycopg2
import redis

from hms_act import restoring
from hms_act.restoring import Gaps, Restore, UnderWay
from hms_floor import ledger
from hms_floor.cli import exit_codes
from hms_floor.cli.installation.preparing import prepare
from hms_floor.cli.terminal import show, tables
from hms_floor.cli.terminal.errors import Failure
from hms_oms.api.codec import stamp
from hms_oms.broker import waiting_tickets
from hms_oms.database import connections
from hms_oms.database.schema import schema_revision
from hms_oms.recipes import recipes
from hms_oms.runtime import settings
from hms_oms.runtime.settings import Settings


@click.command("backup")
@click.argument("target", type=click.Path(path_type=Path))
def backup(target: Path) -> None:
    """Write the ledger as it is now to the file TARGET, or to a new file in the folder TARGET; nothing stops.

    The file holds all that the ledger holds, names and phone numbers too, and is for its owner only. The key
    of badges is not in it. pg_dump of the server's version or newer is needed; the private server brings one.

    \b
    Example:  hms db backup /var/backups/hms
    """
    from hms_floor.local import dumps

    if target.is_dir():
        target /= f"hms-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.dump"
    if target.exists():
        raise Failure(f"{target} is there already: name another file, or a folder")
    with _database(settings.load()) as url:
        dumps.dump(url, target)
    show.lines(f"Backed up to {target} ({target.stat().st_size:,} bytes).")


@click.command("restore")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def restore(source: Path) -> None:
    """Restore a backup into an empty database: that of HMS_DATABASE_URL, or a private one in a new HMS_HOME.

    Nothing may run on that database, or on the one before, when this is called. Afterwards start everything
    as always; `hms db restore-check` tells what was under way.

    \b
    Example:  hms db restore /var/backups/hms/hms-20261129T020000Z.dump
    """
    from hms_floor.local import dumps

    configured = settings.load()
    backup_at = dumps.made_at(source)
    with _database(configured, new=True) as url:
        with ledger.engine_of(url).connect() as connection:
            if schema_revision.applied(connection) is not None:
                raise Failure("this database has a ledger already: name an empty one, or a new HMS_HOME")
        dumps.load(source, url)
        done = _settle(configured, url, backup_at)
    show.lines(_restored(done))


@click.command("restored")
def restored() -> None:
    """Tell the ledger that it was restored by other means, as a snapshot of its disk, before anything runs.

    It does what `hms db restore` does once the tables are back: steps that ran are taken back, texts that may
    have gone are asked for at the provider, no id is given again.

    \b
    Example:  hms db restored
    """
    configured = settings.load()
    with _database(configured) as url:
        done = _settle(configured, url, None)
    show.lines(_restored(done))


@click.command("restore-check")
@show.json_option
@click.pass_context
def restore_check(ctx: click.Context, as_json: bool) -> None:
    """Tell what a restore, or a loss of Redis, has left: what Redis lacks, what was under way, what is open.

    All of it is taken up again by dispatcher and pager. Exit code 0: nothing is left to take up; 9: something
    is; 1: this ledger cannot be worked on.

    \b
    Example:  hms db restore-check
    """
    configured = settings.load()
    with _database(configured) as url:
        with ledger.engine_of(url).connect() as connection:
            applied = schema_revision.applied(connection)
            wrong = schema_revision.mismatch(applied)
            if wrong is not None:
                raise wrong
            last, now = restoring.last(connection), restoring.under_way(connection)
        gaps, fault = _gaps(configured, url)
    is_whole = not (gaps.lost or gaps.void or now.attempts or now.unknown)
    if as_json:
        document = _document(last, now, gaps, fault)
        show.print_json({"revision": applied, "complete": is_whole, **document})
    else:
        _print(last, now, gaps, fault)
    ctx.exit(exit_codes.OK if is_whole else exit_codes.TAKEN_UP)


def _settle(configured: Settings, url: str, backup_at: datetime | None) -> Restore:
    prepare(url, recipes.load_folder(configured.recipes).values(), str(configured.zone))
    connection = connections.connect(url, "hms db restore", autocommit=False)
    try:
        done = restoring.settle(connection, backup_at)
        connection.commit()
    finally:
        connection.close()
    return done


def _gaps(configured: Settings, url: str) -> tuple[Gaps, str | None]:
    """Differences between ledger and Redis, and the reason if Redis cannot be read."""
    connection = connections.connect(url, "hms db restore-check")
    try:
        if configured.broker_url is None:
            return restoring.gaps(connection, None), "no Redis runs here: what was in it is counted as lost"
        try:
            return restoring.gaps(connection, waiting_tickets.client(configured.broker_url)), None
        except redis.RedisError as error:
            why = f"Redis does not answer ({type(error).__name__}): what was in it is counted as lost"
            return restoring.gaps(connection, None), why
    finally:
        connection.close()


@contextmanager
def _database(configured: Settings, *, new: bool = False) -> Iterator[str]:
    """The ledger's database, past a pooler; a private server that does not run is started for the while."""
    from hms_floor.local import embedded, processes

    given = configured.database_direct_url or configured.database_url
    home, private = configured.home, embedded.addresses(configured.home)[0]
    if given not in (None, private):
        assert given is not None
        yield given
        return
    has_data = (home / "postgres" / "PG_VERSION").exists()
    if new and has_data:
        raise Failure(f"{home} has a ledger already: set HMS_HOME to a new folder")
    if not new and not has_data:
        configured.servers()
    try:
        with embedded.serving(home, broker=False) as servers:
            assert servers.database_url is not None
            yield servers.database_url
    except processes.HomeBusy:
        if new:
            raise
        try:
            yield private
        except psycopg2.OperationalError as error:
            raise Failure(f"the private database in {home} does not answer: {error}") from None


def _restored(done: Restore) -> str:
    counts = done.under_way
    since = f" as of {_when(done.backup_at)}" if done.backup_at else ""
    return (
        f"The ledger is back{since}. Under way were {counts.running} steps and {counts.queued} tickets, which"
        f" run again, and {counts.texts + counts.pages} texts, which may have gone.\n"
        "What was done after that moment is not in it: start the files of later cycles again.\n"
        "Next: start everything as always (`hms up`, or your services), then `hms db restore-check`."
    )


def _print(last: Restore | None, now: UnderWay, gaps: Gaps, fault: str | None) -> None:
    show.lines(
        "This ledger was never restored."
        if last is None
        else f"Restored at {_when(last.restored_at)}"
        + (f", from a backup of {_when(last.backup_at)}." if last.backup_at else ".")
    )
    if fault:
        show.lines(f"{fault[0].upper()}{fault[1:]}.")
    headers = ("", "in the backup", "now", "what becomes of it")
    rows = [
        (name, f"{getattr(last.under_way, field):,}" if last and field else "", f"{count:,}", fate)
        for name, field, count, fate in _rows(now, gaps)
    ]
    show.lines(tables.table(headers, rows, right=headers[1:3], wide=headers[3:]))


def _when(moment: datetime) -> str:
    return show.moment(moment, datetime.now(UTC))


def _rows(now: UnderWay, gaps: Gaps) -> Iterator[tuple[str, str | None, int, str]]:
    """What there may be: its name, its field of what was found, how much there is now, what becomes of it."""
    yield "jobs that have not ended", "open", now.open, "go on"
    yield "tickets in the window", "queued", now.queued, "wait for a worker"
    yield "tickets that Redis lost", None, gaps.lost, "published again by the dispatcher"
    yield "tickets of no job", None, gaps.strays, "dropped when a worker meets them"
    yield "steps at workers", "running", now.running, "run on"
    yield "steps of workers that are gone", None, gaps.void, "run again, as nobody's failure"
    yield "steps at agents", "reserved", now.reserved, "reported, or free again when their time is up"
    yield "cycles read in part", "reading", now.reading, "start the file again: known rows are passed over"
    yield "texts to applicants that wait", "texts", now.texts, "go"
    yield "pages that wait", "pages", now.pages, "go, those of the backup labelled (resend)"
    yield "texts whose attempt is open", "attempts", now.attempts, "in doubt once their lease ends"
    yield "texts that may have gone", "unknown", now.unknown, "asked for; labelled (resend) if not there"


def _document(last: Restore | None, now: UnderWay, gaps: Gaps, fault: str | None) -> dict[str, Any]:
    return {
        "restore": last
        and {
            "restoredAt": stamp(last.restored_at),
            "backupAt": last.backup_at and stamp(last.backup_at),
            "found": asdict(last.under_way),
        },
        "now": asdict(now),
        "redis": {"fault": fault, "lostTickets": gaps.lost, "strayTickets": gaps.strays},
        "voidSteps": gaps.void,
    }
