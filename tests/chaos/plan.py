"""What is going to happen in a storm, by its seed: the requests that come in, and the faults."""

from __future__ import annotations

import math
import random
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

#: Kinds of faults, each with its share of all; half of all strike the way of a text to its phone. Those that
#: last are the rarer.
SHARES = {
    "workerKilled": 0.09,
    "childKilled": 0.12,
    "workerStopped": 0.04,
    "dispatcherKilled": 0.03,
    "dispatcherStopped": 0.02,
    "redisRestarted": 0.03,
    "redisStopped": 0.02,
    "redisFull": 0.02,
    "redisReadOnly": 0.02,
    "flushed": 0.03,
    "postgresRestarted": 0.02,
    "postgresStopped": 0.01,
    "diskFull": 0.01,
    "sessionsTerminated": 0.02,
    "horizonHeld": 0.01,
    "clockStepped": 0.01,
    "watchKilled": 0.14,
    "watchStopped": 0.08,
    "answersLost": 0.1,
    "textsNotTaken": 0.05,
    "textsRefused": 0.03,
    "listOut": 0.03,
    "providerGone": 0.04,
    "providerHung": 0.03,
}
#: Those in the way of a text to its phone.
PAGING = (
    *("watchKilled", "watchStopped", "answersLost", "textsNotTaken", "textsRefused"),
    *("listOut", "providerGone", "providerHung"),
)
#: While one of these lasts nobody can write to the ledger: they stand far apart.
OUTAGES = ("postgresRestarted", "postgresStopped", "diskFull")
#: A fault comes this often, and this many requests, a second; the slower of both makes the storm's length.
SECONDS_PER_FAULT = 1.3
REQUESTS_PER_SECOND = 80.0
#: They come in surges, this many seconds apart: the window in Redis fills and empties again and again.
SURGE_SECONDS = 2.0

#: Job types with their share, and the steps that each must have a result of when it is done.
TYPES: dict[str, tuple[float, tuple[str, ...]]] = {
    "chaos:plain:v1": (0.24, ("one", "two", "three")),
    "chaos:effect:v1": (0.21, ("count", "book", "tell")),
    "chaos:flaky:v1": (0.12, ("start", "stumble", "arrive")),
    "chaos:skip:v1": (0.1, ("look", "land")),
    "chaos:review:v1": (0.11, ("file", "judge", "answer")),
    "chaos:wait:v1": (0.1, ("ask", "pack", "send")),
    "chaos:parts:v1": (0.04, ("cut", "sum")),
    "chaos:key:v1": (0.08, ("open", "close")),
    # Started by others than those who send requests.
    "chaos:once:v1": (0.0, ("look",)),
    "chaos:tick:v1": (0.0, ("tick",)),
}
#: Requests of so many customers come, of each of whom two are worked on at once.
CUSTOMERS = 8


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault to come: when (seconds from the start), whom (a die), how (another), and for how long."""

    at: float
    kind: str
    die: float
    turn: float


def seconds(jobs: int, faults: int) -> float:
    """How long a storm lasts."""
    return max(jobs / REQUESTS_PER_SECOND, faults * SECONDS_PER_FAULT)


def faults(count: int, lasting: float, seed: int, without: Collection[str] = ()) -> list[Planned]:
    """`count` faults over `lasting` seconds, but those that cannot be tried here; outages stand far apart."""
    dice = random.Random(f"faults {seed}")
    numbers = _shared_out(count, dice, without)
    outages = [kind for kind in OUTAGES for _ in range(numbers.pop(kind, 0))]
    kinds = [kind for kind, number in numbers.items() for _ in range(number)]
    dice.shuffle(kinds)
    dice.shuffle(outages)
    for place, outage in enumerate(outages):
        kinds.insert(math.floor((place + dice.uniform(0.3, 0.7)) * count / len(outages)), outage)
    gap = lasting / max(count, 1)
    return [
        Planned((place + dice.random()) * gap, kind, dice.random(), dice.random())
        for place, kind in enumerate(kinds)
    ]


def request(number: int, seed: int) -> tuple[str, dict[str, Any]]:
    """The type and payload of the request with this number."""
    dice = random.Random(f"request {seed} {number}")
    job_type = dice.choices(list(TYPES), [share for share, _ in TYPES.values()])[0]
    work: dict[str, dict[str, Any]] = {name: {"seconds": _duration(dice)} for name in TYPES[job_type][1]}
    if job_type == "chaos:effect:v1":
        work["book"]["effect"] = work["tell"]["effect"] = True
        work["tell"]["text"] = {
            "phone": f"+1312{number:07}",
            "body": f"Request {number} is booked. #T{number}",
        }
    elif job_type == "chaos:flaky:v1":
        work["stumble"]["fail"] = dice.choice([1, 1, 2])
    elif job_type == "chaos:skip:v1":
        work["look"]["skip_to"] = "land"
    elif job_type == "chaos:review:v1":
        work["judge"]["how"] = dice.choices(["done", "extend", "fail", "leave"], [80, 10, 8, 2])[0]
    elif job_type == "chaos:wait:v1":
        work["pack"]["sleep"] = round(dice.uniform(0.0, 2.0), 3)
    more: dict[str, Any] = {}
    if job_type == "chaos:parts:v1":
        more["pieces"] = list(range(dice.choice([0, 1, 3, 6])))
        work |= {name: {"seconds": _duration(dice)} for name in ("piece", "sides")}
    elif job_type == "chaos:key:v1":
        more["customer"] = f"customer {dice.randrange(CUSTOMERS)}"
    return job_type, {"number": number, "work": work, **more}


def texts(jobs: int, seed: int) -> dict[str, tuple[str, str]]:
    """The phone and body of each text that the requests have sent, by their keys."""
    requests = (request(number, seed)[1] for number in range(jobs))
    return {
        str(payload["number"]): (wish["text"]["phone"], wish["text"]["body"])
        for payload in requests
        for wish in payload["work"].values()
        if "text" in wish
    }


def _duration(dice: random.Random) -> float:
    """Mostly some milliseconds; now and then long enough for a fault to meet it, or for several."""
    shortest, longest = dice.choices(((0.0, 0.02), (0.2, 1.0), (2.0, 5.0)), (96.2, 3.0, 0.8))[0]
    return round(dice.uniform(shortest, longest), 4)


def _shared_out(count: int, dice: random.Random, without: Collection[str]) -> dict[str, int]:
    """Whole numbers by the shares, in whose order the dice say which of the rare kinds there is one of.

    Where there are as many faults as kinds, none is left out: a frequent one stands back for it.
    """
    kinds = [kind for kind in SHARES if kind not in without]
    dice.shuffle(kinds)
    whole = sum(SHARES[kind] for kind in kinds)
    numbers: dict[str, int] = {}
    reached = start = dice.random()
    for kind in kinds:
        before, reached = reached, reached + SHARES[kind] / whole * count
        numbers[kind] = math.floor(reached) - math.floor(before)
    # What rounding has left over.
    numbers[kinds[-1]] += math.floor(start + count) - math.floor(reached)
    for kind in kinds if count >= len(kinds) else ():
        if not numbers[kind]:
            # Of the same half, unless it has none left over.
            frequent = max(
                kinds, key=lambda other: (numbers[other] > 1, _is_alike(other, kind), numbers[other])
            )
            numbers[kind] += 1
            numbers[frequent] -= 1
    return numbers


def _is_alike(kind: str, other: str) -> bool:
    """Whether both strike the way of a text, or neither does."""
    return (kind in PAGING) is (other in PAGING)
