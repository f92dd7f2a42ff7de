"""Documents of the on-call document, silences, thresholds and health."""

from __future__ import annotations

from dataclasses import dataclass

from hms_oms.documents.document import Document, Json, Moment


@dataclass(frozen=True, slots=True)
class Silence(Document):
    """From `starts_at` until `ends_at` incidents of `rule` in `queue` (None: of any) call nobody.

    `ended_at` is when a person ended it, or called it off, before its time.
    """

    id: int
    rule: str | None
    queue: str | None
    starts_at: Moment
    ends_at: Moment
    reason: str
    set_by: str
    set_at: Moment
    ended_at: Moment | None
    ended_by: str | None

    def covers(self, rule: str, queue: str | None) -> bool:
        """Whether incidents of `rule` in `queue` are meant."""
        return self.rule in (None, rule) and self.queue in (None, queue)


@dataclass(frozen=True, slots=True)
class EscalationStep(Document):
    """A step of the escalation policy: who is called how many minutes after the call began."""

    after_minutes: float
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gap(Document):
    """Hours of the week, by the document's clock, in which nobody stands on these steps (from 1).

    With `nobody` these are all the steps: what goes wrong then reaches nobody until the next shift begins.
    """

    begins: str
    ends: str
    hours: float
    steps: tuple[int, ...]
    nobody: bool


@dataclass(frozen=True, slots=True)
class Span(Document):
    """A stretch of time."""

    since: Moment
    until: Moment


@dataclass(frozen=True, slots=True)
class Turn(Document):
    """A stretch of time in which the same recipients are called first; without `names` nobody is."""

    since: Moment
    until: Moment
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OnCall(Document):
    """The document of who is called in which order, who set it when and why, and who is on call `now`.

    Shifts follow the clock of `zone`. Badges that may not see phones find the last four digits of each.
    `gaps` are those of a plain week; `uncovered` is when nobody is on call in the coming seven days.
    `next` is who is called first after those of now, None if that does not change within a week, and
    `tonight` who is from 18:00 until 06:00. `doubt` says why a text of now would reach
    nobody; None if it may reach somebody.
    """

    document: Json
    set_by: str | None
    set_at: Moment | None
    reason: str | None
    zone: str
    now: tuple[EscalationStep, ...]
    gaps: tuple[Gap, ...]
    uncovered: tuple[Span, ...]
    next: Turn | None
    tonight: tuple[Turn, ...]
    doubt: str | None


@dataclass(frozen=True, slots=True)
class OnCallFeed(Document):
    """The address of the calendar of shifts, below the API's own where HMS_PUBLIC_URL is not set.

    Without an `address` there is none. Anyone who has it may read the shifts until it is revoked.
    """

    address: str | None
    made_by: str | None
    made_at: Moment | None


@dataclass(frozen=True, slots=True)
class Threshold(Document):
    """A parameter of a rule as it stands: for all queues (`queue` None), or for one that has its own value.

    `set_by`, `reason` and `set_at` are None if the default is in force.
    """

    rule: str
    parameter: str
    queue: str | None
    value: float
    default: float
    set_by: str | None = None
    reason: str | None = None
    set_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class Pulse(Document):
    """The last heartbeat of a program that must not fall silent, None if it has sent none."""

    name: str
    at: Moment | None
    age_seconds: float | None
    stale: bool
    detail: Json


@dataclass(frozen=True, slots=True)
class Part(Document):
    """One part of the installation: its light (ok, warn, bad, unknown), and one sentence."""

    name: str
    light: str
    words: str


@dataclass(frozen=True, slots=True)
class Status(Document):
    """Whether people are called: by the watch and the pager, and whether anybody would be reached."""

    ok: bool
    beats: tuple[Pulse, ...]
    parts: tuple[Part, ...]
