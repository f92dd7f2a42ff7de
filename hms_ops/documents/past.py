"""Documents of the past of a queue."""

from __future__ import annotations

from dataclasses import dataclass

from hms_oms.documents.document import Document, Moment


@dataclass(frozen=True, slots=True)
class PastPoint(Document):
    """A queue over the step of time that begins at `at`: means, and the least and the most of its minutes.

    Waits are in seconds; `done_per_minute` jobs were done a minute. None was not measured. Points that are
    less than a minute apart are moments: they have no least and no most.
    """

    at: Moment
    open: float | None
    open_least: float | None
    open_most: float | None
    running: float | None
    late: float | None
    wait: float | None
    wait_most: float | None
    wait_p95: float | None
    done_per_minute: float | None
    done_per_minute_least: float | None
    done_per_minute_most: float | None


@dataclass(frozen=True, slots=True)
class Mark(Document):
    """What somebody did to a queue, or what happened to it: `kind` is limit, pause, resume, sla, policy,
    calendar, undo, incident or over.

    `words` say what, `reason` why; `incident` is the reference of an incident.
    """

    at: Moment
    kind: str
    who: str | None
    words: str
    reason: str | None
    incident: str | None = None


@dataclass(frozen=True, slots=True)
class QueueHistory(Document):
    """A queue from `since` until before `until`, in steps of `step` seconds; those without data are missing.

    `behind` is the same length of time a day or a week before, with its times moved on to those of `points`.
    """

    queue: str
    since: Moment
    until: Moment
    step: int
    points: tuple[PastPoint, ...]
    marks: tuple[Mark, ...]
    behind: tuple[PastPoint, ...]
