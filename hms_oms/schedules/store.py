"""The schedules; the writer of oms.schedules."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from hms_oms.database import health, statements
from hms_oms.recipes.recipes import Recipe
from hms_oms.recipes.schedules.written import ScheduleSpec
from hms_oms.schedules.records import InRecipe, Schedule, ScheduleExists, UnknownSchedule
from hms_oms.timetables import timetable
from hms_oms.timetables.timetable import Timetable

#: Who has made a schedule that stands in a recipe, and removes it when it stands there no more.
RECIPE = "recipe"


def add(connection: Connection, job_type: str, spec: ScheduleSpec, *, office: str, who: str) -> Schedule:
    """Add a schedule that is without faults; its first run is the next that is due. Raises ScheduleExists."""
    row = _insert(connection, job_type, spec, office, who, in_recipe=False)
    if row is None:
        raise ScheduleExists(spec.name)
    return row


def keep_recipes(connection: Connection, recipes: Iterable[Recipe], office: str) -> None:
    """Have the schedules be those of the recipes: new ones begin, changed ones go on, others are removed.

    One that was added by hand under the name of a recipe's becomes the recipe's. A pause stays.
    """
    written = [(recipe.type, spec) for recipe in recipes for spec in recipe.schedules]
    names = [spec.name for _, spec in written]
    connection.execute(text(_REMOVE_OTHERS), {"names": names, "who": RECIPE})
    for job_type, spec in written:
        if _insert(connection, job_type, spec, office, RECIPE, in_recipe=True) is None:
            _change(connection, job_type, spec, office)


def get(connection: Connection, name: str, *, lock: bool = False) -> Schedule:
    """One schedule. Raises UnknownSchedule."""
    if lock:
        rows = statements.run(connection, "lock_schedule", {"name": name})
    else:
        query = text(f"{_SELECT} where removed_at is null and name = :name")
        rows = connection.execute(query, {"name": name}).mappings().all()
    if not rows:
        raise UnknownSchedule(name)
    return Schedule.of_row(rows[0])


def find(connection: Connection) -> list[Schedule]:
    """All schedules, by name."""
    rows = connection.execute(text(f"{_SELECT} where removed_at is null order by name"))
    return [Schedule.of_row(row) for row in rows.mappings()]


def due(connection: Connection) -> Sequence[str]:
    """The names of the schedules of which something is due, the longest due first."""
    return connection.scalars(text(_DUE)).all()


def take_due(connection: Connection, name: str) -> Schedule | None:
    """Take a schedule for what is due of it; None if somebody else has it, or was first."""
    rows = statements.run(connection, "take_due_schedule", {"name": name})
    return Schedule.of_row(rows[0]) if rows else None


def advance(connection: Connection, schedule: Schedule, now: datetime) -> None:
    """Note that the runs that were due by `now` have their rows."""
    connection.execute(
        text("update oms.schedules set next_at = :next_at where id = :id"),
        {"id": schedule.id, "next_at": next(timetable.next_runs(schedule.timetable, now), None)},
    )


def pause(connection: Connection, name: str, *, who: str, reason: str | None) -> Schedule:
    """Have nothing be due until it goes on; one that is paused stays so. Raises UnknownSchedule."""
    get(connection, name, lock=True)
    connection.execute(text(_PAUSE), {"name": name, "who": who, "reason": reason})
    return get(connection, name)


def resume(connection: Connection, name: str) -> Schedule:
    """Go on with the next run that is due from now on: what was due meanwhile is left out.

    Raises UnknownSchedule.
    """
    schedule = get(connection, name, lock=True)
    if schedule.paused_at is not None:
        connection.execute(text(_RESUME), {"name": name})
        advance(connection, schedule, health.clock(connection))
    return get(connection, name)


def remove(connection: Connection, name: str, *, who: str, reason: str | None) -> Schedule:
    """Remove a schedule; its runs stay. Raises UnknownSchedule, or InRecipe for one of a recipe."""
    schedule = get(connection, name, lock=True)
    if schedule.in_recipe:
        raise InRecipe(name, schedule.type)
    connection.execute(text(_REMOVE), {"id": schedule.id, "who": who, "reason": reason})
    return schedule


def _insert(
    connection: Connection, job_type: str, spec: ScheduleSpec, office: str, who: str, *, in_recipe: bool
) -> Schedule | None:
    values = _values(connection, job_type, spec, office) | {"who": who, "in_recipe": in_recipe}
    row = connection.execute(text(_INSERT), values).mappings().one_or_none()
    return None if row is None else Schedule.of_row(row)


def _change(connection: Connection, job_type: str, spec: ScheduleSpec, office: str) -> None:
    """Have a schedule be as its recipe says; what is due of it stays due unless its times are others."""
    known = get(connection, spec.name, lock=True)
    values = _values(connection, job_type, spec, office)
    if known.timetable == Timetable(spec.cron, values["timezone"], spec.calendar):
        values["next_at"] = known.next_at
    connection.execute(text(_CHANGE), values)


def _values(connection: Connection, job_type: str, spec: ScheduleSpec, office: str) -> dict[str, Any]:
    table = Timetable(spec.cron, spec.timezone or office, spec.calendar)
    return asdict(spec) | {
        "type": job_type,
        "timezone": table.timezone,
        "payload": None if spec.payload is None else json.dumps(spec.payload),
        "next_at": next(timetable.next_runs(table, health.clock(connection)), None),
    }


_SELECT = "select * from oms.schedules"

_DUE = """
select name from oms.schedules
where next_at <= oms.now() and paused_at is null and removed_at is null
order by next_at
"""

_INSERT = """
insert into oms.schedules (
    name, type, cron, timezone, calendar, payload, source, sla_minutes, catch_up, catch_up_hours, overlap,
    missing_after_minutes, in_recipe, created_by, next_at
)
values (
    :name, :type, :cron, :timezone, :calendar, :payload, :source, :sla_minutes, :catch_up, :catch_up_hours,
    :overlap, :missing_after_minutes, :in_recipe, :who, :next_at
)
on conflict (name) where removed_at is null do nothing
returning *
"""

_CHANGE = """
update oms.schedules set
    type = :type, cron = :cron, timezone = :timezone, calendar = :calendar, payload = :payload,
    source = :source, sla_minutes = :sla_minutes, catch_up = :catch_up, catch_up_hours = :catch_up_hours,
    overlap = :overlap, missing_after_minutes = :missing_after_minutes, in_recipe = true, next_at = :next_at
where name = :name and removed_at is null
"""

_PAUSE = """
update oms.schedules set paused_at = oms.now(), paused_by = :who, pause_reason = :reason
where name = :name and removed_at is null and paused_at is null
"""

_RESUME = """
update oms.schedules set paused_at = null, paused_by = null, pause_reason = null
where name = :name and removed_at is null
"""

_REMOVE = """
update oms.schedules set removed_at = oms.now(), removed_by = :who, remove_reason = :reason where id = :id
"""

_REMOVE_OTHERS = """
update oms.schedules set removed_at = oms.now(), removed_by = :who
where in_recipe and removed_at is null and name <> all(cast(:names as text[]))
"""
