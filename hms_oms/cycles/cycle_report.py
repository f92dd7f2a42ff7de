"""Reports of cycles, kept once retention removes their jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from hms_oms.documents.cycles import Cycle, CycleProgress, TextCounts
from hms_oms.jobs.on_time import Counts


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a cycle.

    `wait` is from acceptance to the first step's start, `total` from acceptance to the end, both at the
    50th and the 95th percentile; None where no job is that far.
    """

    batch: Cycle
    progress: CycleProgress
    outcomes: Mapping[str, int]
    reasons: Mapping[str, int]
    deadlines: Counts
    texts: TextCounts
    sla_minutes: tuple[float, float] | None
    wait: tuple[timedelta, timedelta] | None
    total: tuple[timedelta, timedelta] | None
    finished_at: datetime | None

    @property
    def elapsed(self) -> timedelta:
        """From the start of accepting until the last job ended, or until now while some are open."""
        if self.progress.open:
            return self.progress.now - self.batch.created_at
        ends = [moment for moment in (self.batch.closed_at, self.finished_at) if moment]
        return max(ends, default=self.batch.created_at) - self.batch.created_at

    @property
    def jobs_per_second(self) -> float:
        """Ended jobs per second of the whole cycle."""
        seconds = self.elapsed.total_seconds()
        return self.progress.ended / seconds if seconds > 0 else 0.0

    @property
    def lost(self) -> int:
        """Accepted jobs that the ledger does not have; anything but 0 is a fault of this product."""
        return max(0, self.batch.accepted - self.progress.open - self.progress.ended)


def document(report: Report) -> dict[str, Any]:
    """A report without its cycle, as JSON."""
    return {
        "progress": _plain(asdict(report.progress)),
        "outcomes": dict(report.outcomes),
        "reasons": dict(report.reasons),
        "deadlines": asdict(report.deadlines),
        "texts": _plain(asdict(report.texts)),
        "sla_minutes": report.sla_minutes,
        "wait": _seconds(report.wait),
        "total": _seconds(report.total),
        "finished_at": _written(report.finished_at),
    }


def read(cycle: Cycle, kept: Mapping[str, Any]) -> Report:
    """The inverse of `document`."""
    return Report(
        batch=cycle,
        progress=CycleProgress(**_with_times(kept["progress"], "now", "moved_at")),
        outcomes=kept["outcomes"],
        reasons=kept["reasons"],
        deadlines=Counts(**kept["deadlines"]),
        texts=TextCounts(**_with_times(kept["texts"], "last_at")),
        sla_minutes=None if kept["sla_minutes"] is None else tuple(kept["sla_minutes"]),
        wait=_spans(kept["wait"]),
        total=_spans(kept["total"]),
        finished_at=_time(kept["finished_at"]),
    )


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _written(value) for name, value in values.items()}


def _written(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _with_times(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: _time(value) if name in names else value for name, value in values.items()}


def _time(written: str | None) -> datetime | None:
    return None if written is None else datetime.fromisoformat(written)


def _seconds(spans: tuple[timedelta, timedelta] | None) -> list[float] | None:
    return None if spans is None else [span.total_seconds() for span in spans]


def _spans(seconds: list[float] | None) -> tuple[timedelta, timedelta] | None:
    return None if seconds is None else (timedelta(seconds=seconds[0]), timedelta(seconds=seconds[1]))
