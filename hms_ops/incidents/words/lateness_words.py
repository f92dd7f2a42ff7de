"""Wording of jobs that are late or will be, with what stands in the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from hms_oms.runtime.format import about
from hms_ops.forecast import advice, order_words
from hms_ops.forecast.cause import read

Facts = Mapping[str, Any]
Clock = Callable[[str | datetime], str]


def late(facts: Facts, at: Clock) -> str:
    """How many jobs are late, since when."""
    jobs = f"{_jobs(facts['late_jobs'])} late since {at(facts['late_since'])}"
    oldest = f", oldest {about(facts['value'])}" if facts["value"] >= 1 else ""
    return f"{jobs}{oldest}{_cause(facts)}"


def will_be(facts: Facts, at: Clock) -> str:
    """How many jobs will be late, from when on, and how likely that is."""
    first = f" from {at(facts['first_late'])}" if facts["first_late"] else ""
    given_up = order_words.in_brief(facts, at)
    return f"{_jobs(facts['late_jobs'])} will be late{first}{_chance(facts, at)}{given_up}{_cause(facts)}"


def _chance(facts: Facts, at: Clock) -> str:
    if "chance" not in facts:
        # Facts that were written by the release before.
        return ""
    if facts["chance"] is None:
        return " (by throughput alone)"
    # No chance of something to come is a whole one.
    percent = min(99, int(100 * facts["chance"]))
    return f" ({percent} % likely at {at(facts['riskiest'])})"


def _cause(facts: Facts) -> str:
    # Facts that were written by the release before have no cause.
    cause = read(facts.get("cause"))
    return f"; {advice.brief(cause)}" if cause else "; the queue is paused" if facts.get("paused") else ""


def _jobs(number: int) -> str:
    return f"{number:,} {'job' if number == 1 else 'jobs'}"
