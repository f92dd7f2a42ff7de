"""Print the preview of `hms cycle run --dry-run`: the jobs that the file would start."""

from __future__ import annotations

from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from hms_floor.cli.cycles.cycle_rows import repeated_table
from hms_floor.cli.terminal import show, tables
from hms_oms.documents.cycles import CyclePreview

#: Differing rows that are shown one by one.
DIFFERING_SHOWN = 20


def sheet(preview: CyclePreview) -> list[RenderableType]:
    """Counts, deadline and forecast of the new jobs, and why rows would be refused."""
    heading = Text.assemble(
        (show.plain(preview.name).plain, "bold"), f"  {preview.type}  (nothing was started)"
    )
    parts: list[RenderableType] = [heading, tables.facts(_facts(preview))]
    if preview.refusals:
        rows = [
            (show.count(refusal.count), refusal.field, refusal.reason, _lines(refusal.lines, refusal.count))
            for refusal in preview.refusals
        ]
        headers = ["rows", "field", "refused because", "on lines"]
        parts += ["", tables.table(headers, rows, right=["rows"], wide=headers[2:])]
    if preview.differing_rows:
        shown = list(preview.differing_rows[:DIFFERING_SHOWN])
        parts += ["", repeated_table(shown)]
        if len(shown) < preview.differing:
            parts.append(f"These are {len(shown):,} of {preview.differing:,} rows that differ.")
    return parts


def _facts(preview: CyclePreview) -> list[tuple[str, str | Text]]:
    facts: list[tuple[str, str | Text]] = [
        ("rows", f"{preview.rows:,}"),
        ("new", f"{preview.new:,}"),
        ("known already", _known(preview)),
        ("refused", show.count(preview.refused, show.STYLES["late"])),
    ]
    if preview.new:
        facts += [
            ("due", f"{show.moment(preview.due, preview.now)}, SLA {show.minutes(preview.sla_minutes)}"),
            *_forecast(preview, preview.now),
        ]
    return facts


def _known(preview: CyclePreview) -> str:
    differing = f", {preview.differing:,} of them differ" if preview.differing else ""
    replaceable = f"; --supersede replaces {preview.replaceable:,} jobs" if preview.replaceable else ""
    return f"{preview.duplicates:,}{differing}{replaceable}"


def _forecast(preview: CyclePreview, now: datetime) -> list[tuple[str, str | Text]]:
    ahead = preview.forecast
    if ahead is None:
        return [("done by about", "cannot be told yet: no job of this queue was done lately")]
    if ahead.done_at is None:
        return [("done by about", Text("never: nobody works on this queue", style=show.STYLES["late"]))]
    facts: list[tuple[str, str | Text]] = [("done by about", show.moment(ahead.done_at, now))]
    late = f"{show.share(preview.new - ahead.late, preview.new)}  ({ahead.late:,} would be late)"
    facts.append(("on time", Text(late, style=show.STYLES["late"] if ahead.late else "")))
    if ahead.others_late:
        facts.append(
            ("open jobs", Text(f"{ahead.others_late:,} more would be late because of these", style="yellow"))
        )
    return facts


def _lines(lines: tuple[int, ...], count: int) -> str:
    return ", ".join(map(str, lines)) + (", ..." if count > len(lines) else "")
