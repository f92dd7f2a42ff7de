"""SLA: how promises were kept, by queue and day; how late the late ones were, and why; what was promised."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from nicegui import ui
from starlette.requests import Request

from hms_floor.cli import show
from hms_floor.pages import charts, plain
from hms_floor.pages.asking import Refused
from hms_floor.pages.frame import frame, nothing
from hms_floor.pages.plain import Link

_HEADERS = ("Queue", "Ended", "On time", "Share", "Late", "Failed", "Open and late", "Lateness p50", "p95")


@ui.page("/sla")
async def sla(request: Request, week: str = "") -> None:
    """The page of the promises; `week` is any day of the week that is meant."""
    with frame(request, "SLA") as visitor:
        try:
            given = {"from": week} if week else {}
            report = await visitor.ask.get("/sla/report", week="true", **given)
        except Refused as refused:
            with ui.element("section").classes("card"):
                nothing(str(refused))
            return
        since = datetime.fromisoformat(report["since"])
        with ui.element("section").classes("card"):
            with ui.element("div").classes("spread"):
                with ui.element("h1"):
                    ui.label(f"Week of {_day(since)}")
                with ui.element("div").classes("row"):
                    ui.link("Week before", f"/floor/sla?week={_day(since - timedelta(days=4))}")
                    ui.link("This week", "/floor/sla")
                    ui.button("CSV", icon="download", on_click=lambda: _download(report)).props(
                        "outline dense"
                    )
            rows = [_row(name, tally) for name, tally in report["queues"].items()]
            if not rows:
                nothing("No job has ended in this week.")
            else:
                rows.append(_row("all queues", report["whole"]))
                plain.table(_HEADERS, rows, numbers=_HEADERS[1:], caption="Promises kept, by queue")
            ui.label(f"Days are those of {report['zone']}. Cancelled jobs do not count.").classes("faint")
        if rows:
            _by_day(report)
            _misses(report["worst"])
        await _promised(visitor.ask)


def _by_day(report: Mapping[str, Any]) -> None:
    days = report["days"]
    with ui.element("section").classes("card"):
        with ui.element("h2"):
            ui.label("By day")
        drawn = charts.bars(
            [day[5:] for day in days],
            {
                "on time": [tally["onTime"] for tally in days.values()],
                "missed": [tally["missed"] for tally in days.values()],
            },
            (charts.GREEN, charts.RED),
            stacked=True,
        )
        told = "; ".join(f"{day}: {_share(tally)}" for day, tally in days.items())
        ui.echart(drawn).classes("chart tall").props(f'role="img" aria-label="On time by day. {told}"')


def _misses(worst: list[Mapping[str, Any]]) -> None:
    with ui.element("section").classes("card"):
        with ui.element("h2"):
            ui.label("Worst misses")
        if not worst:
            nothing("None: every promise was kept.")
            return
        rows = [
            (
                Link(miss["job"], f"/floor/jobs/{miss['job']}"),
                miss["queue"],
                miss["status"],
                f"{datetime.fromisoformat(miss['deadline']).astimezone():%m-%d %H:%M:%S}",
                show.about(timedelta(seconds=miss["lateSeconds"])),
                miss["cause"],
                ", ".join(
                    f"{cause} {show.about(timedelta(seconds=seconds))}"
                    for cause, seconds in miss["spent"].items()
                    if seconds >= 1
                ),
            )
            for miss in worst
        ]
        headers = ("Job", "Queue", "Status", "Deadline", "Late by", "Cause", "Its time went into")
        plain.table(headers, rows, caption="The worst misses with their cause")


async def _promised(ask: Any) -> None:
    with ui.element("section").classes("card"):
        with ui.element("h2"):
            ui.label("What was promised")
        rows = []
        for present in (await ask.get("/sla"))["slas"]:
            for entry in (await ask.get(f"/queues/{present['queue']}/sla"))["history"][:10]:
                when = datetime.fromisoformat(entry["effectiveAt"]).astimezone()
                rows.append(
                    (
                        Link(entry["queue"], f"/floor/queues/{entry['queue']}"),
                        show.minutes(entry["minutes"]),
                        f"{when:%Y-%m-%d %H:%M}",
                        entry["setBy"],
                        entry["reason"] or "",
                    )
                )
        plain.table(
            ("Queue", "SLA", "From", "Set by", "Why"), rows, numbers=("SLA",), caption="SLAs, newest first"
        )


def _row(name: str, tally: Mapping[str, Any]) -> tuple[plain.Cell, ...]:
    lateness = tally["lateness"] or (None, None)
    return (
        Link(name, f"/floor/queues/{name}") if name != "all queues" else name,
        f"{tally['ended']:,}",
        f"{tally['onTime']:,}",
        _share(tally),
        f"{tally['late']:,}",
        f"{tally['failed']:,}",
        f"{tally['openLate']:,}",
        *("" if seconds is None else show.about(timedelta(seconds=seconds)) for seconds in lateness),
    )


def _share(tally: Mapping[str, Any]) -> str:
    whole = tally["onTime"] + tally["missed"]
    return show.share(tally["onTime"], whole) if whole else "-"


def _download(report: Mapping[str, Any]) -> None:
    file = io.StringIO()
    writer = csv.writer(file)
    columns = ("onTime", "late", "failed", "openLate", "ended", "missed", "share")
    writer.writerow(("queue", *columns, "latenessP50Seconds", "latenessP95Seconds"))
    for name, tally in {**report["queues"], "all": report["whole"]}.items():
        writer.writerow((name, *(tally[column] for column in columns), *(tally["lateness"] or ("", ""))))
    ui.download.content(file.getvalue(), f"sla-{report['since'][:10]}.csv", "text/csv")


def _day(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d}"
