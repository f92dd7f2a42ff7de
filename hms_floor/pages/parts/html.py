"""Plain links, and plain tables that change in place; some cells are links, all others are text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from hms_floor import subpath


class Anchor(TextElement):
    """A link to an address of the floor."""

    def __init__(self, words: str, target: str) -> None:
        super().__init__(tag="a", text=words)
        self.lead(target)

    def lead(self, target: str) -> None:
        """Lead to this address."""
        self.props["href"] = subpath.root(self.client.request.scope) + target


def link(words: str, target: str) -> Anchor:
    """A link to an address of this site; NiceGUI's own ones lead nowhere but below the pages."""
    return Anchor(words, target)


class Link:
    """A cell that leads somewhere on the floor."""

    def __init__(self, words: str, target: str) -> None:
        self.words, self.target = words, target


Cell = str | Link


class Table(Element, component="plaintable.js"):
    """A table; the columns named in `numbers` are set to the right, those in `wide` hold sentences.

    A row is known by its first cell: it stays the same one for the reader when its other cells change.
    """

    def __init__(
        self,
        headers: Sequence[str],
        *,
        caption: str,
        numbers: Sequence[str] = (),
        wide: Sequence[str] = (),
    ) -> None:
        super().__init__()
        kinds = {**dict.fromkeys(numbers, "number"), **dict.fromkeys(wide, "wide")}
        self._props["columns"] = [{"name": name, "kind": kinds.get(name, "")} for name in headers]
        self._props["caption"] = caption
        self._props["rows"] = []

    def show(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Show these rows; what has not changed is not sent."""
        shown = _rows(rows, subpath.root(self.client.request.scope))
        if shown != self._props["rows"]:
            self._props["rows"] = shown
            self.update()


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    numbers: Sequence[str] = (),
    wide: Sequence[str] = (),
    caption: str,
) -> Table:
    """Show a table of these rows."""
    shown = Table(headers, caption=caption, numbers=numbers, wide=wide)
    shown.show(rows)
    return shown


def _rows(rows: Sequence[Sequence[Cell]], root: str) -> list[dict[str, Any]]:
    seen: Counter[str] = Counter()
    shown = []
    for row in rows:
        first = row[0].words if isinstance(row[0], Link) else row[0]
        seen[first] += 1
        shown.append({"key": f"{first} {seen[first]}", "cells": [_cell(cell, root) for cell in row]})
    return shown


def _cell(cell: Cell, root: str) -> str | dict[str, str]:
    return {"words": cell.words, "target": root + cell.target} if isinstance(cell, Link) else cell
