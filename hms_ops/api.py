"""What the API answers about measurements, incidents and who is called: frozen records, times in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

#: A measurement that was not renewed for so long, in seconds, is stale: nobody measures any more.
STALE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Metric:
    """One measurement; `queue` and `subject` (a step or a host) are None where it has none.

    A `value` of None is "no data", which is not zero; `source` is 'events', 'ledger' or 'presence'.
    """

    name: str
    value: float | None
    queue: str | None
    at: datetime
    source: str
    subject: str | None = None

    def stale(self, now: datetime) -> bool:
        """Whether it is too old at `now`, by the ledger's clock, to be taken for what is."""
        return now - self.at > timedelta(seconds=STALE_SECONDS)


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of an incident's history."""

    at: datetime
    kind: str
    who: str | None
    detail: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody did to the queue of an incident at that time, as the audit trail has it."""

    at: datetime
    who: str
    action: str
    reason: str | None
    detail: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """The queue of an incident at a moment, or the most of it over the step around that; None is a gap."""

    at: datetime
    open: float | None
    late: float | None
    done_per_minute: float | None


@dataclass(frozen=True, slots=True)
class LateJob:
    """A job that was late in an incident: by how many seconds, until its end or so far.

    `name` is the text that its payload has under that name, for those who may see it.
    """

    job: str
    key: str | None
    name: str | None
    status: str
    deadline: datetime
    late_seconds: float


@dataclass(frozen=True, slots=True)
class Incident:
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
    facts: Mapping[str, Any]
    worst: float
    late_jobs: int
    active_at: datetime
    opened_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    ack_expires_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    reopened: int
    flapping: bool
    silenced: bool


@dataclass(frozen=True, slots=True)
class Text:
    """A text and what became of it: its state, or its `fate` where it was merged into another one.

    Badges that may not see payloads find phones, and what applicants were told, masked.
    """

    id: int
    kind: str
    page: bool
    incident: int | None
    job: str | None
    reference: str | None
    to: str
    body: str
    state: str
    fate: str
    merged_into: int | None
    attempts: int
    resend: bool
    sid: str | None
    fault: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class IncidentInFull(Incident):
    """One incident with all that happened to it, the first jobs that were late in it, and its last texts."""

    timeline: tuple[Happening, ...]
    actions: tuple[Action, ...]
    trend: tuple[TrendPoint, ...]
    jobs: tuple[str, ...]
    texts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Silence:
    """From `starts_at` until `ends_at` incidents of `rule` in `queue` (None: of any) call nobody.

    `ended_at` is when a person ended it, or called it off, before its time.
    """

    id: int
    rule: str | None
    queue: str | None
    starts_at: datetime
    ends_at: datetime
    reason: str
    set_by: str
    set_at: datetime
    ended_at: datetime | None
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class Rung:
    """A step of the escalation policy: who is called how many minutes after the call began."""

    after_minutes: float
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """Hours of the week, by the document's clock, in which nobody stands on these steps (from 1).

    With `nobody` these are all the steps: what goes wrong then reaches nobody until the next shift begins.
    """

    begins: str
    ends: str
    hours: float
    steps: tuple[int, ...]
    nobody: bool


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class OnCall:
    """The document of who is called in which order, who set it when and why, and who is on call `now`.

    Shifts follow the clock of `zone`. Badges that may not see phones find the last four digits of each.
    `gaps` are those of a plain week; `uncovered` is when nobody is on call in the coming seven days. `doubt`
    says why a text of now would reach nobody; None if it may reach somebody.
    """

    document: Mapping[str, Any]
    set_by: str | None
    set_at: datetime | None
    reason: str | None
    zone: str
    now: tuple[Rung, ...]
    gaps: tuple[Gap, ...]
    uncovered: tuple[Span, ...]
    doubt: str | None


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a rule compares with, for one queue or for all (None): the value in force, and the default."""

    rule: str
    parameter: str
    queue: str | None
    value: float
    default: float
    set_by: str | None
    reason: str | None
    set_at: datetime | None


@dataclass(frozen=True, slots=True)
class Pulse:
    """The last beat of a program that must not fall silent."""

    name: str
    at: datetime | None
    age_seconds: float | None
    stale: bool
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the installation: its light (ok, warn, bad, unknown), and one sentence."""

    name: str
    light: str
    words: str


@dataclass(frozen=True, slots=True)
class Status:
    """Whether people are called: by the watch and the pager, and whether anybody would be reached."""

    ok: bool
    beats: tuple[Pulse, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """Counted jobs; the on-time shares go from 0 to 1, None of no job.

    `lateness` is the 50th and the 95th percentile in seconds, None where no job was late.
    """

    on_time: int
    late: int
    failed: int
    open_late: int
    ended: int
    missed: int
    share_of_ended: float | None
    share_of_due: float | None
    lateness: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Miss:
    """A job that missed its deadline, and how many seconds of its time went into what."""

    job: str
    type: str
    queue: str
    status: str
    deadline: datetime
    finished_at: datetime | None
    late_seconds: float
    cause: str
    spent: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SlaReport:
    """How promises were kept from `since` until before `until`; days are those of the time zone `zone`."""

    since: datetime
    until: datetime
    zone: str
    whole: Tally
    queues: Mapping[str, Tally]
    days: Mapping[date, Tally]
    worst: tuple[Miss, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """A metric over the step of time that begins at `at`: the mean of its samples, the least and the most."""

    at: datetime
    subject: str | None
    value: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class History:
    """How a metric went, by steps of `step` seconds; those without data are missing."""

    name: str
    queue: str | None
    unit: str
    since: datetime
    until: datetime
    step: int
    points: tuple[Point, ...]
