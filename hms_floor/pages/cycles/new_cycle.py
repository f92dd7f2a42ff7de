"""A new cycle: a file is chosen, what it would do is shown, and only then it is started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from nicegui import events, ui

from hms_floor.pages.cycles import cycle_rows, upload_area
from hms_floor.pages.frame import go
from hms_floor.pages.parts import format
from hms_floor.pages.parts.toasts import tell
from hms_floor.pages.sign_in.api_client import Refused
from hms_floor.pages.sign_in.session import Visitor
from hms_oms.recipes.sla_bounds import LEAST_MINUTES

_ENDS = ".csv,.ndjson,.jsonl"
_KINDS = {".csv": "text/csv", ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson"}


class NewCycle:
    """The fields, the place for a file, and below it what the file would do."""

    def __init__(self, visitor: Visitor, recipes: Sequence[Mapping[str, Any]]) -> None:
        self._visitor = visitor
        self._upload: str | None = None
        # Those that take a CSV first: a file is what most cycles come as.
        ordered = [recipe["type"] for recipe in sorted(recipes, key=lambda kind: not kind["columns"])]
        with ui.element("div").classes("row"):
            self._type = ui.select(ordered, label="Job type", value=ordered[0]).props("outlined dense")
            self._type.classes("search").on_value_change(self._start_over)
            self._minutes = ui.number(
                "SLA minutes", min=LEAST_MINUTES, placeholder="as the queue has it", format="%g"
            )
            self._minutes.props("outlined dense stack-label").classes("search").on_value_change(
                self._start_over
            )
        what = "or drop it here: CSV or NDJSON, one application a line. Nothing is started before you say so."
        upload_area.place("Choose a file", what, _ENDS, self._take)
        self._said = ui.label("").props('aria-live="polite"')
        self._body = ui.element("div").classes("stack")

    async def _take(self, event: events.UploadEventArguments) -> None:
        name = event.file.name
        kind = next((kind for end, kind in _KINDS.items() if name.lower().endswith(end)), None)
        if kind is None:
            tell(Refused(415, f"{name} is neither CSV nor NDJSON: its name must end in {', '.join(_KINDS)}"))
            return
        await self._forget()
        self._said.set_text(f"Looking at {name} ...")
        try:
            preview = await self._visitor.ask.upload(
                "/cycles/preview",
                event.file.iterate(chunk_size=1 << 16),
                kind,
                jobType=self._type.value,
                slaMinutes=self._minutes.value,
                name=name,
                keep="true",
            )
        except Refused as refused:
            self._said.set_text("")
            tell(refused)
            return
        self._upload = preview["upload"]
        self._said.set_text("")
        with self._body:
            self._show(preview)

    async def _start_over(self) -> None:
        if self._upload is not None:
            await self._forget()
            self._said.set_text("Type or SLA is another one now: choose the file again.")

    async def _forget(self) -> None:
        """Show nothing, and have the file that waits deleted."""
        self._body.clear()
        upload, self._upload = self._upload, None
        if upload is not None:
            # Its time may be over.
            with suppress(Refused):
                await self._visitor.ask.post(f"/cycles/uploads/{upload}/discard")

    def _show(self, preview: Mapping[str, Any]) -> None:
        with ui.element("h2"):
            ui.label(f"What {preview['name']} would do")
        with ui.element("dl").classes("facts").props('aria-label="Preview"'):
            for title, value in facts(preview).items():
                with ui.element("dt"):
                    ui.label(title)
                with ui.element("dd"):
                    ui.label(value)
        replaceable = preview["replaceable"]
        supersede = ui.checkbox(f"Replace {format.count(replaceable, 'job')} that differ and have not begun")
        supersede.set_visibility(replaceable > 0)
        most = most_refused(preview)
        agreed = ui.checkbox(f"{most} Start the others all the same.")
        agreed.set_visibility(bool(most))
        with ui.element("div").classes("row"):
            start = ui.button(_title(preview["new"]), icon="play_arrow")
            start.on_click(lambda: self._start(supersede=supersede.value))
            start.set_enabled(preview["new"] > 0 and not most)
            ui.button("Discard", on_click=self._forget).props("flat")
            if not preview["new"]:
                ui.label("There is nothing new: every row is known or refused.").classes("faint")

        def choose() -> None:
            jobs = preview["new"] + (replaceable if supersede.value else 0)
            start.set_text(_title(jobs))
            start.set_enabled(jobs > 0 and (agreed.value or not most))

        agreed.on_value_change(choose)
        supersede.on_value_change(choose)
        cycle_rows.refusals(preview["refusals"], preview["refused"], would_be=True)
        cycle_rows.refused_table(preview["refusedRows"][: cycle_rows.SHOWN], preview["refused"])
        cycle_rows.differing_table(preview["differingRows"][: cycle_rows.SHOWN], preview["differing"])

    async def _start(self, *, supersede: bool) -> None:
        upload, self._upload = self._upload, None
        if upload is None:
            return
        self._said.set_text("Starting ...")
        try:
            begun = await self._visitor.ask.upload(
                f"/cycles/uploads/{upload}/start",
                b"",
                "application/octet-stream",
                supersede="true" if supersede else None,
            )
        except Refused as refused:
            self._said.set_text(f"It was not started: {refused}")
            self._body.clear()
            return
        go(f"/floor/cycles/{begun['batch']}")


def most_refused(preview: Mapping[str, Any]) -> str:
    """A warning that one reason would refuse more than half of the rows; '' if none does."""
    first = preview["refusals"][0] if preview["refusals"] and preview["refused"] < preview["rows"] else None
    if first is None or 2 * first["count"] <= preview["rows"]:
        return ""
    return (
        f"{first['count']:,} of {preview['rows']:,} rows would be refused for one reason: is the file right?"
    )


def facts(preview: Mapping[str, Any]) -> dict[str, str]:
    """What is told of a preview: counts, and of new jobs the deadline and the forecast."""
    differing = f", {preview['differing']:,} of them with other content" if preview["differing"] else ""
    rows = {
        "Rows": f"{preview['rows']:,}",
        "New": f"{preview['new']:,}",
        "Known already": f"{preview['duplicates']:,}{differing}",
        "Refused": f"{preview['refused']:,}",
    }
    if preview["new"]:
        due = format.clock(datetime.fromisoformat(preview["due"]))
        rows["Due"] = f"{due}, with the SLA of {format.sla(preview['slaMinutes'])}"
        rows |= _forecast(preview)
    return rows


def _forecast(preview: Mapping[str, Any]) -> dict[str, str]:
    ahead = preview["forecast"]
    if ahead is None:
        return {"Done by about": "cannot be told yet: no job of this queue was done lately"}
    if ahead["doneAt"] is None:
        return {"Done by about": "never: nobody works on this queue"}
    rows = {
        "Done by about": format.clock(datetime.fromisoformat(ahead["doneAt"])),
        "On time": f"{format.percent(ahead['onTimeShare'])}, {ahead['late']:,} would be late",
    }
    if ahead["othersLate"]:
        rows["Open jobs"] = f"{ahead['othersLate']:,} more would be late because of these"
    return rows


def _title(new: int) -> str:
    return f"Start {format.count(new, 'job')}" if new else "Start"
