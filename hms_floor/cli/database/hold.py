"""`hms db hold`: legal holds, under which nothing is removed or erased."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click
from sqlalchemy import Connection

from hms_floor import ledger
from hms_floor.cli import names
from hms_floor.cli.terminal import show, tables
from hms_floor.cli.terminal.arguments import JobId
from hms_floor.cli.terminal.errors import WrongCall
from hms_floor.cli.verbs import Verbs
from hms_oms.access import audit
from hms_oms.api.codec import stamp
from hms_oms.database import health
from hms_oms.retention import holds
from hms_oms.retention.holds import Hold, Target
from hms_oms.runtime import format


@click.group("hold", cls=Verbs)
def hold() -> None:
    """Keep jobs with all that is theirs, however old, until the hold is removed."""


_reason = click.option("--reason", required=True, metavar="TEXT", help="Why; it stands in the audit trail.")


@hold.command("add")
@click.option("--job", type=JobId(), metavar="ID", help="Hold one job.")
@click.option("--key", metavar="TEXT", help="Hold every job with this key.")
@click.option(
    "--type",
    "job_type",
    metavar="TYPE",
    shell_complete=names.job_types,
    help="With --key: of this job type only.",
)
@click.option("--cycle", type=click.IntRange(1), metavar="N", help="Hold every job of a cycle.")
@_reason
@show.json_option
def add(
    job: int | None, key: str | None, job_type: str | None, cycle: int | None, reason: str, as_json: bool
) -> None:
    """Hold jobs: from now on nothing of them is removed, and none of their personal data erased.

    \b
    Example:  hms db hold add --job job-219 --reason "Smith v. County, letter of 3 March"
    """
    target = Target(job, key, job_type, cycle)
    if [job, key, cycle].count(None) != 2 or (job_type and key is None):
        raise WrongCall("say what to hold by one of --job, --key (with or without --type) and --cycle")
    _require(reason)
    with ledger.writing() as connection:
        made = holds.add(connection, target, reason=reason, who=ledger.who())
        _audit(connection, "hms db hold add", made, reason)
    if as_json:
        show.print_json(_document(made))
    else:
        what = format.count(made.jobs, "job")
        show.lines(
            f"Hold {made.id} keeps {target} ({what}) until it is removed: hms db hold remove {made.id}"
        )


@hold.command("list")
@click.option("--all", "ended", is_flag=True, help="Those that were removed, too.")
@show.json_option
def list_holds(ended: bool, as_json: bool) -> None:
    """List the holds, the newest first.

    \b
    Example:  hms db hold list
    """
    with ledger.reading() as connection:
        listed = holds.find(connection, ended=ended)
        now = health.clock(connection)
    if as_json:
        show.print_json([_document(shown) for shown in listed])
    elif listed:
        show.lines(_table(listed, now))
    else:
        show.lines("Nothing is held.")


@hold.command("remove")
@click.argument("number", metavar="N", type=click.IntRange(1))
@_reason
@show.json_option
def remove(number: int, reason: str, as_json: bool) -> None:
    """End hold N; what is over its time is removed and erased within a day.

    \b
    Example:  hms db hold remove 3 --reason "settled"
    """
    _require(reason)
    with ledger.writing() as connection:
        ended = holds.remove(connection, number, reason=reason, who=ledger.who())
        _audit(connection, "hms db hold remove", ended, reason)
    if as_json:
        show.print_json(_document(ended))
    else:
        show.lines(f"Hold {number} has ended: {ended.target} is kept no longer than other jobs.")


def _require(reason: str) -> None:
    if not reason.strip():
        raise WrongCall("a hold wants a reason that says something")


def _audit(connection: Connection, action: str, subject: Hold, reason: str) -> None:
    act = audit.Act(
        ledger.who(),
        [],
        action,
        f"hold-{subject.id}",
        status=200,
        reason=reason,
        detail={"target": str(subject.target), "jobs": subject.jobs},
    )
    audit.write(connection, [act])


def _table(listed: Sequence[Hold], now: datetime) -> Any:
    headers = ["hold", "keeps", "jobs", "since", "by", "reason", "ended"]
    rows: list[tuple[str, ...]] = [
        (
            str(shown.id),
            str(shown.target),
            f"{shown.jobs:,}",
            format.relative(shown.set_at, now),
            shown.set_by,
            shown.reason,
            f"{format.relative(shown.ended_at, now)} by {shown.ended_by}" if shown.ended_at else "",
        )
        for shown in listed
    ]
    if not any(shown.ended_at for shown in listed):
        headers, rows = headers[:-1], [row[:-1] for row in rows]
    return tables.table(
        headers, rows, right=["hold", "jobs"], wide=["keeps", "reason"], spare=["by", "since"]
    )


def _document(shown: Hold) -> dict[str, Any]:
    return {
        "hold": shown.id,
        "job": str(shown.target) if shown.job_id is not None else None,
        "key": shown.key,
        "type": shown.type,
        "cycle": shown.batch_id,
        "jobs": shown.jobs,
        "reason": shown.reason,
        "setBy": shown.set_by,
        "setAt": stamp(shown.set_at),
        "endedAt": None if shown.ended_at is None else stamp(shown.ended_at),
        "endedBy": shown.ended_by,
        "endReason": shown.end_reason,
    }
