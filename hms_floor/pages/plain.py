"""Plain links, and plain tables: text in cells, escaped here; some cells are links."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement


class _Anchor(TextElement):
    def __init__(self, words: str, target: str) -> None:
        super().__init__(tag="a", text=words)
        self._props["href"] = target


def link(words: str, target: str) -> ui.element:
    """A link to an address of this site; NiceGUI's own ones lead nowhere but below the pages."""
    return _Anchor(words, target)


class Link:
    """A cell that leads somewhere on the floor."""

    def __init__(self, words: str, target: str) -> None:
        self.words, self.target = words, target


Cell = str | Link


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    numbers: Sequence[str] = (),
    wide: Sequence[str] = (),
    caption: str,
) -> None:
    """Show a table; the columns named in `numbers` are set to the right, those in `wide` hold sentences."""
    shown = markup(headers, rows, numbers=numbers, wide=wide, caption=caption)
    ui.html(shown, sanitize=False).classes("scroll")


def markup(
    headers: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    numbers: Sequence[str] = (),
    wide: Sequence[str] = (),
    caption: str,
) -> str:
    """The same as HTML; whatever the cells hold is text in it."""
    kinds = {**dict.fromkeys(numbers, ' class="number"'), **dict.fromkeys(wide, ' class="wide"')}
    right = [kinds.get(header, "") for header in headers]
    head = "".join(
        f'<th scope="col"{kind}>{escape(header)}</th>' for header, kind in zip(headers, right, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{_cell(cell)}</td>" for cell, kind in zip(row, right, strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f'<table class="plain" aria-label="{escape(caption, quote=True)}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cell(cell: Cell) -> str:
    if isinstance(cell, Link):
        return f'<a href="{escape(cell.target, quote=True)}">{escape(cell.words)}</a>'
    return escape(cell)
