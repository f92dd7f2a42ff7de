"""Events: how many a second the watch hears and looks up in the ledger, and what a million leave behind.

Jobs of three steps are written into the ledger as they would be by workers, and their events published as
workers publish them, in bundles, faster than any worker of this machine could. One process hears them: the
receiver, and looks as the watch takes them, each with what it publishes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from kombu import Connection, Exchange
from sqlalchemy import Engine, text

from benchmarks.processes import ROOT, poll_until, surroundings
from benchmarks.results import Result
from benchmarks.rounds import say
from hms_floor.local import embedded
from hms_oms.broker import waiting_tickets
from hms_oms.database import connections
from hms_oms.database.schema import migrate
from hms_oms.recipes import recipes, registry
from hms_ops.events.event_buffer import BufferedEvents
from hms_ops.events.receiver import Receiver
from hms_ops.metrics import metrics
from hms_ops.metrics.measure import Measure
from hms_ops.watch import HEAVY_SECONDS, LOOK_SECONDS

RECIPES = Path(__file__).parent / "recipes"
#: Ten times what two cores' workers can send: some 400 jobs a second of three steps with three events each.
RATE_BAR = 36_000.0
#: Mebibytes that the process may have grown by between the first tenth of the events and the last.
GROWTH_BAR = 16.0
#: What is aimed at, in events a second: a little above the bar.
EVENTS_PER_SECOND = 40_000.0
#: Events of a job, and of a bundle (the most that a worker's event buffer keeps).
PER_JOB, BUNDLE = 9, 500
#: Jobs that are written and published at a time.
CHUNK = 500
#: Seconds to wait for the last of them.
PATIENCE = 60.0

_JOBS = """
insert into oms.jobs (type, recipe_id, steps, queue, status, step, sla, sla_minutes, payload, requested_by,
    started_at, finished_at)
select :type, :recipe, '{one,two,three}', :queue, 'done', 2, oms.now() + interval '1 hour', 60, '{}', 'bench',
    oms.now(), oms.now()
