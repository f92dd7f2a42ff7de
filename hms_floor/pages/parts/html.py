"""Plain links, and plain tables that change in place; some cells are links, all others are text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from hms_floor import subpath
from hms_floor.pages.parts.format import visible


class Anchor(TextElement):
    """A link to an address of the floor."""

    def __init__(self, words: str, target: str) -> None:
        super().__init__(tag="a", text=visible(words))
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


class Mark:
    """A cell that looks different: `look` names classes of the style sheet, none for an ordinary cell."""

    def __init__(self, words: str, look: str) -> None:
        self.words, self.look = words, look


Cell = str | Link | Mark


class Table(Element, component="plaintable.js"):
    """A table; the columns named in `numbers` are set to the right, those in `wide` hold sentences.

    Those in `wraps` hold few words, or one that is long, and may be broken anywhere.

    In place of a table without rows stand the words `empty`, if any. A row is known by its cell in the column
    `key`, the first if none is named: it stays the same one for the reader when its other cells change. Rows
    can be chosen if there is an `on_choose`, which gets their keys.
    """

    def __init__(
        self,
        headers: Sequence[str],
        *,
        caption: str,
        numbers: Sequence[str] = (),
        wide: Sequence[str] = (),
        wraps: Sequence[str] = (),
        key: str | None = None,
        on_choose: Callable[[list[str]], None] | None = None,
        empty: str | None = None,
    ) -> None:
        self._empty = None if empty is None else ui.label(empty).classes("nothing")
        super().__init__()
        self._key = list(headers).index(key) if key else 0
        kinds = {
            **dict.fromkeys(numbers, "number"),
            **dict.fromkeys(wide, "wide"),
            **dict.fromkeys(wraps, "wraps"),
        }
        self._props["columns"] = [{"name": name, "kind": kinds.get(name, "")} for name in headers]
        self._props["caption"] = caption
        self._props["rows"] = []
        self._props["choosable"] = on_choose is not None
        if on_choose is not None:
            self.on("choose", lambda event: on_choose(event.args))

    def show(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Show these rows; what has not changed is not sent."""
        if self._empty is not None:
            self._empty.set_visibility(not rows)
            self.set_visibility(bool(rows))
        shown = _rows(rows, self._key, subpath.root(self.client.request.scope))
        if shown != self._props["rows"]:
            self._props["rows"] = shown
            self.update()

    def choose_none(self) -> None:
        """Take all choices back; `on_choose` is not called."""
        self.run_method("chooseNone")


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    numbers: Sequence[str] = (),
    wide: Sequence[str] = (),
    wraps: Sequence[str] = (),
    caption: str,
) -> Table:
    """Show a table of these rows."""
    shown = Table(headers, caption=caption, numbers=numbers, wide=wide, wraps=wraps)
    shown.show(rows)
    return shown


def _rows(rows: Sequence[Sequence[Cell]], key: int, root: str) -> list[dict[str, Any]]:
    keys: Counter[str] = Counter()
    shown = []
    for row in rows:
        known_by = row[key]
        name = known_by if isinstance(known_by, str) else known_by.words
        keys[name] += 1
        unique = name if keys[name] == 1 else f"{name} {keys[name]}"
        shown.append({"key": unique, "cells": [_cell(cell, root) for cell in row]})
    return shown


def _cell(cell: Cell, root: str) -> str | dict[str, str]:
    if isinstance(cell, str):
        return visible(cell)
    words = visible(cell.words)
    if isinstance(cell, Link):
        return {"words": words, "target": root + cell.target}
    return {"words": words, "look": cell.look} if cell.look else words
