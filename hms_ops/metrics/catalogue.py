"""The catalogue of metrics: what each of them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a metric is. `labels` names what tells its values apart, `subject` what its subject is.

    `kept`: whether there is a history of it.
    """

    unit: str
    meaning: str
    labels: tuple[str, ...] = ("queue",)
    kept: bool = False


#: Every metric there is.
CATALOGUE: Mapping[str, Meaning] = {
    "queue.length": Meaning(
        "jobs",
        "Open jobs: ready (`backlog`), delayed, queued (`window`), running or held",
        ("queue", "state"),
        kept=True,
    ),
    "queue.givenUp": Meaning(
        "jobs",
        "Ready jobs that were given up, because not all can be on time: they are done after the others",
        kept=True,
    ),
    "queue.oldestAge": Meaning("seconds", "How long the oldest ready job has been ready", kept=True),
    "queue.waitTime": Meaning(
        "seconds",
        "Mean of the waits of the jobs begun in the last five minutes and of those still ready or queued",
        kept=True,
    ),
    "queue.waitTime.p50": Meaning("seconds", "Half of those waits and ages are no longer"),
    "queue.waitTime.p95": Meaning("seconds", "95 percent of those waits and ages are no longer", kept=True),
    "queue.waitTime.p99": Meaning("seconds", "99 percent of those waits and ages are no longer"),
    "queue.throughput": Meaning(
        "jobs per second", "Jobs done with the queue, in the last five minutes", kept=True
    ),
    "queue.throughput.now": Meaning(
        "jobs per second", "Jobs done with the queue as of now: weighted by e^(-age / 20 s)"
    ),
    "queue.throughput.minute": Meaning(
        "jobs per second", "Jobs done with the queue in the last whole minute, counted", kept=True
    ),
    "queue.done": Meaning("jobs", "Jobs done with the queue since the watch began to look"),
    "step.time": Meaning(
        "seconds",
        "Mean time of a step from claim to report, in the last five minutes",
        ("queue", "step"),
        kept=True,
    ),
    "step.time.p50": Meaning("seconds", "Half of those times are no longer", ("queue", "step")),
    "step.time.p95": Meaning("seconds", "95 percent of those times are no longer", ("queue", "step")),
    "worker.successRate": Meaning(
        "share",
        "Finished steps among the finished, failed and lost ones, in the last five minutes",
        kept=True,
    ),
    "worker.online": Meaning("workers", "Live workers of the queue", kept=True),
    "floor.workers": Meaning("workers", "Live workers of all queues, each counted once", (), kept=True),
    "cpu.percent": Meaning(
        "percent", "Load of all cores of a machine with live workers", ("host",), kept=True
    ),
    "memory.bytes": Meaning("bytes", "Memory of the live workers of a machine", ("host",), kept=True),
    "sla.breached": Meaning("jobs", "Open jobs past their deadline", kept=True),
    "sla.atRisk": Meaning("jobs", "Open jobs that will miss their deadline if nothing changes", kept=True),
    "sla.onTimeToday": Meaning(
        "share", "On-time share of those that ended on the office's day: done by the deadline", kept=True
    ),
    "sla.onTimeDueToday": Meaning(
        "share", "On-time share of those due: ended on the office's day, or open past the deadline", kept=True
    ),
    "sla.missedToday": Meaning(
        "jobs", "Jobs that ended late or failed on the office's day, or are open past the deadline"
    ),
    "forecast.doneIn": Meaning("seconds", "Time until the last open job is done, at the present throughput"),
    "forecast.lateIn": Meaning("seconds", "Time until the first deadline that will be missed"),
    "forecast.dueIn": Meaning("seconds", "Time until the deadline that asks for the most"),
    "forecast.rate": Meaning(
        "jobs per second", "What the live workers get done while the queue has work, within its limits"
    ),
    "forecast.slotRate": Meaning("jobs per second", "What one slot gets done while it has work"),
    "forecast.slotsNeeded": Meaning("slots", "Live slots that would meet every deadline that can be met"),
    "forecast.limitNeeded": Meaning(
        "starts a minute", "The limit of starts that would meet every deadline that can be met"
    ),
    "forecast.settled": Meaning(
        "forecasts", "Forecasts of the last 30 days that were settled, each the end of one job"
    ),
    "forecast.brier": Meaning(
        "score", "Brier score of close calls in 30 days: 0 is a certain truth, 0.25 the toss of a coin"
    ),
    "forecast.latestKept": Meaning(
        "share", "Jobs of 30 days that ended by their latest end, of which 95 of 100 are to"
    ),
    "forecast.warning": Meaning(
        "seconds", "Median time from the announcement of late jobs to the first of them, in 30 days"
    ),
    "forecast.cameToNothing": Meaning(
        "share", "Announcements of late jobs in 30 days after which none was late"
    ),
    "queue.slotsToHave": Meaning(
        "slots",
        "Slots that an autoscaler should provide: with a value at any time, and time to come up",
        kept=True,
    ),
    "ops.events": Meaning("events per second", "Worker events heard lately", ()),
    "ops.eventLag": Meaning("seconds", "Longest time lately from a step's change to its being seen", ()),
    "ops.dropped": Meaning("tickets", "Heard tickets left to the sweep since the start: too many", ()),
    "ops.malformed": Meaning("events", "Events since the start that made no sense", ()),
}


def names_kept() -> Sequence[str]:
    """The metrics of which there is a history."""
    return [name for name, meaning in CATALOGUE.items() if meaning.kept]
