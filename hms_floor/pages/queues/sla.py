"""SLA: how deadlines were met, by queue and day; how late the late ones were, and why; SLAs in force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from starlette.requests import Request

from hms_floor.pages.frame import frame, nothing
from hms_floor.pages.parts import format as words
from hms_floor.pages.parts import html
from hms_floor.pages.parts.charts import charts
from hms_floor.pages.parts.freshness import STILL_SECONDS, Source, of_page
from hms_floor.pages.parts.html import Link, link
from hms_floor.pages.parts.toasts import tell
from hms_floor.pages.route import page
from hms_floor.pages.sign_in.api_client import Refused
from hms_floor.pages.sign_in.session import Visitor
from hms_floor.presentation import spreadsheets
from hms_floor.presentation.foresight import record_words
from hms_floor.presentation.reports import sla_words
from hms_oms.runtime import clock, format

#: How many weeks the charts reach back, and how many days.
WEEKS = 8
DAYS_DRAWN = 14


@page("/sla", "GET /sla")
async def sla(request: Request, week: str = "", queue: str = "") -> None:
    """Page of SLAs; `week` is any day of the week that is meant, `queue` one queue or all."""
    with frame(request, "SLA") as visitor:
        of_queue = {"queue": queue} if queue else {}
        report = await visitor.ask.get("/sla/report", week="true", **({"from": week} if week else {}))
        spread = await visitor.ask.get(
            "/sla/lateness", **of_queue, **{"from": report["since"], "to": report["until"]}
        )
        days = await visitor.ask.get("/sla/days", **of_queue, days=7 * WEEKS)
        of_page().add(Source(STILL_SECONDS, still=True))
        since = datetime.fromisoformat(report["since"])
        with ui.element("section").classes("card"):
            with ui.element("div").classes("spread"):
                with ui.element("h1"):
                    ui.label(f"Week of {_day(since, report['zone'])}")
                with ui.element("div").classes("row"):
                    link("Week before", _path(_day(since - timedelta(days=4), report["zone"]), queue))
                    link("This week", _path("", queue))
                    link("Simulate a day", f"/floor/simulation?{urlencode({'queue': queue})}")
                    ui.button("CSV", icon="download", on_click=lambda: _download(report)).props(
                        "outline dense"
                    )
                    _pdf_button(visitor, report, queue)
            rows = [_row(name, counts, week) for name, counts in report["queues"].items()]
            if not rows:
                nothing("No job has ended in this week.")
            else:
                rows.append(_row("all queues", report["whole"], week))
                html.table(
                    sla_words.HEADERS,
                    rows,
                    numbers=sla_words.HEADERS[1:],
                    caption="Deadlines met, by queue",
                )
            ui.label(f"{sla_words.RULE} Days are those of {report['zone']}.").classes("faint")
        with ui.element("div").classes("pair"):
            where = queue or "all queues"
            _by_day(days, where)
            _by_week(days, where)
            _lateness(spread, where)
        if rows:
            _misses(report["worst"])
        _forecasts(report)
        await _slas_in_force(visitor.ask)


def _by_day(kept: Mapping[str, Any], where: str) -> None:
    days = dict(list(kept["days"].items())[-DAYS_DRAWN:])
    _on_time_chart("On time, by day", where, {day[5:]: counts for day, counts in days.items()})


def _by_week(kept: Mapping[str, Any], where: str) -> None:
    weeks: dict[str, Counter[str]] = {}
    for day, counts in kept["days"].items():
        monday = date.fromisoformat(day) - timedelta(days=date.fromisoformat(day).weekday())
        sums = weeks.setdefault(f"{monday:%m-%d}", Counter())
        sums.update({"onTime": counts["onTime"], "missed": counts["missed"]})
    _on_time_chart("On time, by week", where, weeks)


def _on_time_chart(title: str, where: str, columns: Mapping[str, Mapping[str, Any]]) -> None:
    kept = [counts["onTime"] for counts in columns.values()]
    missed = [counts["missed"] for counts in columns.values()]
    colours = (charts.GREEN, charts.RED)
    drawn = charts.bars(list(columns), {"on time": kept, "missed": missed}, colours, stacked=True)
    label = "; ".join(f"{name}: {_share(counts)}" for name, counts in columns.items() if _counted(counts))
    _drawing(title, where, drawn, label or "no job has ended")


def _lateness(spread: Mapping[str, Any], where: str) -> None:
    buckets = {_below(bucket["below"]): bucket["jobs"] for bucket in spread["buckets"]}
    drawn = charts.bars(list(buckets), {"jobs": list(buckets.values())}, (charts.ORANGE,), stacked=False)
    label = "; ".join(f"{name}: {jobs:,}" for name, jobs in buckets.items())
    _drawing("How late the late ones were", where, drawn, label)


def _drawing(title: str, where: str, drawn: dict[str, Any], label: str) -> None:
    with ui.element("section").classes("card"):
        with ui.element("div").classes("spread"):
            with ui.element("h2"):
                ui.label(title)
            ui.label(where).classes("faint")
        charts.show(drawn, f"{title}, {where}. {label}", tall=True)


def _below(seconds: float | None) -> str:
    """A bucket's name that fits below its bar: `<5m`, `<4h`."""
    if seconds is None:
        return "more"
    return f"<{seconds / 3600:g}h" if seconds >= 3600 else f"<{seconds / 60:g}m"


