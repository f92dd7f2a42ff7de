"""Events: the lines of a job's event log."""

from __future__ import annotations

from dataclasses import dataclass

from hms_oms.documents.document import Document, Json, Moment


@dataclass(frozen=True, slots=True)
class Event(Document):
    """One line of a job's event log."""

    at: Moment
    fact: str
    status: str
    step: str
    attempt: int
    who: str | None
    detail: Json | None


@dataclass(frozen=True, slots=True)
class TimedEvent(Event):
    """A line of the timeline, and how many seconds the job stayed so."""

    seconds: float
