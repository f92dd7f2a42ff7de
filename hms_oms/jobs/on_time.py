"""Deadlines met and missed: the one definition, for one job and for many. In SQL it is `oms.kept`.

A job is on time if it is done by its deadline, late if it is done later. A failed job is a miss, whenever it
ended; an open one past its deadline is a miss so far; a cancelled one counts for nothing. On-time shares are
*of those that ended*, or *of those due*, which counts the open misses, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

ON_TIME, LATE, FAILED, OPEN_LATE = "on time", "late", "failed", "open late"


@dataclass(frozen=True, slots=True)
class Counts:
    """Counted jobs: done `on_time`, done `late`, `failed`, and `open_late`."""

    on_time: int = 0
    late: int = 0
    failed: int = 0
    open_late: int = 0

    @property
    def ended(self) -> int:
        """Jobs that ended and were not cancelled."""
        return self.on_time + self.late + self.failed

    @property
    def due(self) -> int:
        """Jobs that ended, or are open past their deadline."""
        return self.ended + self.open_late

    @property
    def missed(self) -> int:
        """Jobs whose deadline was missed."""
        return self.due - self.on_time

    @property
    def share_of_ended(self) -> float | None:
        """The on-time share of those that ended, from 0 to 1; None of nothing."""
        return self.on_time / self.ended if self.ended else None

    @property
    def share_of_due(self) -> float | None:
        """The on-time share of those due, from 0 to 1; None of nothing."""
        return self.on_time / self.due if self.due else None


def counts_of(report: Mapping[str, Any]) -> Counts:
    """Counts of deadlines met and missed from the sums of a cycle's report."""
    return Counts(*(int(report[name]) for name in ("onTime", "late", "failed", "openLate")))


def kept(status: str, ended: datetime | None, deadline: datetime, moment: datetime) -> str | None:
    """Classify a job's deadline at `moment`; None if it is not due yet, or does not count."""
    if status == "cancelled":
        return None
    if status == "failed":
        return FAILED
    if ended is not None:
        return ON_TIME if ended <= deadline else LATE
    return OPEN_LATE if deadline < moment else None


def missed(status: str, ended: datetime | None, deadline: datetime, moment: datetime) -> bool:
    """Whether a job's deadline was missed, or is past while the job is open."""
    return kept(status, ended, deadline, moment) not in (ON_TIME, None)
