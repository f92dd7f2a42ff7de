"""Cycles: what came in, and what came of it."""

from __future__ import annotations

from typing import Any

from hms_floor.api.responses import Answer, Json, Moment


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
    differing: int
    refused: int
    created_at: Moment
    closed_at: Moment | None


class AcceptedCycle(Cycle):
    """A cycle that has come in, and the first rows that were refused."""

    refused_rows: list[Refused]


class Refusals(Answer):
    """How many rows were refused for one reason, and the first lines of them."""

    field: str
    reason: str
    count: int
    lines: list[int]


class RefusedRow(Refused):
    """A row that was refused, as it came."""

    original: str | None


class RefusedRows(Answer):
    """A page of refused rows, in the order of the file."""

    rows: list[RefusedRow]
    next: str | None


class Difference(Answer):
    """What a job has in a field, and what a later row with its key has there."""

    known: Any
    sent: Any


class RepeatedRow(Answer):
    """A row whose key is known, and how it differs; `job` is null if an earlier row has the key."""

    line: int
    job: str | None
    differences: dict[str, Difference]


class RepeatedRows(Answer):
    """A page of rows whose key was known, in the order of the file."""

    rows: list[RepeatedRow]
    next: str | None


class Arrival(Answer):
    """How the new jobs would fare: when all are done, and how many late; `othersLate` because of them."""

    done_at: Moment | None
    late: int
    others_late: int
    on_time_share: float


class Preview(Answer):
    """What starting a file would do; `forecast` is null as long as the pace of the queue is not known.

    `upload` is what the kept file is started by, until `expiresAt`.
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
    refusals: list[Refusals]
    refused_rows: list[RefusedRow]
    differing_rows: list[RepeatedRow]
    now: Moment
    due: Moment
    sla_minutes: float
    forecast: Arrival | None


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


class TextCounts(Answer):
    """Texts by what became of them; `delivered` are those of the `handedOver` of which that is known."""

    written: int
    waiting: int
    handed_over: int
    delivered: int
    failed: int
    withdrawn: int
    last_at: Moment | None


class CycleReport(Cycle):
    """What came of a cycle so far; pairs are the 50th and the 95th percentile, in seconds."""

    progress: Progress
    report: Json
    refusals: list[Refusals]
    wait_seconds: tuple[float, float] | None
    total_seconds: tuple[float, float] | None
    sla_minutes_range: tuple[float, float] | None
    outcomes: dict[str, int]
    texts_by_state: TextCounts
    finished_at: Moment | None
