"""`hms db prune`: remove what is over its time now, without waiting for the dispatcher to do it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click
from sqlalchemy import Engine

from hms_floor import ledger
from hms_floor.cli.terminal import show, tables
from hms_oms.access import audit
from hms_oms.database.schema import schema_revision
from hms_oms.retention import due, rules
from hms_oms.retention.due import Due
from hms_oms.retention.pruner import Pruner, added
from hms_oms.retention.rules import Keep, Rule
from hms_oms.retention.walk import Counts
from hms_oms.runtime import clock, format, settings
from hms_oms.runtime.settings import Settings

#: What is said of each kind that was removed, in this order.
_WORDS = {
    "jobs": ("job", "jobs"),
    "months": ("month of the event log", "months of the event log"),
    "events": ("line of event logs", "lines of event logs"),
    "messages": ("text", "texts"),
    "attempts": ("attempt of a text", "attempts of texts"),
    "keys": ("key", "keys"),
    "audit": ("line of the audit trail", "lines of the audit trail"),
    "replies": ("reply", "replies"),
    "schedule_runs": ("run of a schedule", "runs of schedules"),
    "callbacks": ("callback of a provider", "callbacks of a provider"),
    "personal_data": ("job's personal data", "jobs' personal data"),
    "erased_messages": ("text's recipient and words", "texts' recipients and words"),
    "erased_rows": ("cycle row's values", "cycle rows' values"),
}
_ERASED = ("personal_data", "erased_messages", "erased_rows")


@click.command("prune")
@click.option("--dry-run", is_flag=True, help="Only tell what would be removed.")
@show.json_option
def prune(dry_run: bool, as_json: bool) -> None:
    """Remove what is over its time, in small transactions, so that work goes on undisturbed.

    The leading dispatcher does the same by itself. What an open incident, an undo, a running cycle or a legal
    hold needs stays; reports keep their numbers, and keys stay known for their own time.

    \b
    Example:  hms db prune --dry-run
    """
    configured = settings.load()
    keep = rules.defaults(configured)
    if dry_run:
        with ledger.reading() as connection:
            known = rules.read(connection, keep)
            amounts = due.read(connection, known)
        _tell_due(known, amounts, as_json=as_json)
        return
    counts = _remove(ledger.engine(configured), keep, configured)
    if as_json:
        show.print_json({"removed": {_camel(name): counts.get(name, 0) for name in _WORDS}})
    else:
        show.lines(_sentence(counts))


def _remove(engine: Engine, keep: Keep, configured: Settings) -> Counts:
    with engine.connect() as connection:
        wrong = schema_revision.mismatch(schema_revision.applied(connection))
    if wrong is not None:
        raise wrong
    pruner = Pruner(keep, configured.keep_audit)
    counts: Counts = {}
    try:
        while True:
            with engine.begin() as connection:
                removed = pruner.remove_next(connection)
            counts = added(counts, removed.counts)
            if removed.over:
                return counts
            time.sleep(min(removed.pause, 1.0))
    finally:
        detail = {name: number for name, number in counts.items() if number}
        if detail:
            act = audit.Act(ledger.who(), [], "hms db prune", "ledger", status=200, detail=detail)
            with engine.begin() as connection:
                audit.write(connection, [act])


def _sentence(counts: Counts) -> str:
    removed = [_counted(counts, name) for name in _WORDS if name not in _ERASED and counts.get(name)]
    erased = [_counted(counts, name) for name in _ERASED if counts.get(name)]
    parts = [f"{verb} {', '.join(what)}" for verb, what in (("removed", removed), ("erased", erased)) if what]
    whole = "; ".join(parts) or "nothing was over its time"
    return f"{whole[0].upper()}{whole[1:]}."


def _counted(counts: Counts, name: str) -> str:
    return format.count(counts[name], *_WORDS[name])


def _tell_due(known: Sequence[Rule], amounts: Sequence[Due], *, as_json: bool) -> None:
    pairs = list(zip(known, amounts, strict=True))
    if as_json:
        show.print_json({"types": [_document(rule, sums) for rule, sums in pairs]})
        return
    if not pairs:
        show.lines("No job was ever accepted, so there is nothing to keep.")
        return
    headers = [
        "type",
        "jobs kept",
        "to remove",
        "lines",
        "texts",
        "personal data kept",
        "to erase",
        "held",
        "needed",
    ]
    right = ["jobs kept", "to remove", "lines", "texts", "personal data kept", "to erase", "held", "needed"]
    rows = [
        (
            rule.type,
            clock.write_duration(rule.keep.jobs),
            f"{sums.jobs:,}",
            f"{sums.events:,}",
            f"{sums.messages:,}",
            clock.write_duration(rule.keep.personal_data),
            f"{sums.personal_data:,}",
            f"{sums.held:,}",
            f"{sums.needed:,}",
        )
        for rule, sums in pairs
    ]
    show.lines(
        tables.table(headers, rows, right=right, wide=["type"], spare=["lines", "texts", "needed"]), ""
    )
    if not any(sums.jobs or sums.events or sums.messages or sums.personal_data for sums in amounts):
        show.lines("Nothing is over its time.")
    else:
        show.lines("Nothing was removed: hms db prune does it, and the leading dispatcher by itself.")


def _document(rule: Rule, sums: Due) -> dict[str, Any]:
    keep = {
        "jobs": rule.keep.jobs,
        "events": rule.keep.events,
        "messages": rule.keep.messages,
        "attempts": rule.keep.attempts,
        "personalData": rule.keep.personal_data,
        "keys": rule.keep.keys,
    }
    return {
        "type": rule.type,
        "keep": {name: clock.write_duration(duration) for name, duration in keep.items()},
        "personalFields": [".".join(path) for path in rule.personal],
        "jobs": sums.jobs,
        "events": sums.events,
        "messages": sums.messages,
        "personalData": sums.personal_data,
        "held": sums.held,
        "needed": sums.needed,
    }


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))
