"""Check PostgreSQL and Redis: whether they answer and take writes, and the state of the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta, tzinfo

from redis import RedisError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hms_floor import ledger
from hms_floor.cli.installation.checks.finding import Finding
from hms_floor.cli.terminal import errors, remedies, show
from hms_oms.database import connections, health, probing, refusals
from hms_oms.database.schema import schema_revision
from hms_oms.jobs import workers
from hms_oms.recipes import package_migrations
from hms_oms.recipes.recipes import Recipe, Recipes
from hms_oms.retention import months
from hms_oms.retention.months import Ahead
from hms_oms.runtime import format
from hms_oms.runtime.errors import ConfigError
from hms_oms.runtime.server_urls import masked
from hms_ops import health as judgement
from hms_ops.health import BAD, OK, WARN, Facts, Seen
from hms_ops.incidents import wording
from hms_ops.oncall.unreached import OpenIncident

#: A text that waits longer than this for a sender is a fault.
TEXT_PATIENCE = timedelta(minutes=1)

#: What to do about a part that is not well.
_ADVICE = {
    "dispatcher": "`hms up` starts all, `hms act run` this",
    "watch": "`hms up` starts all, `hms ops run` this",
    "pager": "`hms up` starts all, `hms ops run` this",
    "on call": "see `hms oncall list`; set a document with: hms oncall set FILE",
}


def redis(url: str) -> Sequence[Finding]:
    """Whether Redis answers and takes writes."""
    try:
        with closing(probing.redis_client(url)) as client:
            refusal = probing.redis_refusal(client)
            if refusal is None:
                return [Finding("Redis", OK, f"{client.info('server')['redis_version']} at {masked(url)}")]
            if refusal.kind == refusals.AWAY:
                client.ping()
    except (RedisError, OSError, ValueError) as error:
        # A URL that is written wrongly is quoted by the driver, piece by piece.
        reason = error if isinstance(error, RedisError) else type(error).__name__
        return [
            Finding(
                "Redis",
                BAD,
                f"{masked(url)} does not answer: {reason}",
                remedies.of(refusals.AWAY, remedies.BROKER),
            )
        ]
    return [
        Finding("Redis", BAD, f"{masked(url)} {refusal.words}", remedies.of(refusal.kind, remedies.BROKER))
    ]


def postgresql(url: str, known: Recipes, zone: tzinfo) -> Sequence[Finding]:
    """Whether PostgreSQL answers and takes writes, and what the ledger says."""
    try:
        with ledger.engine_of(url).connect() as connection:
            return list(_ledger(connection, url, known, zone))
    except DBAPIError as error:
        refusal = refusals.of_postgresql(error) or refusals.SILENT
        why = f": {errors.reason(error.orig or error)}" if refusal == refusals.SILENT else ""
        advice = remedies.of(refusal.kind, remedies.DATABASE)
        return [Finding("PostgreSQL", BAD, f"{masked(url)} {refusal.words}{why}", advice)]
    except ConfigError as error:
        return [Finding("PostgreSQL", BAD, "; ".join(error.faults))]


def _ledger(connection: Connection, url: str, known: Recipes, zone: tzinfo) -> Iterator[Finding]:
    version = health.server_version(connection)
    applied = schema_revision.applied(connection)
    wrong = schema_revision.mismatch(applied)
    connection.rollback()
    if wrong is not None:
        yield Finding("PostgreSQL", OK, f"{version} at {masked(url)}")
        yield Finding("migration", BAD, wrong.words, wrong.advice)
        return
    raw: connections.RawConnection = connection.connection.driver_connection  # type: ignore[assignment]
    refusal = probing.postgresql_refusal(raw)
    if refusal is None:
        yield Finding("PostgreSQL", OK, f"{version} at {masked(url)}")
    else:
        yield Finding(
            "PostgreSQL", BAD, f"{masked(url)} {refusal.words}", remedies.of(refusal.kind, remedies.DATABASE)
        )
    yield Finding("migration", OK, f"{applied} applied, as needed")
    for schema in package_migrations.schemas(connection, known.values()):
        if schema.mismatch is not None:
            yield Finding("migration", BAD, schema.mismatch.words, schema.mismatch.advice)
    facts = judgement.read(connection)
    for part in judgement.judge(Facts(Seen(refusal), None, facts), zone):
        reported = part.name == "Redis" and part.light == BAD
        if part.name in ("dispatcher", "watch", "pager", "on call") or reported:
            name = "Redis for the dispatcher" if reported else part.name
            yield Finding(
                name, part.light, part.words, "" if part.light == OK else _ADVICE.get(part.name, "")
            )
    yield from _event_log(months.read(connection))
    yield from _workers(connection, known)
    yield from _texts(connection)
    yield from _incidents(facts.incidents)


def _event_log(ahead: Ahead) -> Iterator[Finding]:
    if ahead.are_short:
        detail = f"has no months after {ahead.until:%Y-%m-%d}"
        yield Finding("event log", WARN, detail, _ADVICE["dispatcher"] + "; it adds them")
    elif ahead.has_later_lines:
        detail = f"has lines after {ahead.until:%Y-%m-%d}, which no month is for yet"
        yield Finding("event log", WARN, detail, "was the clock of PostgreSQL ahead?")


def _workers(connection: Connection, known: Recipes) -> Iterator[Finding]:
    live = workers.live(connection)
    if not live:
        yield Finding("workers", BAD, "none is live", "`hms up`, or: celery -A workers worker")
    for worker in live:
        load = f"{format.slots(worker.slots, worker.slots_lost)} ({worker.pool})"
        yield Finding(
            f"worker {worker.name}",
            WARN if worker.slots_lost else OK,
            f"{load}, {len(worker.tickets)} tickets held, {worker.rss_bytes >> 20} MiB,"
            f" host at {worker.cpu_percent:.0f} % CPU",
            _HUNG if worker.slots_lost else "",
        )
    for recipe in known.values():
        yield _steps(recipe, live)


def _steps(recipe: Recipe, live: list[workers.Worker]) -> Finding:
    missing = [
        step.name
        for step in recipe.works
        if step.by == "worker"
        and not any(step.run in worker.steps and step.queue in worker.queues for worker in live)
    ]
    if missing:
        detail = f"no live worker for {', '.join(missing)}"
        return Finding(f"steps of {recipe.type}", BAD, detail, "start a worker that has this recipe")
    return Finding(f"steps of {recipe.type}", OK, ", ".join(step.name for step in recipe.steps))


def _texts(connection: Connection) -> Iterator[Finding]:
    number, oldest = health.unsent_texts(connection)
    now = health.clock(connection)
    if oldest is None:
        yield Finding("texts", OK, "none waits")
    else:
        stale = now - oldest > TEXT_PATIENCE
        advice = "is the pager running? `hms ops run` starts one" if stale else ""
        detail = f"{number:,} wait, the oldest {show.about(now - oldest)}"
        yield Finding("texts", BAD if stale else OK, detail, advice)


def _incidents(live: Sequence[OpenIncident]) -> Iterator[Finding]:
    if not live:
        yield Finding("incidents", OK, "none is open")
    for incident in live:
        about = f"{incident.queue or 'floor'}: {wording.title(incident.rule)}"
        command = f"hms incident show {incident.reference or incident.id}"
        if incident.unreached:
            yield Finding(f"incident {incident.name}", BAD, f"{about}; it has reached nobody", command)
        elif incident.state == "open":
            yield Finding(f"incident {incident.name}", BAD, f"{about}; not acknowledged", command)
        else:
            yield Finding(f"incident {incident.name}", WARN, f"{about}; acknowledged, not over", command)


_HUNG = "it ends itself, to be replaced; `hms job list --status running` shows the steps"
