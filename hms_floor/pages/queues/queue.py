"""One queue: its jobs in the order in which they will run, and what holds it back or speeds it up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from nicegui import ui
from starlette.requests import Request

from hms_floor.auth.tokens import Role
from hms_floor.pages.frame import frame
from hms_floor.pages.jobs.job_list import JobTable, job_link
from hms_floor.pages.live import feed
from hms_floor.pages.live.feed import View
from hms_floor.pages.live.pasts import Pasts
from hms_floor.pages.parts import format as words
from hms_floor.pages.parts.charts.window_bar import WindowBar
from hms_floor.pages.parts.format import put
from hms_floor.pages.parts.freshness import Source, keep, of_page
from hms_floor.pages.parts.html import Cell, Mark, link
from hms_floor.pages.parts.live_section import Light
from hms_floor.pages.parts.spoken import Spoken
from hms_floor.pages.queues import queue_workers
from hms_floor.pages.queues.figures import Figures
from hms_floor.pages.queues.queue_actions import Buttons
from hms_floor.pages.queues.queue_charts import QueueCharts
from hms_floor.pages.queues.queue_workers import WorkersCard
from hms_floor.pages.route import page
from hms_floor.presentation import finishes, headline, overview
from hms_floor.presentation.finishes import Finish
from hms_floor.presentation.overview import Card
from hms_oms.runtime import format
from hms_ops.forecast import order_words

#: How many of the next jobs are shown.
SHOWN = 100
#: How often their order is looked at again, in seconds.
LOOK_SECONDS = 2.0
#: How often demand and capacity are drawn again, in seconds.
DEMAND_SECONDS = 5.0
#: How often the charts are looked at, whether they are to be drawn again, in seconds.
LOOK_PAST_SECONDS = 0.5

_HEADERS = ("Position", "Job", "Deadline", "Will be done", "To spare")


@page("/queues/{name}", "GET /queues")
async def queue(request: Request, name: str) -> None:
    """The page of one queue."""
    with frame(request, name) as visitor:
        await visitor.ask.get(f"/queues/{name}/peek", limit=1)
        with ui.element("section").classes("card"):
            with ui.element("div").classes("spread"):
                with ui.element("div").classes("row"):
                    with ui.element("h1"):
                        ui.label(name)
                    light = Light()
                buttons = Buttons(name, visitor) if visitor.may(Role.MANAGER) else None
            status = ui.label("Reading the ledger ...")
            spoken = Spoken()
            figures = Figures(name)
            order = ui.label("").classes("faint")
            given_up = ui.label("")
            given_up_jobs = link("Jobs that were given up", f"/floor/jobs?queue={name}&status=given-up")
            bar = WindowBar(request, lambda window: pasts.turn(window))
            drawings = QueueCharts(name)
        workers = WorkersCard(name, visitor)
        with ui.element("section").classes("card"):
            with ui.element("div").classes("spread"):
                with ui.element("h2"):
                    ui.label("Next to run")
                link("All open jobs of this queue", f"/floor/jobs?queue={name}&status=open")
            unknown = ui.label("").classes("faint")
            empty = ui.label("The backlog is empty.").classes("nothing")
            table = JobTable(
                _HEADERS,
                visitor,
                ("promote", "priority", "move", "cancel"),
                lambda: refresh_order(),
                caption="Next to run",
                numbers=("Position",),
            )
            more = ui.label("").classes("faint number")
    source = of_page().add(Source(1.0))
    pasts = Pasts(bar.window, visitor.zone, lambda _, past, window: drawings.draw(past, window))

    def refresh() -> None:
        view = feed.look()
        card = _card(view, name)
        if view is None or card is None:
            return
        source.at = view.taken
        verdict = headline.queue_verdict(card, words.zone())
        put(status, verdict)
        spoken.say((card.light, card.paused_at), verdict)
        figures.show(card)
        put(order, order_words.order(card.policy, card.policy_set_by))
        for part in (given_up, given_up_jobs):
            part.set_visibility(card.plan is not None)
        if card.plan is not None:
            put(given_up, order_words.given_up(card.plan, words.clock(card.plan.given_up_since)))
        light.show(card.light, overview.WORDS[card.light])
        if buttons is not None:
            buttons.show(card)
        drawings.show(card)

    async def refresh_order() -> None:
        table.require_movable()
        front = (await visitor.ask.get(f"/queues/{name}/peek", limit=SHOWN))["jobs"]
        view = feed.look()
        card = _card(view, name)
        table.show([_row(job, card, view.board.now if view else None) for job in front])
        empty.set_visibility(not front)
        put(unknown, (card and finishes.unknown(card)) or "")
        unknown.set_visibility(bool(front and card and finishes.unknown(card)))
        rest = (card.backlog or 0) - len(front) if card and len(front) == SHOWN else 0
        put(more, f"and {rest:,} more behind them" if rest > 0 else "")

    refresh()
    await keep(refresh_order, LOOK_SECONDS)
    await keep(workers.refresh, queue_workers.LOOK_SECONDS)
    ui.timer(1.0, refresh)
    ui.timer(LOOK_PAST_SECONDS, lambda: pasts.look([name]))
    ui.timer(DEMAND_SECONDS, drawings.draw_demand)


def _card(view: View | None, name: str) -> Card | None:
    return next((card for card in view.board.cards if card.name == name), None) if view else None


def _row(job: Mapping[str, Any], card: Card | None, now: datetime | None) -> list[Cell]:
    due = datetime.fromisoformat(job["slaExpires"])
    done = None if card is None or now is None else finishes.finish(job["position"], card, now)
    return [
        str(job["position"]),
        job_link(job["id"]),
        Mark(words.short(due), "late" if now is not None and due < now else ""),
        *(("-", "-") if done is None else _done(done, due)),
    ]


def _done(done: Finish, due: datetime) -> tuple[Cell, Cell]:
    """When a job will be done, and how long before or after its deadline."""
    slack = due - done.at
    at = f"{'not before ' if done.at_best else ''}{words.clock(done.at)}"
    if slack < timedelta(0):
        return at, Mark(f"{'at least ' if done.at_best else ''}{format.about(-slack)} late", "late")
    return at, f"{'at most ' if done.at_best else ''}{format.about(slack)}"
