"""Response models that only the API has: page envelopes and short answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hms_oms.documents.access import Badge, Entry
from hms_oms.documents.cycles import Cycle, RefusedRow, RepeatedRow
from hms_oms.documents.document import Document, Moment
from hms_oms.documents.jobs import Change, Job, JobType, Peeked
from hms_oms.documents.messages import Text
from hms_oms.documents.queues import Queue, Sla, Worker
from hms_oms.documents.schedules import CalendarEntry, Schedule
from hms_ops.documents.calling import Part, Silence, Threshold
from hms_ops.documents.incidents import Incident, LateJob
from hms_ops.documents.webhooks import Webhook, WebhookDelivery


def next_page(page: Sequence[Any], limit: int, *, by: str = "id") -> str | None:
    """Cursor of the next page; None on the last page."""
    return str(getattr(page[-1], by)) if len(page) == limit else None


@dataclass(frozen=True, slots=True)
class Jobs(Document):
    """A page of jobs, newest first.

    With `more` only the newest ones that have the words of a search were looked at: another word would help.
    With `uncounted` there are more than `total`, which was as far as they were to be counted.
    """

    jobs: tuple[Job, ...]
    next: str | None
    total: int | None
    more: bool = False
    uncounted: bool = False


@dataclass(frozen=True, slots=True)
class Changes(Document):
    """What can still be undone, the newest first."""

    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Recipes(Document):
    """Every job type that may be started."""

    recipes: tuple[JobType, ...]


@dataclass(frozen=True, slots=True)
class Extended(Document):
    """Until when a reservation holds now."""

    reservation_id: str
    lease_until: Moment


@dataclass(frozen=True, slots=True)
class Reported(Document):
    """The status of the job after the report."""

    reservation_id: str
    job_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Queues(Document):
    """All queues, by name."""

    queues: tuple[Queue, ...]


@dataclass(frozen=True, slots=True)
class Peek(Document):
    """The front of a backlog."""

    jobs: tuple[Peeked, ...]


@dataclass(frozen=True, slots=True)
class Webhooks(Document):
    """All webhooks, by name."""

    webhooks: tuple[Webhook, ...]


@dataclass(frozen=True, slots=True)
class WebhookDeliveries(Document):
    """A page of the deliveries of a webhook, newest first."""

    deliveries: tuple[WebhookDelivery, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class SlaHistory(Document):
    """Every SLA that a queue ever had, newest first."""

    history: tuple[Sla, ...]


@dataclass(frozen=True, slots=True)
class Slas(Document):
    """The SLA of every queue, as it stands now."""

    slas: tuple[Sla, ...]


@dataclass(frozen=True, slots=True)
class Workers(Document):
    """The live workers, by name."""

    workers: tuple[Worker, ...]


@dataclass(frozen=True, slots=True)
class Cycles(Document):
    """A page of cycles, newest first."""

    cycles: tuple[Cycle, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Schedules(Document):
    """The schedules, by name."""

    schedules: tuple[Schedule, ...]


@dataclass(frozen=True, slots=True)
class Calendar(Document):
    """Runs that were and runs that are planned, in the order of their times."""

    entries: tuple[CalendarEntry, ...]


@dataclass(frozen=True, slots=True)
class RefusedRows(Document):
    """A page of refused rows, in the order of the file."""

    rows: tuple[RefusedRow, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class RepeatedRows(Document):
    """A page of rows whose key was known, in the order of the file."""

    rows: tuple[RepeatedRow, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Incidents(Document):
    """A page of incidents, newest first."""

    incidents: tuple[Incident, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class LateJobs(Document):
    """A page of late jobs, and how many there are."""

    jobs: tuple[LateJob, ...]
    total: int
    next: str | None


@dataclass(frozen=True, slots=True)
class Texts(Document):
    """The last texts, newest first."""

    texts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Queued(Document):
    """A text that waits to be handed over; `created` is False if its key was known."""

    token: str
    to: str
    created: bool


@dataclass(frozen=True, slots=True)
class Silences(Document):
    """The silences that hold or are to come."""

    silences: tuple[Silence, ...]


@dataclass(frozen=True, slots=True)
class Thresholds(Document):
    """What each rule compares with."""

    thresholds: tuple[Threshold, ...]


@dataclass(frozen=True, slots=True)
class Trail(Document):
    """A page of the audit trail, newest first."""

    entries: tuple[Entry, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Badges(Document):
    """A page of the register, newest first."""

    badges: tuple[Badge, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class HealthPart(Part):
    """One part of the installation: its light (ok, warn, bad, unknown), a sentence, and since when."""

    since: Moment | None


@dataclass(frozen=True, slots=True)
class Health(Document):
    """How the installation stands; `failing` names the parts that people must be called for."""

    status: str
    database: str
    failing: tuple[str, ...]
    parts: tuple[HealthPart, ...]


@dataclass(frozen=True, slots=True)
class Ready(Document):
    """The API may be used."""

    status: str
