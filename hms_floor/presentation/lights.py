"""The lights of queues: their shapes, and which is the worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hms_floor.presentation.overview import LIGHTS, Card

#: What each light is shaped like: nothing is told by colour alone.
SHAPES: Mapping[str, str] = {
    "broken": "\u25a0",
    "risk": "\u25b2",
    "unknown": "?",
    "paused": "\u275a\u275a",
    "holds": "\u25cf",
    "idle": "\u25cb",
}


def worst_first(cards: Sequence[Card]) -> list[Card]:
    """Queues in the order in which somebody has to look at them: by their light, and then by name.

    A queue keeps its place while its numbers change.
    """
    return sorted(cards, key=lambda card: (LIGHTS.index(card.light), card.name))
