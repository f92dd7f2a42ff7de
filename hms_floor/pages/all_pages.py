"""Every page: each registers itself when its module is imported."""

from __future__ import annotations

from hms_floor.pages import audit, floor, people, workers
from hms_floor.pages.cycles import cycles
from hms_floor.pages.incidents import incidents, oncall, oncall_form
from hms_floor.pages.jobs import job, jobs
from hms_floor.pages.queues import queue, simulation, sla
from hms_floor.pages.schedules import schedules
from hms_floor.pages.wall import wall

PAGES = (
    audit,
    cycles,
    floor,
    incidents,
    job,
    jobs,
    oncall,
    oncall_form,
    people,
    queue,
    schedules,
    simulation,
    sla,
    wall,
    workers,
)
