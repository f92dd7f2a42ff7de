"""What is read aloud: for those who listen, and only when it has become something else."""

from __future__ import annotations

from collections.abc import Hashable

from nicegui import ui

from hms_floor.pages.parts.format import put


class Spoken:
    """Words beside those that are seen, which may count every second: nobody wants that read to them."""

    def __init__(self, at_first: Hashable = None) -> None:
        self._label = ui.label("").classes("spoken").props('role="status"')
        self._key = at_first

    def say(self, key: Hashable, words: str) -> None:
        """Read the words aloud if `key` is another than last time; the first stand on the page anyway."""
        if key != self._key and self._key is not None:
            put(self._label, words)
        self._key = key
