"""Parts of a page that change under the reader's eyes: what stays the same keeps its focus and choice."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from hms_floor.pages.parts.format import put
from hms_floor.pages.parts.html import Anchor, Link, link

Item = TypeVar("Item")


class Section:
    """A part that is built again when what it shows has changed: for text, never for buttons or fields."""

    def __init__(self) -> None:
        self._body = ui.element("div")
        self._key: object = None

    def show(self, key: object, build: Callable[[], None]) -> None:
        """Build the content if `key` is another than last time."""
        if key == self._key:
            return
        self._key = key
        self._body.clear()
        with self._body:
            build()


class Rows(Generic[Item]):
    """Elements known by a key: new ones are built, those that are gone are taken away, all others stay."""

    def __init__(self, classes: str = "", tag: str = "div", row_tag: str = "div") -> None:
        self._place = ui.element(tag).classes(classes)
        self._row_tag = row_tag
        self._rows: dict[Hashable, ui.element] = {}

    def show(self, items: Mapping[Hashable, Item], build: Callable[[Item], object]) -> None:
        """Show these, in this order."""
        for key in self._rows.keys() - items.keys():
            self._rows.pop(key).delete()
        order = list(self._rows)
        for place, (key, item) in enumerate(items.items()):
            if key not in self._rows:
                with self._place, ui.element(self._row_tag) as self._rows[key]:
                    build(item)
                order.append(key)
            if order[place] != key:
                order.remove(key)
                order.insert(place, key)
                self._rows[key].move(self._place, place)
        self._rows = {key: self._rows[key] for key in items}


class Facts:
    """Names with their values; a name that has none is not shown."""

    def __init__(self, classes: str = "") -> None:
        self._list = ui.element("dl").classes(f"facts {classes}")
        self._pairs: dict[str, tuple[ui.element, TextElement]] = {}

    def show(self, facts: Mapping[str, object], late: str | None = None) -> None:
        """Show these; a value may be a Link, and the one named `late` is shown as bad news."""
        for name, value in facts.items():
            has_value = value not in (None, "")
            if name not in self._pairs:
                self._add(name, value)
            pair, shown = self._pairs[name]
            pair.set_visibility(has_value)
            if isinstance(value, Link) and isinstance(shown, Anchor):
                put(shown, value.words)
                shown.lead(value.target)
            elif has_value:
                put(shown, str(value))
            shown.classes(add="late") if name == late else shown.classes(remove="late")

    def _add(self, name: str, value: object) -> None:
        with self._list, ui.element("div") as pair:
            with ui.element("dt"):
                ui.label(name)
            with ui.element("dd"):
                shown = link("", value.target) if isinstance(value, Link) else ui.label("")
        self._pairs[name] = (pair, shown)


class Light:
    """A light: a colour, a shape and a word."""

    def __init__(self) -> None:
        self._label = ui.label("").classes("light unknown")
        self._was = "unknown"

    def show(self, light: str, word: str) -> None:
        """Show one of board.LIGHTS, with its word."""
        put(self._label, word)
        if light != self._was:
            self._label.classes(remove=self._was, add=light)
            self._was = light