from generate_series(1, :jobs)
"""
_LINES = """
insert into oms.job_events (job_id, fact, status, step, attempt, detail)
select job, fact, status, step, 1, cast(detail as jsonb)
from generate_series(%(first)s, %(last)s) as job
cross join (values
    (1, 'accepted', 'waiting', 0, null), (2, 'dispatched', 'queued', 0, null),
    (3, 'claimed', 'running', 0, null), (4, 'advanced', 'running', 1, '{"completed": "one"}'),
    (5, 'advanced', 'running', 2, '{"completed": "two"}'),
    (6, 'finished', 'done', 2, '{"completed": "three"}')
) as line (place, fact, status, step, detail)
order by job, place
"""


def measure(folder: Path, events: int) -> list[Result]:
    """Write and publish so many events; each must be heard, and each step counted once."""
    jobs = events // PER_JOB
    with embedded.serving(folder / "events") as servers:
        assert servers.database_url is not None
        assert servers.broker_url is not None
        engine = _ledger(servers.database_url, jobs)
        watch = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.events", servers.database_url, servers.broker_url],
            cwd=ROOT,
            env=surroundings({}),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            looks = _looks(watch)
            next(looks)
            client = waiting_tickets.client(servers.broker_url)
            poll_until(client.pubsub_numpat, "the receiver does not listen")
            began = time.perf_counter()
            _publish(engine, servers.broker_url, jobs)
            published = time.perf_counter() - began
            observed = _until(looks, 3 * jobs)
            passed = observed[-1]["at"] - began
        finally:
            watch.terminate()
            watch.wait()
            engine.dispose()
    last = observed[-1]
    tenth = next(look for look in observed if look["events"] >= jobs * PER_JOB / 10)
    growth = (last["rss"] - tenth["rss"]) / 2**20
    cpu = last["cpu"] - tenth["cpu"]
    say(f"events: {last['events']:,} in {passed:.1f} s, published in {published:.1f} s")
    lag = max(look["lag"] for look in observed)
    note = f"{last['steps']:,} steps counted once; at most {lag:.1f} s behind; source {last['source']}"
    detail = {
        "published_per_second": round(jobs * PER_JOB / published),
        "heard": last["events"],
        "cpu_seconds": round(cpu, 2),
        "events_per_cpu_second": round((last["events"] - tenth["events"]) / cpu),
        "longest_look_ms": round(1000 * max(look["took"] for look in observed), 1),
        "rss_mib": [round(look["rss"] / 2**20, 1) for look in (tenth, last)],
    }
    return [
        Result(
            "events",
            "hear and look up",
            last["events"] / passed,
            "events/s",
            RATE_BAR,
            note=note,
            detail=detail,
        ),
        Result(
            "events-memory",
            f"growth over {last['events']:,} events",
            growth,
            "MiB",
            GROWTH_BAR,
            at_most=True,
            note=f"{detail['rss_mib'][0]} to {detail['rss_mib'][1]} MiB",
        ),
    ]


def _ledger(database_url: str, jobs: int) -> Engine:
    migrate.upgrade(database_url)
    engine = connections.engine(database_url)
    recipe = recipes.load_folder(RECIPES)["bench:noop:v1"]
    with engine.begin() as connection:
        known = registry.register(connection, recipe)
        connection.execute(
            text(_JOBS), {"type": recipe.type, "recipe": known, "queue": recipe.queue, "jobs": jobs}
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze oms.jobs")
    return engine


def _publish(engine: Engine, broker_url: str, jobs: int) -> None:
    """Write the lines of a chunk of jobs, then publish its events; no faster than EVENTS_PER_SECOND."""
    began = time.perf_counter()
    with Connection(broker_url) as connected:
        producer = connected.Producer(exchange=Exchange("celeryev", type="fanout"), serializer="json")
        for first in range(1, jobs + 1, CHUNK):
            last = min(first + CHUNK - 1, jobs)
            with engine.begin() as connection:
                connection.exec_driver_sql(_LINES, {"first": first, "last": last})
            events = [event for job in range(first, last + 1) for event in _events(job)]
            for start in range(0, len(events), BUNDLE):
                producer.publish(events[start : start + BUNDLE], routing_key="task.multi")
            time.sleep(max(0.0, began + last * PER_JOB / EVENTS_PER_SECOND - time.perf_counter()))


def _events(job: int) -> Iterator[dict[str, Any]]:
    """What a worker says while it runs a job, in its own words."""
    for clock, step in enumerate(("one", "two", "three")):
        ticket = f"job-{job}.1.{step}"
        common = {"uuid": ticket, "hostname": "w1@bench", "utcoffset": 0, "pid": 4711, "clock": 9000 + clock}
        task = {"name": "bench.noop", "args": f"('{ticket}',)", "kwargs": "{}", "root_id": f"job-{job}.1.one"}
        more = {"parent_id": None, "retries": 0, "eta": None, "expires": None}
        yield {"type": "task-received", "timestamp": time.time(), **common, **task, **more}
        yield {"type": "task-started", "timestamp": time.time(), **common}
        yield {
            "type": "task-succeeded", "timestamp": time.time(), "result": "None", "runtime": 0.004, **common
        }  # fmt: skip


def _looks(watch: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert watch.stdout is not None
    for line in watch.stdout:
        yield {**json.loads(line), "at": time.perf_counter()}
    raise ChildProcessError("the watch has ended")


def _until(looks: Iterator[dict[str, Any]], steps: int) -> list[dict[str, Any]]:
    """All looks up to the one that has seen every step finished."""
    deadline = time.perf_counter() + PATIENCE
    observed = []
    for look in looks:
        observed.append(look)
        if look["steps"] >= steps:
            return observed
        if time.perf_counter() > deadline:
            raise TimeoutError(f"{look['steps']} of {steps} steps were seen")
    return observed


class _Counting(Receiver):
    """A receiver that counts what it has heard in all."""

    events = 0

    def drain(self) -> BufferedEvents:
        """What was heard since this was last asked."""
        events = super().drain()
        self.events += events.events
        return events


def watch(database_url: str, broker_url: str) -> None:
    """Look as the watch does, and print what was seen, a JSON object a line."""
    engine, receiver = connections.engine(database_url), _Counting(broker_url)
    receiver.start()
    measuring, process = Measure(engine, receiver), psutil.Process()
    heavy_again = 0.0
    while True:
        began = time.perf_counter()
        heavy = began >= heavy_again
        heavy_again = began + HEAVY_SECONDS if heavy else heavy_again
        with engine.begin() as connection:
            snapshot = measuring.look(connection, heavy)
            metrics.publish(connection, snapshot)
        took = time.perf_counter() - began
        queue, hearing = snapshot.queues[0], snapshot.hearing
        observed = {
            "events": receiver.events,
            "steps": queue.finished or 0,
            "source": queue.waits.source if queue.waits else None,
            "lag": (hearing.lag if hearing else None) or 0.0,
            "took": took,
            "rss": process.memory_info().rss,
            "cpu": sum(process.cpu_times()[:2]),
        }
        print(json.dumps(observed), flush=True)
        time.sleep(max(0.0, LOOK_SECONDS - took))


if __name__ == "__main__":
    watch(*sys.argv[1:])
