"""Documents of cycles: intake, progress and report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from hms_oms.documents.document import Document, Json, Moment, Named


@dataclass(frozen=True, slots=True)
class Refused(Document):
    """A row that made no job: the physical line where it starts, the column to blame, and why."""

    line: int
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class RefusedRow(Refused):
    """A row that was refused, as it came, which may hold personal data."""

    original: str | None


@dataclass(frozen=True, slots=True)
class Refusals(Document):
    """How many rows were refused for one reason, and the first lines of them; no value of any row."""

    field: str
    reason: str
    count: int
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Difference(Document):
    """What a job has in a field, and what a later row with its key has there."""

    known: Any
    sent: Any


@dataclass(frozen=True, slots=True)
class RepeatedRow(Document):
    """A row whose key is known, and how it differs; `job` is None if an earlier row has the key."""

    line: int
    job: str | None
    differences: Mapping[str, Difference]


@dataclass(frozen=True, slots=True)
class Arrival(Document):
    """How the new jobs would fare: when all are done, and how many late; `others_late` because of them."""

    done_at: Moment | None
    late: int
    others_late: int
    on_time_share: float


@dataclass(frozen=True, slots=True)
class CyclePreview(Document):
    """What starting a file would do; `forecast` is None as long as the throughput of the queue is not known.

    `upload` is what the kept file is started by, until `expires_at`; the rows are the first of their kind.
    """

    type: str
    name: str
    upload: str | None
    expires_at: Moment | None
    rows: int
    new: int
    duplicates: int
    differing: int
    replaceable: int
    refused: int
    refusals: tuple[Refusals, ...]
    refused_rows: tuple[RefusedRow, ...]
    differing_rows: tuple[RepeatedRow, ...]
    now: Moment
    due: Moment
    sla_minutes: float
    forecast: Arrival | None


@dataclass(frozen=True, slots=True)
class CycleProgress(Document):
    """How many jobs of a cycle are in which status, at the moment `now` of the ledger's clock.

    `waiting` ones are ready, `delayed` ones may not start yet, `held` ones wait for an answer of the
    applicant; `moved_at` is when anything happened to any.
    """

    now: Moment
    waiting: int
    delayed: int
    queued: int
    running: int
    held: int
    done: int
    failed: int
    cancelled: int
    late: int
    moved_at: Moment | None

    @property
    def open(self) -> int:
        """Jobs that have not ended."""
        return self.waiting + self.delayed + self.queued + self.running + self.held

    @property
    def ended(self) -> int:
        """Jobs that have ended, well or not."""
        return self.done + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class Cycle(Document):
    """One cycle: where its requests came from and what became of them when they came in.

    `differing` of the duplicates have other content than the job that has their key. `closed_at` stays None
    if accepting was cut off: then the rest of the file never came in.
    """

    id: Annotated[int, Named("batch")]
    type: str
    name: str
    requested_by: str
    accepted: int
    duplicates: int
    differing: int
    refused: int
    created_at: Moment
    closed_at: Moment | None


@dataclass(frozen=True, slots=True)
class AcceptedCycle(Cycle):
    """A cycle that has come in, and the first rows that were refused."""

    refused_rows: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class TextCounts(Document):
    """Texts by what became of them; `delivered` are those of the `handed_over` of which that is known.

    `logged` were only written to the handset log, for want of a provider. `waiting` have not left, or nobody
    knows whether they have; `withdrawn` were cancelled or came too late.
    """

    written: int = 0
    waiting: int = 0
    handed_over: int = 0
    delivered: int = 0
    logged: int = 0
    failed: int = 0
    withdrawn: int = 0
    last_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class CycleReport(Cycle):
    """How a cycle stands and what came of it so far; pairs are the 50th and the 95th percentile, in seconds.

    `report` has the sums as `hms cycle report --json` prints them. Waits last until the first step began,
    totals until the end.
    """

    progress: CycleProgress
    report: Json
    refusals: tuple[Refusals, ...]
    wait_seconds: tuple[float, float] | None
    total_seconds: tuple[float, float] | None
    sla_minutes_range: tuple[float, float] | None
    outcomes: Mapping[str, int]
    texts_by_state: TextCounts
    finished_at: Moment | None

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many jobs were rejected for which reason."""
        reasons: Mapping[str, int] = self.report["reasons"]
        return reasons

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
