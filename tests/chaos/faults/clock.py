"""A fault of time: the ledger's clock is set, forward or back, and some seconds later it is put right."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping

import psycopg2

from tests.chaos.faults.passing import Strike, alone, between, ledger, passing
from tests.chaos.floor import Floor
from tests.chaos.history import Fault
from tests.chaos.plan import Planned

#: By how much the clock is off, in seconds, from and to: further than any lease.
OFF_SECONDS = (15.0, 90.0)
#: For how long, in seconds, from and to.
WRONG_SECONDS = (4.0, 12.0)


def _step(floor: Floor, planned: Planned) -> Strike:
    off = math.copysign(between(*OFF_SECONDS, planned.turn), planned.die - 0.5)
    yield from shifted(floor, off)
    at = time.time()
    yield from passing(between(*WRONG_SECONDS, planned.die))
    yield from shifted(floor, -off)
    until = time.time()
    # Everybody is heard again before anybody is judged.
    yield from passing(2.0)
    return Fault(planned.kind, at, until, None, ())


def shifted(floor: Floor, seconds: float) -> Iterator[None]:
    """Move the ledger's clock, once, as soon as the ledger answers."""
    target: float | None = None
    while True:
        try:
            with ledger(floor) as cursor:
                # Read first: then an order whose answer was lost may be given again.
                if target is None:
                    cursor.execute("select extract(epoch from shift)::float8 from public.clock")
                    target = float(cursor.fetchall()[0][0]) + seconds
                cursor.execute("update public.clock set shift = make_interval(secs => %s)", (target,))
            return
        except psycopg2.Error:
            yield


STRIKES: Mapping[str, Callable[[Floor, Planned], Strike]] = {
    "clockStepped": lambda floor, planned: alone(floor, "clock", _step(floor, planned)),
}
