"""Schedules, their runs, and the calendar of both."""

from __future__ import annotations

from dataclasses import dataclass

from hms_oms.documents.document import Document, Json, Moment


@dataclass(frozen=True, slots=True)
class ScheduleRun(Document):
    """A run: due at `due_at`, or asked for then by `requested_by`; what it has started, or why nothing.

    A `waiting` one waits for a file, which should come by `expected_by`. A `skipped` one was left out because
    work of the run before was open, a `missed` one because nobody was there, or no file came.
    """

    id: int
    schedule: str
    due_at: Moment
    state: str
    requested_by: str | None
    note: str | None
    expected_by: Moment | None
    job: str | None
    cycles: tuple[int, ...]
    ended_at: Moment | None


@dataclass(frozen=True, slots=True)
class ScheduleFields(Document):
    """What the ledger and its readers call by the same names."""

    name: str
    type: str
    cron: str
    timezone: str
    calendar: str | None
    payload: Json | None
    sla_minutes: float | None
    catch_up: str
    catch_up_hours: int
    overlap: str
    missing_after_minutes: int
    in_recipe: bool
    created_by: str
    created_at: Moment
    paused_at: Moment | None
    paused_by: str | None
    pause_reason: str | None


@dataclass(frozen=True, slots=True)
class Schedule(ScheduleFields):
    """A schedule: what it starts, when it is due `next`, and its `last` run.

    `words` says the cron line as a sentence. `source` is shown without the query of a URL, and the payload is
    masked for badges that may not see payloads. A paused one is not due.
    """

    queue: str | None
    words: str
    source: str | None
    next: tuple[Moment, ...]
    last: ScheduleRun | None


@dataclass(frozen=True, slots=True)
class ScheduleWithRuns(Schedule):
    """A schedule with its latest runs, newest first."""

    runs: tuple[ScheduleRun, ...]


@dataclass(frozen=True, slots=True)
class CalendarEntry(Document):
    """A run that was, or with the state `planned` one that is to come."""

    schedule: str
    at: Moment
    state: str
    run: int | None
