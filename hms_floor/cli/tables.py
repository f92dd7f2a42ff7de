"""Tables that fit: what cannot be shown on a narrow terminal is left out, rather than cut everywhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich import box
from rich.console import JustifyMethod
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from hms_floor.cli import show


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    right: Collection[str] = (),
    wide: Collection[str] = (),
    spare: Sequence[str] = (),
) -> Table:
    """A table without ruling: columns in `right` hold numbers, those in `wide` may be broken into lines.

    On a narrow terminal the columns in `spare` are left out, the first one first, until the rest fits.
    """
    cells = [[show.plain(cell) for cell in row] for row in rows]
    kept = list(range(len(headers)))
    for header in (*spare, None):
        made = Table(
            box=box.SIMPLE_HEAD if show.unicode() else box.ASCII2,
            header_style="bold",
            padding=(0, 1, 0, 0),
            pad_edge=False,
            show_edge=False,
        )
        for name in (headers[place] for place in kept):
            justify: JustifyMethod = "right" if name in right else "left"
            made.add_column(name, justify=justify, no_wrap=name not in wide, overflow="fold")
        for row in cells:
            made.add_row(*(row[place] for place in kept))
        if _fits(made):
            break
        kept = [place for place in kept if headers[place] != header]
    return made


def facts(rows: Iterable[tuple[str, str | Text]]) -> Table:
    """Names and values, one a line."""
    made = Table.grid(Column(style="dim", no_wrap=True), Column(overflow="fold"), padding=(0, 2, 0, 0))
    for name, value in rows:
        made.add_row(name, show.plain(value))
    return made


def _fits(made: Table) -> bool:
    console = show.out()
    unbounded = console.options.update(max_width=show.UNBOUNDED)
    return Measurement.get(console, unbounded, made).maximum <= console.width
