"""Parts of an incident's page: why and what helps, its time as a chart, all late jobs, what people said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from nicegui import ui

from hms_floor.api.access.roles import SEERS
from hms_floor.auth.tokens import Role
from hms_floor.pages.incidents.silences import clock
from hms_floor.pages.parts import html, undo
from hms_floor.pages.parts.charts import charts
from hms_floor.pages.parts.dialogs import Dialog, whole_number
from hms_floor.pages.parts.format import put, seconds, short
from hms_floor.pages.parts.html import Link
from hms_floor.pages.parts.spoken import Spoken
from hms_floor.pages.sign_in.session import Visitor
from hms_floor.presentation.audit import details

#: Late jobs on one page of the table.
ROWS = 50
#: What the late jobs can be sorted by, as people read it.
_ORDERS = {
    "deadline": "earliest deadline",
    "late": "latest",
    "key": "key",
    "name": "name",
    "status": "status",
}
#: A remedy that is one call: the route's verb, the field of its number with a label, and the button's words.
_REMEDIES = {
    "raise-limit": ("limit", ("startsPerMinute", "Starts a minute, at most"), "Raise the limit"),
    "lift-limit": ("limit", ("startsPerMinute", ""), "Lift the limit"),
    "raise-window": ("limit", ("window", "Window in front of the workers, jobs"), "Raise the window"),
    "resume": ("resume", None, "Resume"),
}


class Why:
    """Why jobs are late or will be, and the remedy as a button."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._queue = ""
        self._remedy: Mapping[str, Any] = {}
        self._words = ui.label("").classes("because")
        self._spoken = Spoken()
        self._button = ui.button("", icon="build", on_click=self._ask).props("dense")

    def show(self, document: Mapping[str, Any]) -> None:
        """Show the cause of an incident; the button only to those who may, and where a call mends it."""
        advice = document["advice"]
        put(self._words, f"{advice[0].upper()}{advice[1:]}" if advice else "")
        self._words.set_visibility(bool(advice))
        cause = document["facts"].get("cause") if advice else None
        remedy = cause["remedies"][0] if cause else {}
        self._spoken.say((document["state"], remedy.get("verb")), advice or document["state"])
        can = remedy.get("verb") in _REMEDIES and self._visitor.may(Role.MANAGER)
        self._button.set_visibility(can)
        if can:
            self._queue, self._remedy = document["queue"], remedy
            self._button.set_text(self._title())

    def _title(self) -> str:
        number = self._remedy["number"]
        title = _REMEDIES[self._remedy["verb"]][2]
        return title if number is None else f"{title} to {number:,}"

    def _ask(self) -> None:
        verb, field, _ = _REMEDIES[self._remedy["verb"]]
        queue, number = self._queue, self._remedy["number"]
        with Dialog(f"{self._title()}: {queue}") as dialog:
            # How much is enough is not known before some steps of the queue were measured.
            unknown = field and number is None and self._remedy["verb"] != "lift-limit"
            typed = dialog.text(field[1]).props("inputmode=numeric") if field and unknown else None
            reason = dialog.text("Why?")

            async def act() -> None:
                enough = number if typed is None else whole_number(typed.value)
                body = {**({field[0]: enough} if field else {}), "reason": reason.value or None}
                answer = await self._visitor.ask.post(f"/queues/{queue}/{verb}", body)
                message = f"The limits of {queue} are set." if field else f"{queue} is resumed."
                undo.offer(self._visitor, message, answer["undo"])

            dialog.does("Set" if field else "Resume", act)


class Trend:
    """The queue in the time of the incident."""

    def __init__(self) -> None:
        self._shown: object = None
        self._chart = charts.show(charts.lines({}), "Open jobs, late jobs and jobs done a minute", tall=True)

    def show(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Draw it, if it has changed."""
        if points == self._shown:
            return
        self._shown = points
        lines = {
            title: [(_milliseconds(point["at"]), point[name]) for point in points]
            for title, name in (("open", "open"), ("late", "late"), ("done a minute", "donePerMinute"))
        }
        charts.replace(self._chart, charts.lines(lines, (charts.BLUE, charts.RED, charts.GREEN), unit="jobs"))


class LateJobs:
    """All late jobs, sorted as the reader wants them, page by page."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._incident: int | None = None
        self._skip = 0
        # Names are in payloads, and not for every badge.
        self._named = visitor.may(*SEERS)
        orders = {order: words for order, words in _ORDERS.items() if self._named or order != "name"}
        with ui.element("div").classes("row"):
            self._order = ui.select(orders, value="deadline", label="Sorted by", on_change=self._sort)
            self._order.props("outlined dense")
            self._before = ui.button("Previous", on_click=lambda: self._turn(-ROWS)).props("flat dense")
            self._place = ui.label("").classes("faint")
            self._after = ui.button("Next", on_click=lambda: self._turn(ROWS)).props("flat dense")
        headers = ("Job", *(["Name"] if self._named else []), "Late by", "Deadline", "Key", "Status")
        self._table = html.Table(headers, numbers=("Late by",), caption="Late jobs")

    async def show(self, incident: int) -> None:
        """Show the page of the table that the reader has turned to."""
        self._incident = incident
        page = await self._visitor.ask.get(
            f"/incidents/{incident}/jobs", order=self._order.value, limit=ROWS, cursor=self._skip or None
        )
        self._table.show([_late(job, named=self._named) for job in page["jobs"]])
        last = self._skip + len(page["jobs"])
        put(self._place, f"{self._skip + 1:,} to {last:,} of {page['total']:,}" if last else "No late job.")
        self._before.set_enabled(self._skip > 0)
        self._after.set_enabled(page["next"] is not None)

    async def _sort(self) -> None:
        self._skip = 0
        await self._turn(0)

    async def _turn(self, rows: int) -> None:
        self._skip = max(0, self._skip + rows)
        if self._incident is not None:
            await self.show(self._incident)


class Comments:
    """The button that asks what somebody has to say."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._incident: int | None = None
        self._button = ui.button("Comment", icon="chat", on_click=self._ask).props("outline dense")
        self._button.set_visibility(visitor.may(Role.ONCALL, Role.MANAGER))

    def show(self, incident: int) -> None:
        """Comments are about this one."""
        self._incident = incident

    def _ask(self) -> None:
        path = f"/incidents/{self._incident}/comments"
        with Dialog("Comment", "It is kept in the history of the incident.") as dialog:
            words = dialog.text("What is there to say?")

            async def act() -> str:
                await self._visitor.ask.post(path, {"text": words.value or ""})
                return "Your comment is kept."

            dialog.does("Comment", act)


def people(actions: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str, str]]:
    """What people did, as rows of a table."""
    return [
        (clock(action["at"]) or "", action["who"], _action(action), action["reason"] or "")
        for action in actions
    ]


def _action(action: Mapping[str, Any]) -> str:
    detail = details.detail(action["detail"], short)
    return f"{action['action'].rsplit('/', 1)[-1]}{f': {detail}' if detail else ''}"


def _late(job: Mapping[str, Any], *, named: bool) -> tuple[html.Cell, ...]:
    name = [job["name"] or ""] if named else []
    return (
        Link(job["job"], f"/floor/jobs/{job['job']}"),
        *name,
        seconds(job["lateSeconds"]),
        clock(job["deadline"]) or "",
        job["key"] or "",
        job["status"],
    )


def _milliseconds(at: str) -> float:
    return 1000 * datetime.fromisoformat(at).timestamp()
