"""The five-digit codes (FIPS) of the counties of the United States, and why a code is none of them."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import us

#: Since 2022 the Census counts Connecticut by these regions; people write either kind of code.
PLANNING_REGIONS = tuple(f"09{number}" for number in range(110, 200, 10))
#: Codes that lists of former years have, and what has taken their place.
_CHANGED = {
    "02201": "02198 or 02130",
    "02232": "02105 or 02230",
    "02261": "02063 or 02066",
    "02270": "02158",
    "02280": "02195 or 02275",
    "12025": "12086",
    "46113": "46102",
    "51515": "51019",
    "51560": "51005",
    "51780": "51083",
}
_CODE = re.compile("[0-9]{5}")


@functools.cache
def codes() -> frozenset[str]:
    """The codes of all counties of the states, DC and the territories."""
    known = {county.fips for state in _states().values() for county in state.counties}
    return frozenset(known) | frozenset(PLANNING_REGIONS)


def fault(code: str) -> str | None:
    """Why five digits are the code of no county; None for a county, and for what is no five digits."""
    if code in codes() or not _CODE.fullmatch(code):
        return None
    if code in _CHANGED:
        return f"the county has another code by now; {_CHANGED[code]}?"
    state = _states().get(code[:2])
    if state is None:
        return f"no state or territory has the code {code[:2]}"
    if code.endswith("000"):
        return f"that is all of {state.name}: the code of a county is needed"
    return f"{state.name} has no county {code[2:]}"


@functools.cache
def _states() -> dict[str, us.states.State]:
    # Half a megabyte of Python that few processes need, and not before their first code.
    from us import states

    return {str(state.fips): state for state in (*states.STATES_AND_TERRITORIES, states.DC)}
