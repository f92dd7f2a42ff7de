"""The numbers of a queue, as its page has them below its name: each tells why it is what it is."""

from __future__ import annotations

from collections.abc import Mapping

from nicegui import ui

from hms_floor.pages.parts import format
from hms_floor.pages.parts.format import put
from hms_floor.pages.queues.why import Why
from hms_floor.presentation.overview import Card


class Figures:
    """The counts and rates of a queue, and below them what else is to be known."""

    def __init__(self, queue: str) -> None:
        with ui.element("div").classes("row faint number"):
            self._numbers = {name: Why(name, queue) for name in figures_of(Card(queue))}
        self._notes = ui.label("").classes("faint")

    def show(self, card: Card) -> None:
        """Show how the queue stands; only what has changed is sent."""
        for name, words in figures_of(card).items():
            put(self._numbers[name], words)
        self._numbers["held"].set_visibility(bool(card.held))
        notes = ", ".join(_notes(card))
        put(self._notes, notes)
        self._notes.set_visibility(bool(notes))


def figures_of(card: Card) -> Mapping[str, str]:
    """Counts and rates of a queue in words, by the names of their definitions."""
    return {
        "ready": f"{card.backlog or 0:,} ready",
        "delayed": f"{card.delayed or 0:,} delayed",
        "queued": f"{card.window or 0:,} queued",
        "running": f"{card.running or 0:,} running",
        "held": f"{card.held or 0:,} held for an answer",
        "workers": f"{format.count(card.workers, 'worker')} with {card.slots_told}",
        "done a minute, now / 5 min": (
            f"{format.a_minute(card.rate_now)} done a minute now, {format.a_minute(card.rate)} over 5 min"
        ),
        "SLA": f"SLA {format.sla(card.sla_minutes)}" if card.sla_minutes else "no SLA",
    }


def _notes(card: Card) -> list[str]:
    held = [f"nothing more starts on {host}" for host in card.held_hosts]
    return [*held, *((f"counted {card.calendar}",) if card.calendar else ())]
