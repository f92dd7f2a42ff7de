"""Schedules: what starts by itself, when, and what came of it; the calendar of a week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui
from starlette.requests import Request

from hms_floor.auth.tokens import Role
from hms_floor.pages.frame import frame
from hms_floor.pages.parts import format as words
from hms_floor.pages.parts import html
from hms_floor.pages.parts.freshness import keep
from hms_floor.pages.parts.html import Link, Mark, link
from hms_floor.pages.parts.live_section import Facts
from hms_floor.pages.route import page
from hms_floor.pages.schedules.calendar import Week, monday_of
from hms_floor.pages.schedules.schedule_actions import Buttons

#: How often they are looked at, in seconds.
LOOK_SECONDS = 2.0
NOTHING = (
    "Nothing starts by itself. `hms schedule add` has a job or the daily cycle start at its time,"
    " and so has [[schedule]] in a recipe."
)
#: The look of a run by its state; a state is a word, too.
LOOKS = {
    "started": "status done",
    "failed": "status failed",
    "missed": "status failed",
    "waiting": "status running",
    "skipped": "status",
}
CATCH_UP = {
    "none": "nothing is made up for",
    "last": "the last run is made up for, within {hours} h",
    "all": "every run is made up for, within {hours} h",
}
OVERLAP = {
    "start": "starts also while work of the run before is open",
    "skip": "is skipped while work of the run before is open",
}


@page("/schedules", "GET /schedules")
async def schedules(request: Request) -> None:
    """The page of all schedules, and of one week."""
    with frame(request, "Schedules") as visitor:
        with ui.element("section").classes("card"):
            with ui.element("h1"):
                ui.label("Schedules")
            table = html.Table(
                ("Schedule", "Starts", "When", "Next", "Last run", "State", "Started"),
                wide=("When", "Started"),
                caption="Schedules, by name",
                empty=NOTHING,
            )
        first = monday_of(request.query_params.get("week"), visitor.zone)
        week = Week(first, visitor.zone)

    async def refresh() -> None:
        listed = (await visitor.ask.get("/schedules"))["schedules"]
        table.show([_listed(schedule) for schedule in listed])
        await week.refresh(visitor.ask)

    await keep(refresh, LOOK_SECONDS)


@page("/schedules/{name}", "GET /schedules/{schedule}")
async def schedule(request: Request, name: str) -> None:
    """The page of one schedule: its rules and its runs, and what can be done to it."""
    with frame(request, name) as visitor:
        known = await visitor.ask.get(f"/schedules/{name}")
        with ui.element("section").classes("card"):
            with ui.element("div").classes("spread"):
                with ui.element("h1"):
                    ui.label(f"Schedule {name}")
                link("All schedules", "/floor/schedules")
            facts = Facts("columns")
            buttons = None
            if visitor.may(Role.OPERATOR, Role.MANAGER):
                buttons = Buttons(name, visitor, in_recipe=known["inRecipe"])
        with ui.element("section").classes("card"):
            with ui.element("h2"):
                ui.label("Runs")
            table = html.Table(
                ("Due", "State", "Asked for by", "Started", "Why"),
                wide=("Why",),
                caption="The latest runs, newest first",
                empty="No run yet.",
            )

    async def refresh() -> None:
        now = await visitor.ask.get(f"/schedules/{name}")
        facts.show(_facts(now), late="Paused")
        if buttons is not None:
            buttons.show(now)
        table.show([_run(run) for run in now["runs"]])

    await keep(refresh, LOOK_SECONDS)


def _listed(schedule: Mapping[str, Any]) -> tuple[html.Cell, ...]:
    last = schedule["last"]
    return (
        Link(schedule["name"], f"/floor/schedules/{schedule['name']}"),
        schedule["type"],
        _when(schedule),
        _next(schedule),
        words.short(last["dueAt"]) if last else "",
        _state(last) if last else "",
        _started(last) if last else "",
    )


def _when(schedule: Mapping[str, Any]) -> str:
    days = f", business days of {schedule['calendar']}" if schedule["calendar"] else ""
    return f"{schedule['words']}, {schedule['timezone']}{days}"


def _next(schedule: Mapping[str, Any]) -> html.Cell:
    if schedule["pausedAt"]:
        return Mark("paused", "status")
    return words.short(schedule["next"][0]) if schedule["next"] else "never"


def _state(run: Mapping[str, Any]) -> html.Cell:
    return Mark(run["state"], LOOKS[run["state"]])


def _started(run: Mapping[str, Any]) -> html.Cell:
    """What a run has started: one thing as a link."""
    if run["job"]:
        return Link(run["job"], f"/floor/jobs/{run['job']}")
    if len(run["cycles"]) == 1:
        return Link(f"cycle {run['cycles'][0]}", f"/floor/cycles/{run['cycles'][0]}")
    return ", ".join(f"cycle {number}" for number in run["cycles"])


def _run(run: Mapping[str, Any]) -> tuple[html.Cell, ...]:
    return (
        words.short(run["dueAt"]),
        _state(run),
        run["requestedBy"] or "",
        _started(run),
        run["note"] or "",
    )


def _facts(schedule: Mapping[str, Any]) -> dict[str, object]:
    paused = None
    if schedule["pausedAt"]:
        reason = f": {schedule['pauseReason']}" if schedule["pauseReason"] else ""
        paused = f"since {words.minute(schedule['pausedAt'])} by {schedule['pausedBy']}{reason}"
    missing = words.sla(schedule["missingAfterMinutes"])
    return {
        "Paused": paused,
        "Due": _when(schedule),
        "Cron line": schedule["cron"],
        "Next": _coming(schedule["next"]),
        "Starts": schedule["type"],
        "Files": schedule["source"],
        "Missing file": f"somebody is called {missing} after it is due" if schedule["source"] else None,
        "SLA": words.sla(schedule["slaMinutes"]) if schedule["slaMinutes"] else None,
        "After an outage": CATCH_UP[schedule["catchUp"]].format(hours=schedule["catchUpHours"]),
        "A run": OVERLAP[schedule["overlap"]],
        "Added": "stands in a recipe" if schedule["inRecipe"] else f"by {schedule['createdBy']}",
    }


def _coming(moments: Sequence[str]) -> str:
    return "; ".join(words.short(moment) for moment in moments) or "never"
