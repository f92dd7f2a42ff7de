"""The SLA report as a PDF: its tables, a chart of its days, on numbered pages.

Names of queues, causes and time zones are all that stands in it: the fonts that every reader of PDF has are
enough, and a sign that they lack is shown as a question mark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hms_floor.presentation.foresight import record_words
from hms_floor.presentation.reports import sla_words
from hms_oms.api.codec import document
from hms_oms.runtime import format
from hms_ops.documents.reports import SlaReport

if TYPE_CHECKING:
    from fpdf import FPDF

PDF = "application/pdf"

#: The height of the chart, and the widest that one of its bars is, in millimetres.
_HEIGHT, _BAR = 34.0, 18.0
#: More days than this have no room for their names.
_MOST_DRAWN = 31
_GREEN, _RED, _GREY = (46, 125, 70), (190, 45, 45), (110, 110, 110)
#: How wide columns are to each other: a name and numbers, and what is told of a miss.
_WIDE, _NARROW = 2.2, 1.0
_MISS_WIDTHS = (0.9, 1.4, 0.8, 1.3, 0.7, 0.9, 3.4)


def file(report: SlaReport, queue: str | None, made_at: datetime) -> bytes:
    """The report of one queue or (None) of all as a file; times are those of its own zone."""
    shown, zone = document(report), ZoneInfo(report.zone)
    sheet = _sheet(f"Made {format.minute(made_at, zone)}. Times are those of {zone}.", made_at)
    since, until = format.minute(report.since, zone), format.minute(report.until, zone)
    title = f"Deadlines met: {queue or 'all queues'}"
    sheet.set_title(_plain(title))
    _line(sheet, title, size=16, style="B")
    _line(sheet, f"From {since} until before {until}, time zone {zone}")
    whole = report.whole
    if whole.ended + whole.open_late:
        due = format.count(whole.ended + whole.open_late, "job was", "jobs were")
        _line(sheet, f"{format.percent(whole.share_of_due)} on time: {due} due, {whole.missed:,} missed.")
        _chart(sheet, shown["days"])
        rows = [(name, *sla_words.numbers(counts)) for name, counts in shown["queues"].items()]
        if queue is None:
            rows.append(("all queues", *sla_words.numbers(shown["whole"])))
        _table(sheet, "By queue", sla_words.HEADERS, rows)
    else:
        _line(sheet, "No job was due in this time.")
    days = [(day, *sla_words.numbers(counts)) for day, counts in shown["days"].items()]
    _table(sheet, "By day", ("Day", *sla_words.HEADERS[1:]), days)
    _note(sheet, f"{sla_words.RULE} Days are those of {zone}.")
    _misses(sheet, shown["worst"], zone)
    if shown["forecasts"]:
        records = [record_words.row(name, record) for name, record in shown["forecasts"].items()]
        _table(sheet, "How good the forecasts were", record_words.HEADERS, records, size=7)
        _note(sheet, record_words.MEANING)
    return bytes(sheet.output())


def _sheet(foot: str, made_at: datetime) -> FPDF:
    """An empty file whose pages have a foot with their number."""
    from fpdf import FPDF

    class Sheet(FPDF):
        def footer(self) -> None:
            self.set_y(-12)
            self.set_font("Helvetica", size=8)
            self.set_text_color(*_GREY)
            self.cell(0, 6, _plain(foot))
            self.set_x(self.l_margin)
            self.cell(0, 6, f"Page {self.page_no()} of {{nb}}", align="R")

    sheet = Sheet(orientation="landscape", format="letter")
    sheet.set_auto_page_break(auto=True, margin=16)
    sheet.set_lang("en")
    sheet.set_creation_date(made_at)
    sheet.add_page()
    return sheet


def _misses(sheet: FPDF, worst: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> None:
    rows = []
    for entry in worst:
        deadline = format.short(datetime.fromisoformat(entry["deadline"]), zone)
        rows.append((entry["job"], *sla_words.miss(entry, deadline)))
    if rows:
        _table(sheet, "Worst misses", sla_words.MISS_HEADERS, rows, widths=_MISS_WIDTHS, numbers=False)


def _chart(sheet: FPDF, days: Mapping[str, Mapping[str, Any]]) -> None:
    """Bars of the days: on time in green, missed in red above it, with the numbers over them."""
    drawn = {day: (counts["onTime"], counts["missed"]) for day, counts in days.items()}
    most = max((sum(parts) for parts in drawn.values()), default=0)
    if not most or len(drawn) > _MOST_DRAWN:
        return
    _heading(sheet, "Day by day: on time (green) and missed (red)")
    foot = sheet.get_y() + 5 + _HEIGHT
    room = sheet.epw / len(drawn)
    width = min(_BAR, 0.6 * room)
    sheet.set_font("Helvetica", size=7)
    for place, (day, parts) in enumerate(drawn.items()):
        left, top = sheet.l_margin + place * room, foot
        for number, colour in zip(parts, (_GREEN, _RED), strict=True):
            height = _HEIGHT * number / most
            top -= height
            if number:
                with sheet.local_context(fill_color=colour):
                    sheet.rect(left + (room - width) / 2, top, width, height, style="F")
        sheet.set_xy(left, top - 4)
        sheet.cell(room, 4, f"{sum(parts):,}" if sum(parts) else "", align="C")
        sheet.set_xy(left, foot + 0.5)
        sheet.cell(room, 4, day[5:], align="C")
    sheet.line(sheet.l_margin, foot, sheet.l_margin + sheet.epw, foot)
    sheet.set_xy(sheet.l_margin, foot + 6)


def _table(
    sheet: FPDF,
    title: str,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    widths: Sequence[float] | None = None,
    numbers: bool = True,
    size: int = 8,
) -> None:
    from fpdf.enums import TableBordersLayout
    from fpdf.fonts import FontFace

    _heading(sheet, title)
    sheet.set_font("Helvetica", size=size)
    aligned = ("LEFT", *("RIGHT" if numbers else "LEFT" for _ in headers[1:]))
    with sheet.table(
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        col_widths=widths or (_WIDE, *(_NARROW for _ in headers[1:])),
        headings_style=FontFace(emphasis="BOLD"),
        line_height=0.55 * size,
        padding=(0.6, 1),
        text_align=aligned,
    ) as table:
        for row in (headers, *rows):
            table.row([_plain(cell) for cell in row])


def _heading(sheet: FPDF, words: str) -> None:
    sheet.ln(3)
    # A heading does not stand alone at the end of a page.
    if sheet.will_page_break(24):
        sheet.add_page()
    _line(sheet, words, size=11, style="B")
    sheet.ln(1)


def _note(sheet: FPDF, words: str) -> None:
    sheet.ln(1)
    with sheet.local_context(text_color=_GREY):
        _line(sheet, words, size=8)


def _line(sheet: FPDF, words: str, *, size: int = 10, style: str = "") -> None:
    sheet.set_font("Helvetica", style=style, size=size)
    sheet.multi_cell(0, 0.5 * size, _plain(words), new_x="LMARGIN", new_y="NEXT", align="L")


def _plain(words: str) -> str:
    return words.encode("latin-1", "replace").decode("latin-1")
