"""Documents of reports and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from hms_oms.documents.document import Document, Moment

#: A measurement that was not renewed for so long, in seconds, is stale: nobody measures any more.
STALE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Metric(Document):
    """One measured value; `queue` and `subject` (a step or a host) are None if it has none.

    `at` is of when the value is, by the ledger's clock. A `value` of None is "no data", which is not zero;
    `source` is 'events', 'ledger' or 'presence'.
    """

    name: str
    value: float | None
    queue: str | None
    subject: str | None
    at: Moment
    source: str

    def stale(self, now: datetime) -> bool:
        """Whether it is too old at `now`, by the ledger's clock, to be taken for what is."""
        return now - self.at > timedelta(seconds=STALE_SECONDS)


@dataclass(frozen=True, slots=True)
class SlaCounts(Document):
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
class Miss(Document):
    """A job that missed its deadline, and how many seconds of its time went into what."""

    job: str
    type: str
    queue: str
    status: str
    deadline: Moment
    finished_at: Moment | None
    late_seconds: float
    cause: str
    spent: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ForecastRecord(Document):
    """How good the forecasts of a queue were: so many were settled, the first made at `since`.

    `brier` is the mean square of how far the chance to be late was from what came, in close calls; of the
    `latest_ends`, by which jobs were to have ended in 95 of 100 cases, the share `kept` was; `width` is how
    far they were, over the time that it took (in the median). Of the incidents with late jobs so many were
    `announced` before the first one was late, by `warning_seconds` in the median; of the alarms so many
    `came_to_nothing`, some of which somebody had `answered`. None: there was nothing of the kind.
    """

    since: Moment | None = None
    forecasts: int = 0
    close_calls: int = 0
    brier: float | None = None
    latest_ends: int = 0
    kept: float | None = None
    width: float | None = None
    breaches: int = 0
    announced: int = 0
    warning_seconds: float | None = None
    alarms: int = 0
    came_to_nothing: int = 0
    answered: int = 0


@dataclass(frozen=True, slots=True)
class SlaReport(Document):
    """How deadlines were met from `since` until before `until`; days are those of the time zone `zone`.

    `forecasts` are the records of those that were made in this time, by queue; they are kept for 30 days.
    """

    since: Moment
    until: Moment
    zone: str
    whole: SlaCounts
    queues: Mapping[str, SlaCounts]
    days: Mapping[date, SlaCounts]
    worst: tuple[Miss, ...]
    forecasts: Mapping[str, ForecastRecord] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Days(Document):
    """Day by day, oldest first; today is the last."""

    zone: str
    days: Mapping[date, SlaCounts]


@dataclass(frozen=True, slots=True)
class Bucket(Document):
    """How many jobs were late by less than `below` seconds (None: by more), and not in a lower bucket."""

    below: float | None
    jobs: int


@dataclass(frozen=True, slots=True)
class Lateness(Document):
    """How late the misses from `since` until before `until` are."""

    since: Moment
    until: Moment
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class Point(Document):
    """A metric over the step of time that begins at `at`: the mean of its samples, the least and the most."""

    at: Moment
    subject: str | None
    value: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class History(Document):
    """How a metric went from `since` until before `until`; steps without data are missing."""

    name: str
    queue: str | None
    unit: str
    since: Moment
    until: Moment
    step: int
    points: tuple[Point, ...]
