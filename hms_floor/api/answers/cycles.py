"""Cycles: what came in, and what came of it."""

from __future__ import annotations

from hms_floor.api.answers import Answer, Json, Moment


class Refused(Answer):
    """A row that was turned away."""

    line: int
    field: str
    reason: str


class Cycle(Answer):
    """One cycle, as it was accepted; open while `closedAt` is null."""

    batch: int
    type: str
    name: str
    requested_by: str
    accepted: int
    duplicates: int
    refused: int
    created_at: Moment
    closed_at: Moment | None


class AcceptedCycle(Cycle):
    """A cycle that has come in, and the first rows that were refused."""

    refused_rows: list[Refused]


class Cycles(Answer):
    """A page of cycles, newest first."""

    cycles: list[Cycle]
    next: str | None


class Progress(Answer):
    """How the jobs of a cycle stand."""

    now: Moment
    waiting: int
    delayed: int
    queued: int
    running: int
    done: int
    failed: int
    cancelled: int
    late: int
    moved_at: Moment | None


class CycleReport(Cycle):
    """What came of a cycle so far; pairs are the 50th and the 95th percentile, in seconds."""

    progress: Progress
    report: Json
    wait_seconds: tuple[float, float] | None
    total_seconds: tuple[float, float] | None
    sla_minutes_range: tuple[float, float] | None
    outcomes: dict[str, int]
    texts_delivered: int
    finished_at: Moment | None
