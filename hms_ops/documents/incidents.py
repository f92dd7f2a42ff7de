"""Documents of incidents: the incident, its timeline, and the jobs that were late in it."""

from __future__ import annotations

from dataclasses import dataclass

from hms_oms.documents.document import Document, Json, Moment
from hms_oms.documents.messages import Text


@dataclass(frozen=True, slots=True)
class Happening(Document):
    """One line of an incident's history."""

    at: Moment
    kind: str
    who: str | None
    detail: Json | None


@dataclass(frozen=True, slots=True)
class Action(Document):
    """What somebody did to the queue of an incident at that time, as the audit trail has it."""

    at: Moment
    who: str
    action: str
    reason: str | None
    detail: Json | None


@dataclass(frozen=True, slots=True)
class TrendPoint(Document):
    """The queue of an incident at a moment, or the most of it over the step around that; None is a gap."""

    at: Moment
    open: float | None = None
    late: float | None = None
    done_per_minute: float | None = None


@dataclass(frozen=True, slots=True)
class LateJob(Document):
    """A job that was late in an incident: by how many seconds, until its end or so far.

    `name` is the text that its payload has under that name; masked for badges that may not see payloads.
    """

    job: str
    key: str | None
    name: str | None
    status: str
    deadline: Moment
    late_seconds: float


@dataclass(frozen=True, slots=True)
class Incident(Document):
    """One incident: which rule holds for what, and how far it is. `reference` is short, as K7.

    `title` is what its rule is about, `sentence` what is wrong; `stage` is how bad it is, None of what has no
    stages; `advice` is why, who has set that, and what would help.
    """

    id: int
    rule: str
    title: str
    sentence: str
    queue: str | None
    subject: str | None
    state: str
    stage: str | None
    advice: str | None
    reference: str | None
    facts: Json
    worst: float
    late_jobs: int
    active_at: Moment
    opened_at: Moment | None
    acknowledged_at: Moment | None
    acknowledged_by: str | None
    ack_expires_at: Moment | None
    resolved_at: Moment | None
    resolved_by: str | None
    reopened: int
    flapping: bool
    silenced: bool


@dataclass(frozen=True, slots=True)
class IncidentWithTimeline(Incident):
    """One incident with all that happened to it, the first jobs that were late in it, and its last texts."""

    timeline: tuple[Happening, ...]
    actions: tuple[Action, ...]
    trend: tuple[TrendPoint, ...]
    jobs: tuple[str, ...]
    texts: tuple[Text, ...]
