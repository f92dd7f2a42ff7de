"""Faults of those who send the texts: answers lost and refused, a list that is out, a site that is gone."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from tests.chaos.faults.passing import Strike, alone, between, passing
from tests.chaos.floor import Floor
from tests.chaos.history import Fault
from tests.chaos.plan import Planned
from tests.provider import faults, weather
from tests.provider.weather import Make

#: How many requests in a row meet a fault, from and to.
IN_A_ROW = (2, 6)
#: What lies in wait is waited for this long at most, and the site is gone so long; in seconds.
LURKING_SECONDS = 8.0
GONE_SECONDS = (2.0, 8.0)
#: Requests are kept this long, which is longer than anybody waits for an answer; in seconds.
KEPT_SECONDS = (8.0, 14.0)


def _meet(floor: Floor, planned: Planned, makers: Sequence[Make], blind: bool = False) -> Strike:
    """The next requests meet faults of this kind, each its own; `blind`: the list is out, too."""
    dice = random.Random(planned.die)
    number = round(between(*IN_A_ROW, planned.turn))
    struck = [dice.choice(makers)() for _ in range(number)]
    at = time.time()
    floor.provider.fault(*([faults.list_down(times=number)] if blind else []), *struck)
    yield from _lurking(floor)
    floor.provider.clear()
    return Fault(planned.kind, at, time.time(), None, ())


def _close(floor: Floor, planned: Planned) -> Strike:
    """Connections are refused."""
    at = time.time()
    floor.provider.close()
    try:
        yield from passing(between(*GONE_SECONDS, planned.turn))
    finally:
        floor.provider.open()
    return Fault(planned.kind, at, time.time(), None, ())


def _keep(floor: Floor, planned: Planned) -> Strike:
    """Requests are taken, or not even read, and nobody answers; at last they are let go or hung up on."""
    dice = random.Random(planned.die)
    number = round(between(*IN_A_ROW, planned.turn))
    at = time.time()
    floor.provider.fault(*(faults.held(accepted=dice.random() < 0.5) for _ in range(number)))
    try:
        yield from passing(between(*KEPT_SECONDS, planned.turn))
    finally:
        floor.provider.clear()
        floor.provider.release(hang_up=dice.random() < 0.5)
    return Fault(planned.kind, at, time.time(), None, ())


def _lurking(floor: Floor) -> Iterator[None]:
    """Wait for what lies in wait to strike."""
    for _ in passing(LURKING_SECONDS):
        if not floor.provider.lurking():
            return
        yield


def _alone(strike: Callable[[Floor, Planned], Strike]) -> Callable[[Floor, Planned], Strike]:
    return lambda floor, planned: alone(floor, "provider", strike(floor, planned))


#: What keeps a request would not be let go: `_keep` does that.
_LOST = [make for make in weather.LOST if not make().hold]
_NOTHING = [make for make in weather.NOTHING if not make().hold]

STRIKES: Mapping[str, Callable[[Floor, Planned], Strike]] = {
    "answersLost": _alone(partial(_meet, makers=_LOST)),
    "textsNotTaken": _alone(partial(_meet, makers=_NOTHING)),
    "textsRefused": _alone(partial(_meet, makers=weather.NOT_SENT)),
    "listOut": _alone(partial(_meet, makers=[*_LOST, *_NOTHING], blind=True)),
    "providerGone": _alone(_close),
    "providerHung": _alone(_keep),
}
