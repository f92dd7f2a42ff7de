"""The calm after a storm: what is open gets its time, and its texts."""

from __future__ import annotations

import time
from collections.abc import Iterator

import sqlalchemy as sa

from tests.chaos.arrivals import Arrivals
from tests.chaos.faults.clock import shifted
from tests.chaos.faults.passing import passing
from tests.chaos.floor import Floor

#: The storm goes round everything that is under way this often, in seconds.
TICK_SECONDS = 0.01
#: What is open after the storm, and moves no more for this long, is lost; in seconds (a lease takes 40).
DRAIN_SECONDS = 60.0
#: When nothing is left but texts and events whose end is waited for, all clocks go forward by so much at a
#: time, in seconds: what became of a text may be asked for minutes later, and an event may go again.
FORWARD_SECONDS = 20.0
#: What is open after so long, by these clocks, is left; in seconds.
LONGEST_SECONDS = 1200.0
#: The tickets in Redis are looked at this often, in seconds.
SIGHT_SECONDS = 0.2


def ticks(ground: Floor) -> Iterator[None]:
    """Go round all that runs, again and again."""
    sight = 0.0
    while True:
        ground.tend()
        if time.monotonic() >= sight:
            ground.sight()
            sight = time.monotonic() + SIGHT_SECONDS
        yield
        time.sleep(TICK_SECONDS)


def drain(ground: Floor, engine: sa.Engine, arrivals: Arrivals, jobs: int) -> None:
    """Wait until every job has ended, or until nothing moves any more."""
    still: tuple[int, float] | None = None
    for _ in ticks(ground):
        with engine.connect() as connection:
            left = connection.scalar(_OPEN) + jobs - len(arrivals.accepted)
        if left == 0:
            return
        if still is None or left != still[0]:
            still = (left, time.monotonic())
        elif time.monotonic() - still[1] > DRAIN_SECONDS:
            return


def deliver(ground: Floor, engine: sa.Engine) -> None:
    """Wait until every text and event has come to its end, or until none does any more; time goes faster."""
    forwarded = 0.0
    for _ in ticks(ground):
        with engine.connect() as connection:
            left = connection.scalar(_ON_THEIR_WAY)
        if left == 0 or forwarded > LONGEST_SECONDS:
            return
        for _ in passing(1.0):
            ground.tend()
        for _ in shifted(ground, FORWARD_SECONDS):
            time.sleep(TICK_SECONDS)
        ground.provider.forward(FORWARD_SECONDS)
        forwarded += FORWARD_SECONDS


_ON_THEIR_WAY = sa.text(
    "select (select count(*) from oms.messages"
    " where state in ('pending', 'sending', 'unknown', 'accepted', 'sent'))"
    " + (select count(*) from ops.webhook_deliveries where state in ('pending', 'sending'))"
)
_OPEN = sa.text("select count(*) from oms.jobs where status in ('waiting', 'queued', 'running')")
