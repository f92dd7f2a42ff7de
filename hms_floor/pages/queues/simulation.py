"""A simulation: a file, or a day of a queue, against any number of workers, under each policy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from nicegui import events, ui
from starlette.requests import Request

from hms_floor.pages.cycles import upload_area
from hms_floor.pages.frame import frame
from hms_floor.pages.parts import html
from hms_floor.pages.parts.charts import charts
from hms_floor.pages.parts.toasts import tell
from hms_floor.pages.route import page
from hms_floor.pages.sign_in.api_client import Refused
from hms_floor.pages.sign_in.session import Visitor
from hms_oms.runtime import format

_HEADERS = ("Policy", "On time", "Share", "Late", "Late on average", "Longest wait")
_WHAT = "or drop it here: CSV with the columns arrival, service, deadline and type. Nothing is started."
#: What stands for the limit that no order can beat.
BOUND = "bound"


@page("/simulation", "POST /simulations")
async def simulation(request: Request, queue: str = "", day: str = "") -> None:
    """Page of simulations; `queue` and `day` are chosen already if they are named."""
    with frame(request, "Simulation") as visitor:
        names = [present["name"] for present in (await visitor.ask.get("/queues"))["queues"]]
        Simulation(visitor, names, queue, day)


class Simulation:
    """What is to be simulated, and below it what came of it."""

    def __init__(self, visitor: Visitor, queues: list[str], queue: str, day: str) -> None:
        self._visitor = visitor
        with ui.element("section").classes("card"):
            with ui.element("h1"):
                ui.label("What would have been on time")
            with ui.element("div").classes("row"):
                self._workers = ui.number("Workers", value=4, min=1, max=1000, format="%d")
                self._minutes = ui.number("SLA minutes", placeholder="as the file says", format="%g")
                for field in (self._workers, self._minutes):
                    field.props("outlined dense stack-label").classes("search")
            upload_area.place("Choose a file", _WHAT, ".csv,.swf,.txt", self._take)
            with ui.element("div").classes("row"):
                chosen = queue if queue in queues else next(iter(queues), None)
                self._queue = ui.select(queues, label="Or a queue", value=chosen)
                self._day = ui.input("and a day", value=day, placeholder="2026-11-23")
                for choice in (self._queue, self._day):
                    choice.props("outlined dense stack-label").classes("search")
                self._day.on("keydown.enter", self._replay)
                ui.button("Simulate the day", icon="replay", on_click=self._replay).props("outline")
            self._said = ui.label("").props('aria-live="polite"')
        self._body = ui.element("section").classes("card")
        self._body.set_visibility(False)

    async def _take(self, event: events.UploadEventArguments) -> None:
        content = await event.file.read()
        await self._simulate(event.file.name, content, slaMinutes=self._minutes.value)

    async def _replay(self) -> None:
        day = (self._day.value or "").strip()
        await self._simulate(f"{self._queue.value} on {day}", b"", queue=self._queue.value, day=day)

    async def _simulate(self, name: str, content: bytes, **given: Any) -> None:
        self._said.set_text(f"Simulating {name} ...")
        workers = int(self._workers.value or 0)
        try:
            result = await self._visitor.ask.upload(
                "/simulations", content, "text/csv", workers=workers, **given
            )
        except Refused as refused:
            self._said.set_text("")
            tell(refused)
            return
        self._said.set_text("")
        self._body.clear()
        self._body.set_visibility(True)
        with self._body:
            _show(name, result)


def rows(result: Mapping[str, Any]) -> list[tuple[html.Cell, ...]]:
    """The table behind the chart: each policy, and at last the bound."""
    shown: list[tuple[html.Cell, ...]] = [
        (
            policy["policy"],
            f"{policy['onTime']:,}",
            _percent(policy["share"]),
            f"{policy['late']:,}",
            _span(policy["meanLatenessSeconds"]) if policy["late"] else "",
            _span(policy["longestWaitSeconds"]),
        )
        for policy in result["policies"]
    ]
    bound = result["bound"]
    late = result["jobs"] - bound["onTime"]
    return [*shown, (BOUND, f"{bound['onTime']:,}", _percent(bound["share"]), f"{late:,}", "", "")]


def shares(result: Mapping[str, Any]) -> dict[str, float]:
    """The share on time of each policy, and the bound, in percent."""
    by_policy = {policy["policy"]: policy["share"] for policy in result["policies"]}
    return {
        name: round(100 * share, 1) for name, share in {**by_policy, BOUND: result["bound"]["share"]}.items()
    }


def _show(name: str, result: Mapping[str, Any]) -> None:
    with ui.element("h2"):
        ui.label(name)
    jobs, workers = format.count(result["jobs"], "job"), format.count(result["workers"], "worker")
    words = f"{jobs}, {_span(result['workSeconds'])} of work, {workers}."
    if result["passedOver"]:
        words += f" {result['passedOver']:,} more had not run, and were passed over."
    ui.label(f"{words} The bound is what no order could beat, even if it knew all that is to come.").classes(
        "faint"
    )
    on_time = shares(result)
    series = {
        "% on time": [0.0 if policy == BOUND else share for policy, share in on_time.items()],
        "% that no order could beat": [on_time[BOUND] if policy == BOUND else 0.0 for policy in on_time],
    }
    drawn = charts.bars(list(on_time), series, (charts.BLUE, charts.GREY), stacked=True)
    drawn["yAxis"] |= {"min": 0, "max": 100}
    label = "; ".join(f"{policy}: {share:g} %" for policy, share in on_time.items())
    charts.show(drawn, f"On time, by policy. {label}", tall=True)
    html.table(_HEADERS, rows(result), numbers=_HEADERS[1:], caption="On time, by policy")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _span(seconds: float) -> str:
    return format.span(timedelta(seconds=seconds))
