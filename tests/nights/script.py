"""What happens in a night, by its seed: how the queues fare, what people do, and what dies."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

QUEUES = ("farm-grant", "appeals", "letters")
#: How long the queues fare alike, on average, in seconds.
WEATHER_SECONDS = 240.0
#: In how many hours people and faults come how often.
DOINGS_PER_HOUR = 8.0


def script(seed: int, hours: float, every: int) -> dict[str, Any]:
    """A night of so many hours in which the watch looks every so many seconds."""
    dice = random.Random(f"night {seed}")
    until = int(hours * 3600) // every * every
    return {
        "until": until,
        "every": every,
        "series": list(_series(dice, until)),
        "do": sorted(_doings(dice, until), key=lambda doing: int(doing["at"])),
    }


def _series(dice: random.Random, until: int) -> Iterator[dict[str, Any]]:
    at = 0
    fares: dict[str, dict[str, Any]] = {name: {} for name in QUEUES}
    while at <= until:
        yield {"from": at, "queues": dict(fares)}
        # Troubles come together: the phone is not free for each of them at once.
        at += dice.randint(10, 50) if dice.random() < 0.5 else int(dice.expovariate(1 / WEATHER_SECONDS)) + 10
        name = dice.choice(QUEUES)
        fares = {**fares, name: _fare(dice, at)}


def _fare(dice: random.Random, at: int) -> dict[str, Any]:
    """How a queue fares from then on."""
    kind = dice.choices(("well", "late", "ahead", "both", "alone", "stalled"), (40, 20, 15, 10, 10, 5))[0]
    late = {"late": dice.randint(1, 40), "late_since": at}
    ahead = {"forecast": {"late": dice.randint(1, 300), "first_late": at + dice.randint(60, 900)}}
    return {
        "well": {},
        "late": {"waiting": 50, **late},
        "ahead": {"waiting": 90, **ahead},
        "both": {"waiting": 120, **late, **ahead},
        "alone": {"waiting": 7, "workers": 0},
        "stalled": {"waiting": 30, "oldest_waiting": at - 1300, "last_finished": at - 1200},
    }[kind]


def _doings(dice: random.Random, until: int) -> Iterator[dict[str, Any]]:
    at = 0.0
    while (at := at + dice.expovariate(DOINGS_PER_HOUR / 3600)) < until:
        second = int(at)
        kind = dice.choices(("acknowledge", "resolve", "silence", "pager", "watch"), (35, 15, 20, 15, 15))[0]
        if kind == "silence":
            ends = second + dice.randint(300, 3600)
            yield {"at": second, "silence": dice.choice(QUEUES), "until": ends}
        elif kind == "pager":
            yield {"at": second, "pager": "is another one"}
        elif kind == "watch":
            yield {"at": second, "watch": "stops"}
            yield {"at": second + dice.randint(30, 240), "watch": "starts"}
        else:
            yield {"at": second, kind: dice.random(), "who": "ada"}
