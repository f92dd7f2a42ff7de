"""How schedules and runs are told on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from hms_floor.cli.terminal import show, tables
from hms_oms.documents.schedules import Schedule, ScheduleRun, ScheduleWithRuns
from hms_oms.runtime import format

_STYLES = {
    "started": "green",
    "failed": "bold red",
    "missed": "bold yellow",
    "waiting": "cyan",
    "skipped": "dim",
}


def times(schedule: Schedule) -> str:
    """When it is due, in words."""
    days = f", on business days of {schedule.calendar}" if schedule.calendar else ""
    return f"{schedule.words[0].lower()}{schedule.words[1:]}, {schedule.timezone}{days}"


def table(schedules: Sequence[Schedule], now: datetime) -> RenderableType:
    """All of them, one a line."""
    rows = [
        (
            schedule.name,
            schedule.type,
            schedule.cron,
            schedule.timezone,
            _next(schedule, now),
            _state(schedule.last),
            "" if schedule.last is None else show.moment(schedule.last.due_at, now),
            "" if schedule.last is None else _started(schedule.last),
        )
        for schedule in schedules
    ]
    headers = ["schedule", "type", "cron", "time zone", "next", "last", "was due", "started"]
    return tables.table(
        headers, rows, wide=["started"], spare=["time zone", "type", "was due", "cron", "started"]
    )


def detail(schedule: ScheduleWithRuns, now: datetime) -> Iterator[RenderableType]:
    """One of them, with its runs."""
    yield show.heading(schedule.name)
    yield tables.facts(_facts(schedule, now))
    if not schedule.runs:
        yield "No run yet."
        return
    rows = [
        (
            show.moment(run.due_at, now),
            _state(run),
            run.requested_by or "",
            _started(run),
            run.note or "",
        )
        for run in schedule.runs
    ]
    yield tables.table(
        ["due", "state", "asked for by", "started", "note"], rows, wide=["note"], spare=["asked for by"]
    )


def outcome(run: ScheduleRun) -> str:
    """What came of a run that was asked for."""
    match run.state:
        case "started":
            return f"{run.schedule} has started {_started(run)}."
        case "waiting":
            note = f": {run.note}" if run.note else "; is a dispatcher running? `hms check` tells"
            return f"The run of {run.schedule} is asked for and has not begun{note}."
    return f"Nothing was started: {run.note or run.state}."


def _facts(schedule: ScheduleWithRuns, now: datetime) -> Iterator[tuple[str, str | Text]]:
    yield "due", times(schedule)
    yield "type", schedule.type
    if schedule.source is not None:
        yield "files", schedule.source
        missing = format.minutes(schedule.missing_after_minutes)
        yield "missing", f"somebody is called {missing} after it is due"
    else:
        yield "starts", "one job"
    if schedule.sla_minutes is not None:
        yield "SLA", format.minutes(schedule.sla_minutes)
    yield "next", _next(schedule, now)
    for moment in schedule.next[1:]:
        yield "", show.moment(moment, now)
    yield "after an outage", _CATCH_UP[schedule.catch_up].format(hours=schedule.catch_up_hours)
    yield "overlap", _OVERLAP[schedule.overlap]
    yield "added", "stands in a recipe" if schedule.in_recipe else f"by {schedule.created_by}"
    if schedule.paused_at is not None:
        reason = f": {schedule.pause_reason}" if schedule.pause_reason else ""
        yield "paused", f"{show.moment(schedule.paused_at, now)} by {schedule.paused_by}{reason}"


_CATCH_UP = {
    "none": "nothing is made up for",
    "last": "the last run is made up for, within {hours} h",
    "all": "every run is made up for, within {hours} h",
}
_OVERLAP = {
    "start": "a run starts also while work of the run before is open",
    "skip": "a run is skipped while work of the run before is open",
}


def _next(schedule: Schedule, now: datetime) -> str | Text:
    if schedule.paused_at is not None:
        return show.status("paused")
    return show.moment(schedule.next[0], now) if schedule.next else "never"


def _state(run: ScheduleRun | None) -> str | Text:
    return "" if run is None else Text(run.state, style=_STYLES.get(run.state, ""))


def _started(run: ScheduleRun) -> str:
    started = [run.job] if run.job else [f"cycle {number}" for number in run.cycles]
    return ", ".join(started)
