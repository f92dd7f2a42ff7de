"""A line below the bar of every page while a part is silent or refuses."""

from __future__ import annotations

from nicegui import ui

from hms_floor.observer import Observer
from hms_floor.pages.parts.spoken import Spoken
from hms_ops import health
from hms_ops.health import BAD, WARN, Part

#: How often an open page looks, in seconds; nobody else is asked.
LOOK_SECONDS = 1.0

_observers: list[Observer] = []


def start(observer: Observer) -> None:
    """Show on the pages of this process what this observer sees."""
    _observers[:] = [observer]


def lines(path: str) -> None:
    """The lines of the page at `path`; the first page says in amber, too, that nobody real is on call."""
    spoken = Spoken()
    place = ui.element("div").classes("silences").props('role="group" aria-label="What has failed"')
    shown: list[tuple[str, ui.label]] = []

    def look() -> None:
        limits = _wanted(path)
        sentences = " ".join(map(_sentence, limits)) or "Every part is back."
        spoken.say(tuple((part.name, part.light) for part in limits), sentences)
        if [light for light, _ in shown] == [part.light for part in limits]:
            for (_, label), part in zip(shown, limits, strict=True):
                label.set_text(_sentence(part))
            return
        place.clear()
        with place:
            shown[:] = [
                (part.light, ui.label(_sentence(part)).classes(f"silence {part.light}")) for part in limits
            ]

    look()
    ui.timer(LOOK_SECONDS, look, immediate=False)


def _wanted(path: str) -> list[Part]:
    parts = _observers[0].parts() if _observers and _observers[0].looked else []
    first = path == "/floor/"
    return [
        part
        for part in health.troubles(parts)
        if part.light == BAD or (first and part.light == WARN and part.name == "on call")
    ]


def _sentence(part: Part) -> str:
    return f"{part.words[0].upper()}{part.words[1:]}."
