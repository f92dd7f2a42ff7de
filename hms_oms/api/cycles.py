"""What the API answers about cycles: what came in, how it stands, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from hms_oms.api.codec import Named
from hms_oms.jobs.on_time import Counts


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row of a file that made no job: the physical line where it starts, the column to blame, and why."""

    line: int
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class RefusedInFull(RefusedRow):
    """A refused row as it came, which may hold personal data."""

    original: str | None


@dataclass(frozen=True, slots=True)
class Refusals:
    """How many rows were refused for one reason, and the first lines of them."""

    field: str
    reason: str
    count: int
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a job has in a field, and what a later row with its key has there."""

    known: Any
    sent: Any


@dataclass(frozen=True, slots=True)
class RepeatedRow:
    """A row whose key is known, and how it differs; `job` is None if an earlier row has the key."""

    line: int
    job: str | None
    differences: Mapping[str, Difference]


@dataclass(frozen=True, slots=True)
class Arrival:
    """How new jobs would fare: when all are done, and how many late; `others_late` because of them."""

    done_at: datetime | None
    late: int
    others_late: int
    on_time_share: float


@dataclass(frozen=True, slots=True)
class CyclePreview:
    """What starting a file would do; `forecast` is None as long as the pace of the queue is not known.

    `upload` is what the kept file is started by, until `expires_at`; the rows are the first of their kind.
    """

    type: str
    name: str
    upload: str | None
    expires_at: datetime | None
    rows: int
    new: int
    duplicates: int
    differing: int
    replaceable: int
    refused: int
    refusals: tuple[Refusals, ...]
    refused_rows: tuple[RefusedInFull, ...]
    differing_rows: tuple[RepeatedRow, ...]
    now: datetime
    due: datetime
    sla_minutes: float
    forecast: Arrival | None


@dataclass(frozen=True, slots=True)
class CycleProgress:
    """How many jobs of a cycle are in which status, at the moment `now` of the ledger's clock."""

    now: datetime
    waiting: int
    delayed: int
    queued: int
    running: int
    done: int
    failed: int
    cancelled: int
    late: int
    moved_at: datetime | None

    @property
    def open(self) -> int:
        """Jobs that have not ended."""
        return self.waiting + self.queued + self.running

    @property
    def ended(self) -> int:
        """Jobs that have ended, well or not."""
        return self.done + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle as it came in; `closed_at` is None where its file was not read to the end."""

    id: Annotated[int, Named("batch")]
    type: str
    name: str
    requested_by: str
    accepted: int
    duplicates: int
    differing: int
    refused: int
    created_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class CycleBegun(Cycle):
    """A cycle whose file has just come in, and the first of the rows that were refused."""

    refused_rows: tuple[RefusedRow, ...]


@dataclass(frozen=True, slots=True)
class TextCounts:
    """Texts by what became of them; `delivered` are those of the `handed_over` of which that is known."""

    written: int
    waiting: int
    handed_over: int
    delivered: int
    failed: int
    withdrawn: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class CycleReport(Cycle):
    """How a cycle stands and what came of it so far.

    `report` has the sums as `hms cycle report --json` prints them. Waits (until the first step began) and
    totals (until the end) are in seconds, at the 50th and the 95th percentile.
    """

    progress: CycleProgress
    report: Mapping[str, Any]
    refusals: tuple[Refusals, ...]
    outcomes: Mapping[str, int]
    wait_seconds: tuple[float, float] | None
    total_seconds: tuple[float, float] | None
    sla_minutes_range: tuple[float, float] | None
    texts_by_state: TextCounts
    finished_at: datetime | None

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many jobs were rejected for which reason."""
        found: Mapping[str, int] = self.report["reasons"]
        return found

    @property
    def promises(self) -> Counts:
        """How the deadlines of the jobs were kept so far."""
        names = ("onTime", "late", "failed", "openLate")
        return Counts(*(int(self.report[name]) for name in names))

    @property
    def texts(self) -> int:
        """Texts that the jobs have asked for."""
        return int(self.report["texts"])

    @property
    def elapsed(self) -> timedelta:
        """From the start of accepting until the last job ended, or until now while some are open."""
        return timedelta(seconds=self.report["seconds"])

    @property
    def jobs_per_second(self) -> float:
        """Ended jobs per second of the whole cycle."""
        return float(self.report["jobsPerSecond"])

    @property
    def lost(self) -> int:
        """Accepted jobs that the ledger does not have; anything but 0 is a fault of this product."""
        return int(self.report.get("lost", 0))
