"""`hms check`: what is configured, what answers and who works, told without starting anything."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import click
import redis
from rich.text import Text
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hms_floor.cli import errors, ledger, show, tables
from hms_oms import broker, health, migrate, presence, recipes, settings
from hms_oms.errors import ConfigError
from hms_oms.recipes import Recipe, Recipes
from hms_oms.server_urls import masked
from hms_oms.settings import Settings
from workers import modules

#: A text that waits longer than this for a sender is a fault.
TEXT_PATIENCE = timedelta(minutes=1)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is well, and what to do if not."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


@click.command()
@show.json_option
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Tell what is configured, what answers and who works.

    Starts nothing and changes nothing. Exits with 1 if anything is not well.

    \b
    Example:  hms check
    """
    findings = list(_findings())
    well = all(finding.ok for finding in findings)
    if as_json:
        show.print_json({"ok": well, "findings": [vars(finding) for finding in findings]})
    else:
        show.lines(tables.table(["", "what", "found"], map(_row, findings), wide=["found"]))
        bad = sum(not finding.ok for finding in findings)
        verdict = (
            Text("\nall is well", style="green") if well else Text(f"\n{bad} not well", style="bold red")
        )
        show.lines(verdict)
    if not well:
        ctx.exit(errors.ERROR)


def _row(finding: Finding) -> tuple[Text, str, Text]:
    symbols = ("\u2713", "\u2717") if show.unicode() else ("+", "x")
    sign = f"{symbols[0]} ok" if finding.ok else f"{symbols[1]} fail"
    detail = show.plain(finding.detail)
    if finding.advice:
        detail = Text.assemble(detail, "\n", (f"-> {finding.advice}", "yellow"))
    return Text(sign, style="green" if finding.ok else "bold red"), finding.name, detail


def _findings() -> Iterator[Finding]:
    try:
        configured = settings.load()
    except ConfigError as error:
        yield from (Finding("settings", False, fault, "correct the environment") for fault in error.faults)
        return
    yield Finding("settings", True, f"home {configured.home}")
    known = yield from _recipes(configured)
    try:
        configured.servers()
    except ConfigError as error:
        yield Finding("servers", False, "; ".join(error.faults))
    if configured.broker_url is not None:
        yield from _broker(configured.broker_url)
    if configured.database_url is not None:
        yield from _database(configured.database_url, known)


def _recipes(configured: Settings) -> Generator[Finding, None, Recipes]:
    try:
        known = recipes.load_folder(configured.recipes)
        modules.load(known, configured.recipes)
    except (ConfigError, OSError) as error:
        faults = error.faults if isinstance(error, ConfigError) else (str(error),)
        yield from (Finding("recipes", False, fault, f"see {configured.recipes}") for fault in faults)
        return {}
    yield Finding("recipes", True, f"{', '.join(known)} in {configured.recipes}")
    return known


def _broker(url: str) -> Iterator[Finding]:
    try:
        connection = broker.client(url)
        version = connection.info("server")["redis_version"]
        connection.close()
    except (redis.RedisError, OSError, ValueError) as error:
        # A URL that is written wrongly is quoted by the driver, piece by piece.
        reason = error if isinstance(error, redis.RedisError) else type(error).__name__
        why = f"{masked(url)} does not answer: {reason}"
        yield Finding("Redis", False, why, "start it with `hms up`, or correct HMS_BROKER_URL")
    else:
        yield Finding("Redis", True, f"{version} at {masked(url)}")


def _database(url: str, known: Recipes) -> Iterator[Finding]:
    try:
        with ledger.engine_of(url).connect() as connection:
            yield Finding("PostgreSQL", True, f"{health.server_version(connection)} at {masked(url)}")
            applied, needed = migrate.applied(connection), migrate.needed()
            if applied != needed:
                detail = f"the database is at revision {applied or 'none'}, {needed} is needed"
                yield Finding("migration", False, detail, "hms db migrate")
                return
            yield Finding("migration", True, f"{applied} applied, as needed")
            yield from _leaders(connection)
            yield from _hands(connection, known)
            yield from _texts(connection)
    except DBAPIError as error:
        why = f"{masked(url)} does not answer: {errors.reason(error.orig or error)}"
        yield Finding("PostgreSQL", False, why, "start it with `hms up`, or correct HMS_DATABASE_URL")
    except ConfigError as error:
        yield Finding("PostgreSQL", False, "; ".join(error.faults))


def _leaders(connection: Connection) -> Iterator[Finding]:
    now = health.clock(connection)
    found = {leader.duty: leader for leader in health.leaders(connection)}
    for duty, what, program in (
        ("act", "dispatcher", "act"),
        ("ops", "watch", "ops"),
        ("pager", "pager", "ops"),
    ):
        leader = found.get(duty)
        if leader is None:
            yield Finding(what, False, "nobody leads", f"`hms up` starts all, `hms {program} run` this")
        else:
            where = f" from {leader.host}" if leader.host else ""
            yield Finding(what, True, f"leading since {show.moment(leader.since, now)}{where}")


def _hands(connection: Connection, known: Recipes) -> Iterator[Finding]:
    live = presence.live(connection)
    if not live:
        yield Finding("workers", False, "none is live", "`hms up`, or: celery -A workers worker")
    for worker in live:
        load = f"{worker.slots} slots ({worker.pool}), {len(worker.tickets)} tickets in hand"
        yield Finding(
            f"worker {worker.name}",
            True,
            f"{load}, {worker.rss_bytes >> 20} MiB, host at {worker.cpu_percent:.0f} % CPU",
        )
    for recipe in known.values():
        yield _steps(recipe, live)


def _steps(recipe: Recipe, live: list[presence.Worker]) -> Finding:
    missing = []
    for step in recipe.steps:
        if step.by == "worker" and not any(
            step.run in worker.steps and step.queue in worker.queues for worker in live
        ):
            missing.append(step.name)
    if missing:
        detail = f"no live worker for {', '.join(missing)}"
        return Finding(f"steps of {recipe.type}", False, detail, "start a worker that has this recipe")
    return Finding(f"steps of {recipe.type}", True, ", ".join(step.name for step in recipe.steps))


def _texts(connection: Connection) -> Iterator[Finding]:
    number, oldest = health.unsent_texts(connection)
    now: datetime = health.clock(connection)
    if oldest is None:
        yield Finding("texts", True, "none waits")
    else:
        stale = now - oldest > TEXT_PATIENCE
        advice = "is the pager running? `hms ops run` starts one" if stale else ""
        yield Finding("texts", not stale, f"{number:,} wait, the oldest {show.about(now - oldest)}", advice)
