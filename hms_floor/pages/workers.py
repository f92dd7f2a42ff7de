"""Workers: who is there, what they hold, and how busy their machines are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from nicegui import ui
from starlette.requests import Request

from hms_floor.pages.frame import frame
from hms_floor.pages.parts import format as words
from hms_floor.pages.parts import html
from hms_floor.pages.parts.freshness import keep
from hms_floor.pages.parts.html import Link, Mark
from hms_floor.pages.route import page
from hms_oms.jobs.tickets import Ticket
from hms_oms.runtime import format

#: How often they are looked at, in seconds; they beat every two.
LOOK_SECONDS = 2.0
#: Tickets of a worker that are shown one by one.
TICKETS = 8
NO_WORKER = "No worker is there: start one with `celery -A workers worker`, or `hms up`."
TO_BE_REPLACED = "none: steps hang, it is to be replaced"
_HEADERS = ("Worker", "Pool", "Slots", "Queues", "Holds", "Machine", "Processor", "Memory", "Up", "Last seen")


@page("/workers", "GET /workers")
async def workers(request: Request) -> None:
    """The page of all workers."""
    with frame(request, "Workers") as visitor, ui.element("section").classes("card"):
        with ui.element("h1"):
            ui.label("Workers")
        numbers = ("Slots", "Processor", "Memory")
        table = html.Table(
            _HEADERS, numbers=numbers, wide=("Holds",), caption="Live workers", empty=NO_WORKER
        )

    async def refresh() -> None:
        listed = (await visitor.ask.get("/workers"))["workers"]
        table.show([_row(worker) for worker in listed])

    await keep(refresh, LOOK_SECONDS)


def _row(worker: Mapping[str, Any]) -> tuple[html.Cell, ...]:
    beat = datetime.fromisoformat(worker["beatAt"])
    started = datetime.fromisoformat(worker["startedAt"])
    tickets = worker["tickets"]
    shown = " ".join(tickets[:TICKETS]) + (
        f" and {len(tickets) - TICKETS} more" if len(tickets) > TICKETS else ""
    )
    held: html.Cell = shown or "nothing"
    if len(tickets) == 1:
        held = Link(shown, f"/floor/jobs/job-{Ticket.parse(tickets[0]).job}")
    return (
        worker["name"],
        worker["pool"],
        f"{worker['slots']:,}" + (f", {worker['slotsLost']:,} lost" if worker["slotsLost"] else ""),
        _queues(worker),
        held,
        worker["host"],
        f"{worker['cpuPercent']:.0f} %",
        f"{worker['rssBytes'] / 2**20:,.0f} MB",
        format.about(beat - started),
        format.time_of_day(beat, words.zone()),
    )


def _queues(worker: Mapping[str, Any]) -> html.Cell:
    served = ", ".join(worker["queues"]) or TO_BE_REPLACED
    if worker["heldBecause"]:
        return Mark(f"{served}: starts nothing more, {worker['heldBecause']}", "late")
    return served
