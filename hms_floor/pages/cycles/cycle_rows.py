"""Rows of a file that made no job: counted by reason, shown one by one, and downloaded whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from hms_floor.auth.tokens import Role
from hms_floor.pages.parts import format, html
from hms_floor.pages.parts.html import Link
from hms_floor.pages.parts.toasts import tell
from hms_floor.pages.sign_in.api_client import Refused
from hms_floor.pages.sign_in.session import Visitor
from hms_floor.presentation import spreadsheets

#: Rows that are shown at a time.
SHOWN = 50

Document = Mapping[str, Any]


class LeftRows:
    """The refused and the differing rows of a cycle, more of them with every click, and all as a file."""

    def __init__(self, visitor: Visitor, cycle: Document) -> None:
        self._visitor = visitor
        self._cycle = cycle

    async def show(self) -> None:
        """Show what there is; nothing if every row was taken."""
        if self._cycle["refused"]:
            with ui.element("section").classes("card").props('aria-label="Refused"'):
                await self._refused()
        if self._cycle["differing"]:
            with ui.element("section").classes("card").props('aria-label="Differing"'):
                await self._list("duplicates", differing_table, self._cycle["differing"], differing="true")

    async def _refused(self) -> None:
        number = self._cycle["refused"]
        refusals(self._cycle["refusals"], number)
        if not self._cycle["refusals"]:
            ui.label("The rows were not kept: an older version has run this cycle.").classes("faint")
        elif self._visitor.may(Role.OPERATOR, Role.MANAGER):
            with ui.element("div").classes("row"):
                for kind, title in (("csv", "CSV"), ("xlsx", "Excel")):
                    button = ui.button(f"All as {title}", icon="download").props("outline dense")
                    button.on_click(lambda kind=kind: self._download(kind))
            await self._list("refused", refused_table, number)

    async def _list(self, what: str, table: Any, whole: int, **query: str) -> None:
        place = ui.element("div")
        more = ui.button(f"Show {SHOWN} more").props("flat dense")
        rows: list[Document] = []
        cursor: str | None = None

        async def grow() -> None:
            nonlocal cursor
            path = f"/cycles/{self._cycle['batch']}/{what}"
            try:
                page = await self._visitor.ask.get(path, limit=SHOWN, cursor=cursor, **query)
            except Refused as refused:
                tell(refused)
                return
            rows.extend(page["rows"])
            cursor = page["next"]
            place.clear()
            with place:
                table(rows, whole)
            more.set_visibility(cursor is not None and len(rows) < whole)

        more.on_click(grow)
        await grow()

    async def _download(self, kind: str) -> None:
        number = self._cycle["batch"]
        try:
            content = await self._visitor.ask.download(f"/cycles/{number}/refused.{kind}")
        except Refused as refused:
            tell(refused)
            return
        media_type = spreadsheets.XLSX if kind == "xlsx" else spreadsheets.CSV
        ui.download.content(content, f"cycle-{number}-refused.{kind}", media_type)


def refusals(counted: Sequence[Document], number: int, *, would_be: bool = False) -> None:
    """Why rows were refused, each reason with the number of rows and the first lines."""
    if not number:
        return
    verb = "would be" if would_be else "was" if number == 1 else "were"
    with ui.element("h2"):
        ui.label(f"{format.count(number, 'row')} {verb} refused")
    html.table(
        ("Rows", "Field", "Why", "On lines"),
        [
            (f"{refusal['count']:,}", refusal["field"], refusal["reason"], _lines(refusal))
            for refusal in counted
        ],
        numbers=("Rows",),
        wide=("Why",),
        caption="Reasons",
    )


def refused_table(rows: Sequence[Document], whole: int) -> None:
    """Refused rows one by one, and how many of how many these are."""
    if not rows:
        return
    cells = [(f"{row['line']}", row["field"], row["reason"], row["original"] or "") for row in rows]
    headers = ("Line", "Field", "Why", "Row")
    html.table(headers, cells, numbers=("Line",), wide=("Why", "Row"), caption="Refused rows")
    _tell_rest(len(rows), whole)


def differing_table(rows: Sequence[Document], whole: int) -> None:
    """Rows with other content than the job that has their key, and how many of how many these are."""
    if not rows:
        return
    with ui.element("h2"):
        verb = "differs" if whole == 1 else "differ"
        ui.label(f"{format.count(whole, 'row')} {verb} from the job with the same key")
    cells = [(f"{row['line']}", _job(row["job"]), _differences(row["differences"])) for row in rows]
    headers = ("Line", "Job", "Differs in")
    html.table(headers, cells, numbers=("Line",), wide=("Differs in",), caption="Differing rows")
    _tell_rest(len(rows), whole)


def _tell_rest(shown: int, whole: int) -> None:
    if shown < whole:
        ui.label(f"These are the first {shown:,} of {whole:,}.").classes("faint")


def _job(job: str | None) -> html.Cell:
    return Link(job, f"/floor/jobs/{job}") if job else "an earlier row"


def _differences(row: Document) -> str:
    parts = []
    for field, pair in row.items():
        there = "" if pair["known"] is None else f"{pair['known']} there, "
        parts.append(f"{field}: {there}{pair['sent']} here")
    return "; ".join(parts)


def _lines(refusal: Document) -> str:
    return ", ".join(map(str, refusal["lines"])) + (
        ", ..." if refusal["count"] > len(refusal["lines"]) else ""
    )