def _misses(worst: list[Mapping[str, Any]]) -> None:
    with ui.element("section").classes("card"):
        with ui.element("h2"):
            ui.label("Worst misses")
        if not worst:
            nothing("None: every deadline was met.")
            return
        rows: list[tuple[html.Cell, ...]] = [
            (
                Link(miss["job"], f"/floor/jobs/{miss['job']}"),
                *sla_words.miss(miss, words.short(miss["deadline"])),
            )
            for miss in worst
        ]
        html.table(
            sla_words.MISS_HEADERS,
            rows,
            wide=sla_words.MISS_HEADERS[-1:],
            caption="The worst misses with their cause",
        )


def _forecasts(report: Mapping[str, Any]) -> None:
    with ui.element("section").classes("card"):
        with ui.element("h2"):
            ui.label("How good the forecasts were")
        records = report["forecasts"]
        if not records:
            nothing("No forecast of this week was settled yet.")
            return
        html.table(
            record_words.HEADERS,
            [record_words.row(name, record) for name, record in records.items()],
            numbers=record_words.HEADERS[1:],
            caption="What was said, against what came",
        )
        first = min((record["since"] for record in records.values() if record["since"]), default=None)
        since = f"The first one is of {words.minute(first)}. " if first else ""
        ui.label(f"{since}{record_words.MEANING}").classes("faint")


async def _slas_in_force(ask: Any) -> None:
    with ui.element("section").classes("card"):
        with ui.element("h2"):
            ui.label("SLAs in force")
        rows = []
        for present in (await ask.get("/sla"))["slas"]:
            for entry in (await ask.get(f"/queues/{present['queue']}/sla"))["history"][:10]:
                rows.append(
                    (
                        Link(entry["queue"], f"/floor/queues/{entry['queue']}"),
                        words.sla(entry["minutes"]),
                        words.minute(entry["effectiveAt"]),
                        entry["setBy"],
                        entry["reason"] or "",
                    )
                )
        html.table(
            ("Queue", "SLA", "From", "Set by", "Why"), rows, numbers=("SLA",), caption="SLAs, newest first"
        )


def _path(week: str, queue: str) -> str:
    given = {"week": week, "queue": queue}
    return f"/floor/sla?{urlencode({name: value for name, value in given.items() if value})}"


def _row(name: str, counts: Mapping[str, Any], week: str) -> tuple[html.Cell, ...]:
    return Link(name, _path(week, "" if name == "all queues" else name)), *sla_words.numbers(counts)


def _counted(counts: Mapping[str, Any]) -> int:
    return int(counts["onTime"] + counts["missed"])


def _share(counts: Mapping[str, Any]) -> str:
    return format.share(counts["onTime"], _counted(counts))


def _download(report: Mapping[str, Any]) -> None:
    columns = ("onTime", "late", "failed", "openLate", "ended", "missed", "shareOfEnded", "shareOfDue")
    header = ("queue", *columns, "latenessP50Seconds", "latenessP95Seconds")
    rows = [
        (name, *(counts[column] for column in columns), *(counts["lateness"] or ("", "")))
        for name, counts in {**report["queues"], "all": report["whole"]}.items()
    ]
    day = _day(datetime.fromisoformat(report["since"]), report["zone"])
    ui.download.content("".join(spreadsheets.csv_lines(header, rows)), f"sla-{day}.csv", "text/csv")


def _pdf_button(visitor: Visitor, report: Mapping[str, Any], queue: str) -> None:
    """A button for the week that is shown, of the queue that was chosen or of all."""

    async def download() -> None:
        day = _day(datetime.fromisoformat(report["since"]), report["zone"])
        asked = {"week": "true", "from": day, "zone": report["zone"]} | ({"queue": queue} if queue else {})
        try:
            content = await visitor.ask.download(f"/sla/report.pdf?{urlencode(asked)}")
        except Refused as refused:
            tell(refused)
            return
        ui.download.content(content, "-".join(filter(None, ("sla", queue, f"{day}.pdf"))), "application/pdf")

    ui.button("PDF", icon="picture_as_pdf", on_click=download).props("outline dense")


def _day(moment: datetime, zone: str) -> str:
    """The day of a moment in the report's zone, whose days and weeks it has."""
    return f"{moment.astimezone(clock.zone(zone)):%Y-%m-%d}"
