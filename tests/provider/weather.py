"""What one text meets on its way, by a seed: one fault after the other, and how the provider's list fares."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tests.provider import faults
from tests.provider.faults import BAD_CALLBACK, Fault

Make = Callable[[], Fault]

#: The provider says, or it is plain, that nothing was taken.
NOT_SENT: Sequence[Make] = (
    partial(faults.too_many, 2),
    partial(faults.too_many, None),
    partial(faults.refused, 21611),
    partial(faults.refused, BAD_CALLBACK),
    faults.unauthorized,
)
#: The answer is lost after the text was taken.
LOST: Sequence[Make] = (
    faults.dropped,
    faults.reset,
    faults.broken,
    faults.empty,
    faults.garbled,
    partial(faults.bad_gateway, accepted=True),
    partial(faults.unavailable, accepted=True),
    partial(Fault, accepted=True, answer="raw", status=504, body=""),
    partial(faults.held, accepted=True),
    partial(faults.dripping, 0.005),
)
#: So it looks, but nothing was taken.
NOTHING: Sequence[Make] = (
    partial(faults.dropped, accepted=False),
    partial(faults.reset, accepted=False),
    partial(faults.broken, accepted=False),
    partial(faults.bad_gateway, accepted=False),
    faults.unavailable,
    partial(faults.unavailable, 2),
    partial(faults.held, accepted=False),
)
#: What a provider answers while it is out.
OUTAGES: Sequence[Make] = (
    faults.unavailable,
    partial(faults.broken, accepted=False),
    partial(faults.bad_gateway, accepted=False),
)
#: How the callbacks come.
CALLBACKS: Sequence[Callable[[Fault], Fault]] = (
    lambda fault: fault,
    lambda fault: replace(fault, when="never"),
    lambda fault: replace(fault, when="early"),
    lambda fault: replace(fault, copies=2),
    lambda fault: replace(fault, callbacks=fault.life[::-1]),
    lambda fault: replace(fault, when="held"),
)


@dataclass(frozen=True, slots=True)
class Weather:
    """The faults that strike one text. The API is closed for so many attempts first.

    `lost`: an answer is lost on the way. `blind`: the list does not show what it should for so long that it
    cannot be relied upon.
    """

    closed: int
    faults: tuple[Fault, ...]
    lost: bool
    blind: bool

    @property
    def most(self) -> int:
        """How many texts there may be on the handset at most."""
        return 2 if self.lost and self.blind else 1


def weather(seed: int) -> Weather:
    """The weather of this seed."""
    dice = random.Random(f"weather {seed}")
    before = [dice.choice(NOT_SENT)() for _ in range(dice.choice((0, 0, 1, 2)))]
    kind = dice.choices(("fair", "failing", "lost", "nothing", "outage"), (20, 10, 45, 20, 5))[0]
    makers: dict[str, Make] = {
        "fair": Fault,
        "failing": partial(faults.failing, dice.choice((30003, 30008))),
        "lost": dice.choice(LOST),
        "nothing": dice.choice(NOTHING),
        # Sent again each time, until the provider is back.
        "outage": partial(dice.choice(OUTAGES), times=dice.randint(2, 6)),
    }
    after = [dice.choice(NOT_SENT)() for _ in range(dice.choice((0, 0, 1)))]
    callback = dice.choice(CALLBACKS)
    view = dice.choices(("clear", "lags", "blind", "blind for a while"), (5, 2, 2, 1))[0]
    if kind == "outage" and view == "blind":
        # Who takes texts again has his list back, too.
        view = "blind for a while"
    lists = {"blind": [faults.list_down()], "blind for a while": [faults.list_down(times=dice.randint(2, 6))]}
    struck = [callback(fault) for fault in [*before, makers[kind](), *after, Fault(times=None)]]
    if view == "lags":
        struck = [replace(fault, lag=1) for fault in struck]
    return Weather(
        closed=dice.choice((0, 0, 0, 1, 2)),
        faults=(*lists.get(view, []), *struck),
        lost=kind in ("lost", "nothing", "outage"),
        blind=view.startswith("blind"),
    )
