"""Phrases of sentences about a job: who did something to it and when, and for how long it has been so."""

from __future__ import annotations

from datetime import datetime

from hms_oms.jobs.records import Event
from hms_oms.runtime import format


def by(line: Event, did: str, now: datetime) -> str:
    """Who did what a line of the event log tells, when and why."""
    why = (line.detail or {}).get("reason")
    return f"{line.who or 'somebody'} {did} {format.relative(line.at, now)}{f' ({why})' if why else ''}"


def lasting(since: datetime, now: datetime) -> str:
    """For how long something has been so."""
    return f"for {format.about(max(now, since) - since)}"
