"""The waterfall on a job's page, as a list that reads well without its bars, too."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import datetime, timedelta
from html import escape
from typing import Any

from nicegui import ui

from hms_floor import subpath
from hms_floor.pages import flower_link
from hms_floor.pages.parts import html
from hms_floor.pages.parts.charts import waterfall
from hms_floor.pages.parts.charts.waterfall import Bar, Row
from hms_floor.pages.parts.format import put
from hms_floor.pages.parts.live_section import Rows
from hms_oms.jobs.tickets import Ticket, job_number
from hms_oms.runtime import format


class Waterfall:
    """A row for each attempt at a step; only the rows that have changed are drawn again."""

    def __init__(self) -> None:
        self._rows = Rows[Hashable]("waterfall", "ol", "li")
        self._drawn: dict[Hashable, ui.html] = {}
        self._root = subpath.root(ui.context.client.request.scope)
        with ui.element("p").classes("legend"):
            for kind in (*waterfall.KINDS, waterfall.HELD):
                ui.html(f'<b class="{kind}"></b>{kind}', sanitize=False, tag="span")
            self._whole = ui.label("")
        self._parts = html.Table(
            ("Step", "Parts", "Waiting", "Queued", "Running", "Done", "Failed", "Cancelled"),
            caption="Steps in parts",
        )

    def show(self, document: Mapping[str, Any]) -> None:
        """Draw the life of a job as `GET /jobs/{id}` tells it."""
        timeline = document["timeline"]
        self._parts.show([_counts(step) for step in document["parts"]])
        self._parts.set_visibility(bool(document["parts"]))
        if not timeline:
            # The job is kept for longer than its events.
            put(self._whole, "Its event log is not kept any more.")
            return
        start, seconds = waterfall.span(timeline)
        due = (datetime.fromisoformat(document["slaExpires"]) - start).total_seconds()
        mark = f'<i class="due" style="left:{100 * due / seconds:.3f}%"></i>' if 0 <= due <= seconds else ""
        rows = {(place, row.step): row for place, row in enumerate(waterfall.whole(document))}
        self._rows.show({key: key for key in rows}, self._build)
        for key, row in rows.items():
            drawn = _drawn(row, start, seconds, mark, row.part or document["id"], self._root)
            if self._drawn[key].content != drawn:
                self._drawn[key].set_content(drawn)
        put(self._whole, f"in all {_took(seconds)}")

    def _build(self, key: Hashable) -> None:
        self._drawn[key] = ui.html("", sanitize=False).classes("life")


def _drawn(row: Row, start: datetime, seconds: float, mark: str, job: str, root: str) -> str:
    bars = "".join(
        f'<b class="{bar.kind}" style="left:{100 * (bar.start - start).total_seconds() / seconds:.3f}%;'
        f'width:{max(0.25, 100 * bar.seconds / seconds):.3f}%"'
        f' title="{_told(bar)}"></b>'
        for bar in row.bars
    )
    label = ", ".join([*([row.fate] if row.fate else []), *(_told(bar) for bar in row.bars)])
    again = f" (attempt {row.attempt})" if row.attempt > 1 else ""
    name = escape(row.step)
    if row.part:
        name = f'<a href="{root}/floor/jobs/{row.part}">{name}</a>'
    worker = f" on {escape(row.worker)}" if row.worker else ""
    flower = flower_link.path(Ticket(job_number(job), row.attempt, row.step)) if row.worker else None
    link = f' <a href="{root}{flower}" target="_blank" rel="noopener">Flower</a>' if flower else ""
    return (
        f'<span class="{"step part" if row.part else "step"}">{name}{again}</span>'
        f'<span class="bars">{mark}{bars}</span>'
        f'<span class="told">{label}{worker}{link}</span>'
    )


def _told(bar: Bar) -> str:
    return f"{bar.kind} {_took(bar.seconds)}"


def _counts(step: Mapping[str, Any]) -> tuple[str, ...]:
    numbers = ("parts", "waiting", "queued", "running", "done", "failed", "cancelled")
    return (step["step"], *(f"{step[name]:,}" for name in numbers))


def _took(seconds: float) -> str:
    return format.span(timedelta(seconds=seconds))
