"""Definitions of the numbers on the floor: what one is, where it comes from, and which jobs are behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from sqlalchemy import Connection

from hms_oms.database import health
from hms_oms.queues import sla as slas
from hms_oms.runtime import format
from hms_ops.documents.reports import Metric
from hms_ops.metrics import metrics
from hms_ops.metrics.catalogue import CATALOGUE

#: Words of the glossary (docs/glossary.md) that are on a card, as they stand there.
GLOSSARY: Mapping[str, str] = {
    "SLA": "How many minutes a queue has for a job, from acceptance to end.",
    "deadline": "The moment by which a job is to have ended. In JSON it is `slaExpires`.",
    "worker": "A Celery worker process. It has slots; each runs one step at a time.",
    "ready, delayed": "Its status is *waiting*: it is in the backlog of the ledger. It is delayed while its"
    " time has not come; otherwise it is ready. In JSON, `waiting` counts the ready ones.",
    "held": "It waits for an answer of the applicant: its clock stands, it is not handed out, and its"
    " deadline is moved when it goes on.",
    "queued": "Its ticket is in the dispatch window.",
    "running": "A worker or an agent has claimed its step.",
}


@dataclass(frozen=True, slots=True)
class Definition:
    """A number: words of the glossary, metrics of the catalogue with their subjects, and an address.

    The address leads to what is behind the number; `behind` says what that is.
    """

    terms: Sequence[str] = ()
    metrics: Sequence[tuple[str, str | None]] = ()
    leads_to: str = ""
    behind: str = "The jobs behind it"


#: Each number on the cards of the floor and of a queue.
DEFINITIONS: Mapping[str, Definition] = {
    "open": Definition(
        metrics=[("queue.length", state) for state in ("backlog", "delayed", "window", "running", "held")],
        leads_to="/floor/jobs?queue={queue}&status=open",
    ),
    "mean wait": Definition(
        metrics=[("queue.waitTime", None)],
        leads_to="/floor/jobs?queue={queue}&status=waiting",
        behind="The jobs that wait",
    ),
    "on time today, of due": Definition(
        metrics=[("sla.onTimeDueToday", None)],
        leads_to="/floor/jobs?queue={queue}&status=late",
        behind="The jobs that missed their deadline",
    ),
    "done a minute, now / 5 min": Definition(
        metrics=[("queue.throughput.now", None), ("queue.throughput", None)],
        leads_to="/floor/jobs?queue={queue}&status=done",
        behind="The jobs that are done",
    ),
    "SLA": Definition(terms=["SLA"], leads_to="/floor/sla", behind="How deadlines were met"),
    "oldest": Definition(
        metrics=[("queue.oldestAge", None)],
        leads_to="/floor/jobs?queue={queue}&status=waiting",
        behind="The jobs that wait",
    ),
    "all done by": Definition(
        metrics=[("forecast.doneIn", None)],
        leads_to="/floor/jobs?queue={queue}&status=open&order=deadline",
    ),
    "last one due": Definition(
        terms=["deadline"],
        leads_to="/floor/jobs?queue={queue}&status=open&order=deadline",
        behind="All open jobs by their deadlines",
    ),
    "workers": Definition(
        terms=["worker"],
        metrics=[("worker.online", None)],
        leads_to="/floor/workers",
        behind="The workers",
    ),
    "ready": Definition(
        ["ready, delayed"], [("queue.length", "backlog")], "/floor/jobs?queue={queue}&status=waiting"
    ),
    "delayed": Definition(
        ["ready, delayed"], [("queue.length", "delayed")], "/floor/jobs?queue={queue}&status=waiting"
    ),
    "queued": Definition(["queued"], [("queue.length", "window")], "/floor/jobs?queue={queue}&status=queued"),
    "running": Definition(
        ["running"], [("queue.length", "running")], "/floor/jobs?queue={queue}&status=running"
    ),
    "held": Definition(["held"], [("queue.length", "held")], "/floor/jobs?queue={queue}&status=held"),
}
_SOURCES: Mapping[str, str] = {
    "events": "the events of the workers",
    "ledger": "the ledger",
    "presence": "the heartbeats of the workers",
}


def words(definition: Definition) -> list[str]:
    """What a number is: the words of the glossary and of the catalogue, each once."""
    meanings = dict.fromkeys(CATALOGUE[name].meaning for name, _ in definition.metrics)
    sentences = [*(GLOSSARY[term] for term in definition.terms), *(f"{meaning}." for meaning in meanings)]
    return [sentence.replace("`", "").replace("*", "") for sentence in sentences]


def sources(connection: Connection, queue: str, definition: Definition, zone: tzinfo) -> list[str]:
    """Where a number of a queue comes from, and how old it is."""
    now = health.clock(connection)
    if not definition.metrics:
        return [_read_from_ledger(connection, queue, definition, now, zone)]
    measured = metrics.newest(connection, queue)
    return list(dict.fromkeys(_source(name, measured, now, zone) for name, _ in definition.metrics))


def _source(name: str, measured: Iterable[Metric], now: datetime, zone: tzinfo) -> str:
    newest = max(
        (metric for metric in measured if metric.name == name), key=lambda metric: metric.at, default=None
    )
    if newest is None:
        return f"{name}: never measured."
    age = f"{format.about(now - newest.at)} ago, at {format.time_of_day(newest.at, zone)}"
    if newest.value is None:
        return f"{name}: no data, {age}."
    stale = "; too old to be shown" if newest.stale(now) else ""
    return f"{name}: measured by the watch from {_SOURCES[newest.source]}, {age}{stale}."


def _read_from_ledger(
    connection: Connection, queue: str, definition: Definition, now: datetime, zone: tzinfo
) -> str:
    if "SLA" not in definition.terms:
        return f"The latest of all open jobs, read from the ledger at {format.time_of_day(now, zone)}."
    entry = next((sla for sla in slas.in_force(connection) if sla.queue == queue), None)
    if entry is None:
        return "Nobody has set one."
    reason = f": {entry.reason}" if entry.reason else ""
    return f"Set by {entry.set_by}, {format.moment(entry.effective_at, zone)}{reason}."
