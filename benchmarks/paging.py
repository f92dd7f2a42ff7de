"""Paging: how long after a deadline has passed the text about it is at the provider, with many jobs open."""

from __future__ import annotations

import random
import sys
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median, quantiles

from sqlalchemy import Engine, text

from benchmarks.processes import poll_until, running
from benchmarks.product import RECIPES, WHO
from benchmarks.results import Result
from benchmarks.rounds import say
from hms_floor.local import embedded
from hms_oms.database import connections, health
from hms_oms.database.schema import migrate
from hms_oms.recipes import recipes, registry
from hms_ops.incidents import actions, silences, thresholds
from hms_ops.oncall import oncall
from hms_ops.rules import RULES
from tests.provider.driver import Provider

BAR = 2.0
#: From the announcement of a deadline until it passes, in seconds, at random: in step with no loop.
AHEAD_SECONDS = (1.5, 2.5)
#: Seconds until a text that has not come counts as lost.
LOST_SECONDS = 60.0

_QUEUES = text("insert into oms.queues (name) select 'paging-' || n from generate_series(1, :queues) as n")
#: Every queue has the same share of the open jobs; the first deadline is hours away.
_BACKLOG = text(
    "insert into oms.jobs (type, recipe_id, steps, queue, sla, sla_minutes, payload, requested_by)"
    " select :type, :recipe, '{one,two,three}', 'paging-' || 1 + n % :queues,"
    " oms.now() + interval '3 hours' + n * interval '0.1 second', 60, '{}', :who"
    " from generate_series(1, :jobs) as n"
)
_HURRY = text(
    "update oms.jobs set sla = oms.now() + make_interval(secs => :ahead)"
    " where id = (select max(id) from oms.jobs where queue = :queue) returning sla"
)


def measure(folder: Path, jobs: int, deadlines: int) -> list[Result]:
    """Let one deadline after another pass, each in a queue of its own and for a phone of its own."""
    with embedded.serving(folder / "paging") as servers, Provider.start(folder) as provider:
        assert servers.database_url is not None
        assert servers.broker_url is not None
        migrate.upgrade(servers.database_url)
        engine = connections.engine(servers.database_url)
        _lay(engine, jobs, deadlines)
        environment = {
            "HMS_HOME": str(folder / "paging"),
            "HMS_DATABASE_URL": servers.database_url,
            "HMS_BROKER_URL": servers.broker_url,
            "HMS_RECIPES": str(RECIPES),
            **provider.environment(),
        }
        with running(folder, {"ops": [sys.executable, "-m", "hms_floor", "ops", "run"]}, environment):
            poll_until(lambda: _is_watching(engine), "nobody watches")
            delays = [_delay(engine, provider, number) for number in range(1, deadlines + 1)]
        texts = len(provider.handsets())
        engine.dispose()
    say(f"paging: {deadlines} deadlines, {texts} texts, {jobs:,} jobs open")
    if texts != deadlines:
        raise RuntimeError(f"{deadlines} deadlines passed, but {texts} texts were sent")
    what = f"from a missed deadline to the text at the provider, {jobs:,} jobs open"
    p99 = quantiles(delays, n=100, method="inclusive")[-1]
    detail = {"seconds": [round(delay, 3) for delay in delays]}
    return [
        Result("paging-p50", what, median(delays), "s", at_most=True, note=f"{deadlines} deadlines"),
        Result(
            "paging-p99",
            what,
            p99,
            "s",
            bar=BAR,
            at_most=True,
            note=f"slowest {max(delays):.2f} s",
            detail=detail,
        ),
    ]


def _lay(engine: Engine, jobs: int, queues: int) -> None:
    """The open jobs; and silence for every rule but the one about missed deadlines."""
    recipe = recipes.load_folder(RECIPES)["bench:noop:v1"]
    with engine.begin() as connection:
        known = registry.register(connection, recipe)
        connection.execute(_QUEUES, {"queues": queues})
        backlog = {"type": recipe.type, "recipe": known, "queues": queues, "jobs": jobs, "who": WHO}
        connection.execute(_BACKLOG, backlog)
        now: datetime = connection.execute(text("select oms.now()")).scalar_one()
        for rule in RULES:
            if rule.name != "late":
                silences.silence(connection, rule.name, None, now, now + timedelta(days=1), "measuring", WHO)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze oms.jobs")


def _is_watching(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.scalar(text("select count(*) = 2 from ops.beats")))


def _delay(engine: Engine, provider: Provider, number: int) -> float:
    """Let the deadline of one job pass, and return how many seconds later its text was there."""
    phone = f"+1202555{100 + number:04}"
    document = {
        "timezone": "UTC",
        "recipients": {"on-call": phone},
        "steps": [{"after_minutes": 0, "notify": ["on-call"]}],
    }
    # The provider runs on this machine: both times are of one clock.
    with engine.begin() as connection:
        oncall.set_document(connection, document, WHO, None)
        hurry = {"ahead": random.uniform(*AHEAD_SECONDS), "queue": f"paging-{number}"}
        deadline: datetime = connection.execute(_HURRY, hurry).scalar_one()
    poll_until(lambda: bool(provider.handsets(phone)), f"no text about queue paging-{number}", LOST_SECONDS)
    [text_] = provider.handsets(phone)
    # Somebody has acknowledged it: else the next phone would be called about it, too.
    with engine.begin() as connection:
        limits = thresholds.limits(connection)
        for incident in (item for item in actions.find(connection, ["open"]) if item.rule == "late"):
            actions.acknowledge(connection, incident.id, WHO, health.clock(connection), limits)
    return (text_.at - deadline).total_seconds()
