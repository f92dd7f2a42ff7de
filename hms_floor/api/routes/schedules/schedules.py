"""Schedules: add, read, run, pause and remove them; the calendar of their runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from hms_act.schedules import fetching
from hms_floor.api.access import visible
from hms_floor.api.access.guard import Caller, Guarded, Who
from hms_floor.api.app_state import AppState, TheAppState
from hms_floor.api.requests.requests import Moment, Reasoned
from hms_floor.api.requests.schedules import AddSchedule, SchedulePath
from hms_floor.api.responses import Calendar, Schedules
from hms_floor.api.transport.problems import unprocessable
from hms_oms.access import audit
from hms_oms.database import health
from hms_oms.documents.document import camel
from hms_oms.documents.schedules import CalendarEntry, Schedule, ScheduleRun, ScheduleWithRuns
from hms_oms.jobs.tickets import job_name
from hms_oms.recipes import recipes
from hms_oms.recipes.recipes import Recipe
from hms_oms.recipes.schedules import written
from hms_oms.recipes.schedules.written import KEYS, ScheduleSpec
from hms_oms.schedules import records, runs, store
from hms_oms.timetables import timetable

router = APIRouter(route_class=Guarded, tags=["schedules"])

#: So many runs to come are named with a schedule, and so many that were.
NEXT, RUNS = 5, 50
#: The longest time that a calendar is of; the most entries of each schedule to come, and of runs that were.
MOST_DAYS, MOST_PLANNED, MOST_RUNS = 62, 500, 5000


@router.get("/schedules")
def find(app_state: TheAppState, who: Who) -> Schedules:
    """List the schedules, by name."""
    with app_state.reading() as connection:
        now, latest = health.clock(connection), runs.latest(connection)
        every = store.find(connection)
    shown = (_shown(app_state, who, schedule, latest.get(schedule.id), now) for schedule in every)
    return Schedules(tuple(shown))


@router.post("/schedules", status_code=201)
def add(app_state: TheAppState, who: Who, body: AddSchedule) -> Schedule:
    """Add a schedule; its first run is the next that is due."""
    recipe = recipes.find(app_state.recipes, body.job_type)
    spec = ScheduleSpec(**body.model_dump(include=set(KEYS)))
    faults = [(camel(field), reason) for field, reason in _faults(app_state, recipe, spec)]
    if faults:
        raise unprocessable(*faults)
    office = app_state.settings.zone.key
    with app_state.writing() as connection:
        schedule = store.add(connection, recipe.type, spec, office=office, who=who.actor)
        detail = {"type": recipe.type, "cron": schedule.cron, "timezone": schedule.timezone}
        detail |= {"source": written.shown(schedule.source)} if schedule.source else {}
        audit.write(connection, [who.act(schedule.name, status=201, reason=body.reason, detail=detail)])
        return _shown(app_state, who, schedule, None, health.clock(connection))


@router.get("/schedules/{schedule}")
def get(app_state: TheAppState, who: Who, name: SchedulePath) -> ScheduleWithRuns:
    """Everything about one schedule, with its latest runs."""
    with app_state.reading() as connection:
        schedule = store.get(connection, name)
        latest = runs.of_schedule(connection, schedule.id, RUNS)
        now = health.clock(connection)
    shown = _shown(app_state, who, schedule, next(iter(latest), None), now)
    return ScheduleWithRuns.of(shown, runs=tuple(map(_run, latest)))


@router.post("/schedules/{schedule}/run", status_code=202)
def run(app_state: TheAppState, who: Who, name: SchedulePath, body: Reasoned | None = None) -> ScheduleRun:
    """Run a schedule now, also a paused one; the dispatcher does it within seconds."""
    with app_state.writing() as connection:
        asked = runs.request(connection, store.get(connection, name), who.actor)
        _note(connection, who, name, body, status=202)
    return _run(asked)


@router.post("/schedules/{schedule}/skip")
def skip(app_state: TheAppState, who: Who, name: SchedulePath, body: Reasoned | None = None) -> ScheduleRun:
    """Wait no longer for the file of the run that is due: today none comes."""
    with app_state.writing() as connection:
        schedule = store.get(connection, name)
        skipped = runs.skip(connection, schedule, who=who.actor, reason=body.reason if body else None)
        _note(connection, who, name, body)
    return _run(skipped)


@router.post("/schedules/{schedule}/pause")
def pause(app_state: TheAppState, who: Who, name: SchedulePath, body: Reasoned | None = None) -> Schedule:
    """Have nothing of a schedule be due until it is resumed."""
    with app_state.writing() as connection:
        paused = store.pause(connection, name, who=who.actor, reason=body.reason if body else None)
        _note(connection, who, name, body)
        return _shown(app_state, who, paused, _latest(connection, paused), health.clock(connection))


@router.post("/schedules/{schedule}/resume")
def resume(app_state: TheAppState, who: Who, name: SchedulePath, body: Reasoned | None = None) -> Schedule:
    """Go on with a paused schedule, from the next run on; what was due meanwhile is left out."""
    with app_state.writing() as connection:
        resumed = store.resume(connection, name)
        _note(connection, who, name, body)
        return _shown(app_state, who, resumed, _latest(connection, resumed), health.clock(connection))


@router.post("/schedules/{schedule}/remove")
def remove(app_state: TheAppState, who: Who, name: SchedulePath, body: Reasoned | None = None) -> Schedule:
    """Remove a schedule; what it has started goes on."""
    with app_state.writing() as connection:
        removed = store.remove(connection, name, who=who.actor, reason=body.reason if body else None)
        _note(connection, who, name, body)
        return _shown(app_state, who, removed, _latest(connection, removed), health.clock(connection))


@router.get("/calendar")
def calendar(
    app_state: TheAppState,
    since: Annotated[Moment | None, Query(alias="from", description="Today, if not given.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="A week later, if not given.")] = None,
) -> Calendar:
    """List the runs that were and those that are planned, from one moment until before another."""
    with app_state.reading() as connection:
        now = health.clock(connection)
        start = since or now.astimezone(app_state.settings.zone).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        end = until or start + timedelta(days=7)
        if not start < end <= start + timedelta(days=MOST_DAYS):
            raise unprocessable(("to", f"must be after `from`, and at most {MOST_DAYS} days"))
        was = runs.between(connection, start, end, MOST_RUNS)
        every = store.find(connection)
    entries = [CalendarEntry(entry.schedule, entry.due_at, entry.state, entry.id) for entry in was]
    for schedule in every:
        entries += _planned(schedule, max(now, start), end)
    return Calendar(tuple(sorted(entries, key=lambda entry: (entry.at, entry.schedule))))


def _planned(schedule: records.Schedule, since: datetime, until: datetime) -> list[CalendarEntry]:
    if schedule.paused_at is not None:
        return []
    coming = timetable.due_between(schedule.timetable, since, until)
    moments = [moment for _, moment in zip(range(MOST_PLANNED), coming, strict=False)]
    return [CalendarEntry(schedule.name, moment, "planned", None) for moment in moments if moment < until]


def _faults(app_state: AppState, recipe: Recipe, spec: ScheduleSpec) -> Iterator[tuple[str, str]]:
    faults = list(written.faults(spec, recipe.payload, recipe.columns, app_state.settings.zone.key))
    yield from faults
    if spec.source is not None and written.is_url(spec.source) and not faults:
        fault = fetching.host_fault(spec.source, app_state.settings.incoming_hosts)
        if fault is not None:
            yield "source", fault


def _note(
    connection: Connection, who: Caller, name: str, body: Reasoned | None, *, status: int = 200
) -> None:
    audit.write(connection, [who.act(name, status=status, reason=body.reason if body else None)])


def _latest(connection: Connection, schedule: records.Schedule) -> records.Run | None:
    return next(iter(runs.of_schedule(connection, schedule.id, 1)), None)


def _shown(
    app_state: AppState, who: Caller, schedule: records.Schedule, last: records.Run | None, now: datetime
) -> Schedule:
    recipe = app_state.recipes.get(schedule.type)
    coming = [] if schedule.paused_at else timetable.upcoming(schedule.timetable, now, NEXT)
    return Schedule.of(
        schedule,
        queue=None if recipe is None else recipe.queue,
        words=timetable.words(schedule.cron),
        source=None if schedule.source is None else written.shown(schedule.source),
        payload=schedule.payload if who.sees_payloads else visible.hidden(schedule.payload),
        next=tuple(coming),
        last=None if last is None else _run(last),
    )


def _run(run: records.Run) -> ScheduleRun:
    return ScheduleRun.of(run, job=None if run.job_id is None else job_name(run.job_id), cycles=run.batches)
