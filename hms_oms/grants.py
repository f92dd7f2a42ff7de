"""The least rights in PostgreSQL of each kind of process, and the SQL that gives them.

The owner of the schemas migrates; nobody else needs to create, alter or truncate anything. Histories may be
added to and not changed, whatever a process is made to do; only the dispatcher removes what is old.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from hms_oms.recipes.hooks import Hooks

#: The release's own table, read by every process before it begins.
REVISION = "public.hms_revision"

_READ = "select"
_ADD = "select, insert"
_CHANGE = "select, update"
_KEEP = "select, insert, update"
_ALL = "select, insert, update, delete"
#: A row that is removed is locked first, for which PostgreSQL asks for the right to update it.
_CHANGE_AND_REMOVE = "select, update, delete"


@dataclass(frozen=True, slots=True)
class Rights:
    """What one kind of process may do, by table and sequence."""

    purpose: str
    tables: Mapping[str, str]
    sequences: Mapping[str, str] = field(default_factory=dict)
    #: Whether it ends the sessions of workers that are gone, which needs their role's rights.
    ends_workers: bool = False


_WORKER = {
    "oms.jobs": _CHANGE,
    "oms.job_events": _ADD,
    "oms.messages": _ADD,
    "oms.message_attempts": _ADD,
    "oms.restores": _READ,
    "oms.installation": _READ,
    "oms.queues": _READ,
    "oms.recipes": _READ,
    "oms.workers": _ALL,
    "oms.package_revisions": _READ,
    "oms.known_keys": _READ,
    "oms.child_jobs": "insert, select",
}
_DISPATCHER = {
    "oms.jobs": _ALL,
    "oms.job_events": "select, insert, delete",
    "oms.event_months": _READ,
    "oms.calendars": _READ,
    "oms.schedules": _CHANGE,
    "oms.schedule_runs": _ALL,
    "oms.schedule_files": _ALL,
    "oms.messages": _CHANGE_AND_REMOVE,
    "oms.message_attempts": "select, delete",
    "oms.callbacks": _CHANGE_AND_REMOVE,
    "oms.replies": _CHANGE_AND_REMOVE,
    "oms.batches": _KEEP,
    "oms.cycle_rows": _KEEP,
    "oms.audit": "select, delete",
    "oms.job_sums": _KEEP,
    "oms.known_keys": _ALL,
    "oms.holds": _READ,
    "oms.held_jobs": _READ,
    "oms.needed_jobs": _READ,
    "oms.retention_rules": _KEEP,
    "oms.slas": _ADD,
    "oms.changes": _READ,
    "oms.changed_jobs": _READ,
    "ops.incidents": _READ,
    "ops.incident_jobs": _READ,
    "oms.queues": _KEEP,
    "oms.recipes": _KEEP,
    "oms.signals": _CHANGE,
    "oms.ended_parts": "select, delete",
    "oms.limited_starts": _ALL,
    "oms.job_search": _ALL,
    "oms.unindexed_words": "select, insert, delete",
    "oms.child_jobs": _CHANGE_AND_REMOVE,
    "oms.workers": _CHANGE_AND_REMOVE,
    "oms.package_revisions": _READ,
    "oms.leaders": _KEEP,
    "oms.broker_state": _KEEP,
    "oms.work_estimates": _KEEP,
    "oms.backlog_plans": _KEEP,
    "oms.write_probe": _ADD,
}
_WATCH = {
    "oms.jobs": _READ,
    "oms.event_months": _READ,
    "oms.batches": _CHANGE,
    "oms.job_sums": _READ,
    "oms.job_events": _READ,
    "oms.queues": _READ,
    "oms.slas": _READ,
    "oms.recipes": _READ,
    "oms.workers": _READ,
    "oms.broker_state": _READ,
    "oms.work_estimates": _READ,
    "oms.backlog_plans": _READ,
    "oms.schedules": _READ,
    "oms.schedule_runs": _READ,
    "oms.schedule_files": _READ,
    "oms.leaders": _KEEP,
    "oms.messages": _KEEP,
    "oms.message_attempts": _KEEP,
    "oms.restores": _READ,
    "oms.installation": _READ,
    "oms.package_revisions": _READ,
    "ops.traces_sent": _KEEP,
    "ops.webhooks": _CHANGE,
    "ops.webhook_deliveries": _ALL,
    "ops.webhook_attempts": _ALL,
    "oms.callbacks": _CHANGE,
    "oms.opt_outs": _ADD,
    "oms.write_probe": _ADD,
    "ops.beats": _KEEP,
    "ops.incidents": _ALL,
    "ops.incident_events": _ADD,
    "ops.incident_jobs": _ADD,
    "ops.metrics": _ALL,
    "ops.samples": _ALL,
    "ops.sample_hours": _ALL,
    "ops.moments": _ALL,
    "ops.forecasts": _ALL,
    "ops.forecast_levels": _KEEP,
    "ops.arrivals": _ALL,
    "ops.arrivals_counted": _KEEP,
    "ops.oncall": _READ,
    "ops.silences": _READ,
    "ops.thresholds": _READ,
}
_API = {
    "oms.jobs": _KEEP,
    "oms.event_months": _READ,
    "oms.job_sums": _READ,
    "oms.known_keys": _READ,
    "oms.retention_rules": _KEEP,
    "oms.job_events": _ADD,
    "oms.batches": _KEEP,
    "oms.cycle_rows": _ADD,
    "oms.signals": _ADD,
    "oms.job_search": _READ,
    "oms.unindexed_words": _ADD,
    "oms.child_jobs": _CHANGE,
    "oms.limited_starts": _READ,
    "oms.queues": _KEEP,
    "oms.recipes": _KEEP,
    "oms.slas": _ADD,
    "oms.calendars": _ADD,
    "oms.changes": _ALL,
    "oms.changed_jobs": _KEEP,
    "oms.audit": _ADD,
    "oms.badges": _KEEP,
    "oms.uploads": _ALL,
    "oms.schedules": _KEEP,
    "oms.schedule_runs": _KEEP,
    "oms.schedule_files": _READ,
    "oms.upload_pieces": _ADD,
    "oms.messages": _KEEP,
    "oms.message_attempts": _KEEP,
    "oms.restores": _READ,
    "oms.package_revisions": _READ,
    "oms.callbacks": _KEEP,
    "oms.opt_outs": _ALL,
    "oms.replies": _ADD,
    "oms.workers": _READ,
    "oms.leaders": _READ,
    "oms.broker_state": _READ,
    "oms.work_estimates": _READ,
    "oms.backlog_plans": _READ,
    "oms.write_probe": _ADD,
    "ops.beats": _READ,
    "ops.webhooks": _KEEP,
    "ops.webhook_deliveries": _KEEP,
    "ops.webhook_attempts": _READ,
    "ops.incidents": _KEEP,
    "ops.incident_events": _ADD,
    "ops.incident_jobs": _READ,
    "ops.metrics": _KEEP,
    "ops.samples": _READ,
    "ops.sample_hours": _READ,
    "ops.moments": _READ,
    "ops.forecasts": _READ,
    "ops.oncall": _ADD,
    "ops.oncall_feeds": _KEEP,
    "ops.silences": _KEEP,
    "ops.thresholds": _ADD,
}
#: Who adds lines to the event log draws their numbers.
_NUMBERS = {"oms.job_events_id_seq": "usage"}
_READER = dict.fromkeys(
    sorted({*_WORKER, *_DISPATCHER, *_WATCH, *_API} - {"oms.uploads", "oms.upload_pieces"}), _READ
)

ROLES: Mapping[str, Rights] = {
    "worker": Rights("the workers, with the tables of the job types", _WORKER, _NUMBERS),
    "dispatcher": Rights(
        "hms act run: the dispatcher with recovery", _DISPATCHER, _NUMBERS, ends_workers=True
    ),
    "watch": Rights(
        "hms ops run: the watch and the pager",
        _WATCH,
        {"oms.job_events_id_seq": "select", "ops.incident_references": "usage"},
    ),
    "api": Rights(
        "hms floor run: the API and the pages", _API, {**_NUMBERS, "ops.incident_references": "usage"}
    ),
    "reader": Rights("people and tools that only look, uploaded files left out", _READER),
}


def roles(packages: Iterable[Hooks]) -> Mapping[str, Rights]:
    """The rights of every kind of process, with the tables of these packages.

    Who only looks may read them all. What the product grants on its own tables no package changes.
    """
    declared = [package.rights for package in packages]
    read = {table: _READ for rights in declared for tables in rights.values() for table in sorted(tables)}
    return {role: _with_packages(role, declared, read) for role in ROLES}


def _with_packages(
    role: str, declared: Iterable[Mapping[str, Mapping[str, str]]], read: Mapping[str, str]
) -> Rights:
    theirs = dict(read) if role == "reader" else {}
    for rights in declared:
        theirs |= rights.get(role, {})
    return replace(ROLES[role], tables={**theirs, **ROLES[role].tables})


def schemas(packages: Iterable[Hooks]) -> tuple[str, ...]:
    """The product's schemas and those of the packages' tables."""
    tables = (table for rights in roles(packages).values() for table in rights.tables)
    return tuple(sorted({table.partition(".")[0] for table in tables}))


def statements(role: str, name: str, workers: str, database: str, packages: Iterable[Hooks]) -> Iterator[str]:
    """The SQL that leaves the PostgreSQL role `name` with what `role` needs in our schemas, and no more.

    `workers` is the PostgreSQL role of the workers. To be run by the owner of the schemas.
    """
    packages = tuple(packages)
    rights = roles(packages)[role]
    known = schemas(packages)
    to = quoted(name)
    for kind in ("tables", "sequences"):
        yield f"revoke all on all {kind} in schema {', '.join(known)} from {to}"
    yield f"revoke all on schema {', '.join(known)} from {to}"
    yield f"grant connect on database {quoted(database)} to {to}"
    used = [schema for schema in known if any(table.startswith(f"{schema}.") for table in rights.tables)]
    yield f"grant usage on schema {', '.join(used)} to {to}"
    yield f"grant select on {REVISION} to {to}"
    for allowed in dict.fromkeys(rights.tables.values()):
        tables = ", ".join(sorted(table for table, right in rights.tables.items() if right == allowed))
        yield f"grant {allowed} on {tables} to {to}"
    for sequence, allowed in rights.sequences.items():
        yield f"grant {allowed} on sequence {sequence} to {to}"
    if rights.ends_workers:
        yield f"grant {quoted(workers)} to {to}"


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
