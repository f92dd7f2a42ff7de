"""Tables that fit: on a narrow terminal columns are left out and named, or rows become lists.

A number, id or time that is cut is read as another one. So only texts in `wide` columns are broken into
lines, between words, and never within a number: of file names and addresses, behind a sign.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Group, JustifyMethod, RenderableType
from rich.table import Column, Table
from rich.text import Text

from hms_floor.cli.terminal import show

#: A column of texts is not made narrower than this if it has more to show.
LEAST_TEXT = 12
#: Words that may be broken behind a sign: long ones with letters in them, as file names and addresses are.
_LONG = re.compile(r"(?=\S*[^\W\d_]{4})\S{21,}")
_PIECES = re.compile(r"[^-_/.=&?]*[-_/.=&?]+|[^-_/.=&?]+")
_GAP = 2

Row = Sequence[Text]


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    right: Collection[str] = (),
    wide: Collection[str] = (),
    spare: Sequence[str] = (),
) -> RenderableType:
    """A table without ruling: columns in `right` hold numbers, those in `wide` may be broken into lines.

    On a narrow terminal the columns in `spare` are left out, the first one first, until the rest fits; if it
    never does, each row becomes a list of names and values.
    """
    cells = [[show.plain(cell) for cell in row] for row in rows]
    kept, widths = _fitting(headers, cells, wide, spare)
    if widths is None:
        return _lists(headers, cells)
    made = _made([headers[place] for place in kept], right, wide, widths)
    for row in cells:
        made.add_row(*(_broken(row[place], widths.get(headers[place])) for place in kept))
    left_out = [name for place, name in enumerate(headers) if place not in kept]
    if not left_out:
        return made
    note = f"Left out for lack of width: {', '.join(left_out)}"
    return Group(made, *(_uncut(line, style="dim") for line in _wrapped(note)))


def facts(rows: Iterable[tuple[str, str | Text]]) -> RenderableType:
    """Names and values, one a line."""
    pairs = [(name, show.plain(value)) for name, value in rows]
    room = show.out().width - max((cell_len(name) for name, _ in pairs), default=0) - _GAP
    if any(_least([value]) > room for _, value in pairs):
        return Group(*(_fact(name, value) for name, value in pairs))
    made = Table.grid(Column(style="dim", no_wrap=True), Column(overflow="fold"), padding=(0, _GAP, 0, 0))
    for name, value in pairs:
        made.add_row(name, value)
    return made


def _fitting(
    headers: Sequence[str], cells: Sequence[Row], wide: Collection[str], spare: Sequence[str]
) -> tuple[list[int], Mapping[str, int] | None]:
    """The places of the columns that fit, and the widths of those of texts; no widths if nothing fits."""
    kept = list(range(len(headers)))
    whole = [max((_width(row[place]) for row in cells), default=0) for place in kept]
    whole = [max(cell_len(name), width) for name, width in zip(headers, whole, strict=True)]
    room = show.out().width
    for header in (*spare, None):
        if _total(whole[place] for place in kept) <= room:
            return kept, {}
        if header is not None:
            kept = [place for place in kept if headers[place] != header]
    least = {
        place: min(whole[place], _least([Text(headers[place]), *(row[place] for row in cells)]))
        for place in kept
        if headers[place] in wide
    }
    over = _total(least.get(place, whole[place]) for place in kept) - room
    if over > 0:
        return kept, None
    return kept, {headers[place]: width for place, width in _shared(least, whole, -over).items()}


def _shared(least: Mapping[int, int], whole: Sequence[int], room: int) -> dict[int, int]:
    """The widths of columns that all want more than there is, each with its part of the room."""
    widths = dict(least)
    while room > 0 and (short := [place for place in widths if widths[place] < whole[place]]):
        part = max(1, room // len(short))
        for place in short[:room]:
            more = min(part, whole[place] - widths[place])
            widths[place] += more
            room -= more
    return widths


def _made(
    headers: Sequence[str], right: Collection[str], wide: Collection[str], widths: Mapping[str, int]
) -> Table:
    made = Table(
        box=box.SIMPLE_HEAD if show.unicode() else box.ASCII2,
        header_style="bold",
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for name in headers:
        justify: JustifyMethod = "right" if name in right else "left"
        made.add_column(
            name, justify=justify, no_wrap=name not in wide, overflow="fold", width=widths.get(name)
        )
    return made


def _total(widths: Iterable[int]) -> int:
    """The width of a table of such columns."""
    every = list(widths)
    return sum(every) + _GAP * (len(every) - 1)


def _width(cell: Text) -> int:
    return max(map(cell_len, cell.plain.splitlines()), default=0)


def _least(cells: Iterable[Text]) -> int:
    """Least width of a column: no word with a digit is broken, and few others are."""
    words = [piece for cell in cells for word in cell.plain.split() for piece in _pieces(word)]
    whole = max((cell_len(word) for word in words if re.search(r"\d", word)), default=0)
    others = max((cell_len(word) for word in words), default=0)
    return max(whole, min(others, LEAST_TEXT))


def _pieces(word: str) -> list[str]:
    return _PIECES.findall(word) if _LONG.fullmatch(word) else [word]


def _broken(cell: Text, width: int | None) -> Text:
    """The cell with its long words broken into lines of this width behind a sign."""
    if width is None or not any(cell_len(word) > width for word in cell.plain.split()):
        return cell
    words = [_filled(_pieces(word), width) for word in cell.plain.split()]
    return Text(" ".join(words), style=cell.style)


def _filled(pieces: Sequence[str], width: int) -> str:
    lines = [""]
    for piece in pieces:
        if lines[-1] and cell_len(lines[-1] + piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def _lists(headers: Sequence[str], cells: Sequence[Row]) -> Group:
    lists = [
        Group(*(_fact(name, cell) for name, cell in zip(headers, row, strict=True) if cell.plain))
        for row in cells
    ]
    return Group(*(part for block in lists for part in (block, Text(""))))


def _fact(name: str, value: Text) -> Text:
    label = _uncut(f"{name}: " if name else "", style="dim")
    return Text.assemble(label, value, no_wrap=True, overflow="ignore")


def _wrapped(note: str) -> list[str]:
    return textwrap.wrap(note, show.out().width, break_long_words=False, break_on_hyphens=False)


def _uncut(text: str, style: str = "") -> Text:
    """A line that the terminal breaks, if it must."""
    return Text(text, style=style, no_wrap=True, overflow="ignore")
