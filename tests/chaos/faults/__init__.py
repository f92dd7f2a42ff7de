"""The faults, each a generator: it strikes, yields while it waits, and returns what it has done.

The storm goes round all that are under way, so that they overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.chaos.faults import broker, clock, ledger, processes, provider
from tests.chaos.faults.passing import Strike
from tests.chaos.floor import Floor
from tests.chaos.plan import Planned

STRIKES: Mapping[str, Callable[[Floor, Planned], Strike]] = {
    **processes.STRIKES,
    **broker.STRIKES,
    **ledger.STRIKES,
    **clock.STRIKES,
    **provider.STRIKES,
}


def strike(floor: Floor, planned: Planned) -> Strike:
    """The fault that was planned."""
    return STRIKES[planned.kind](floor, planned)
