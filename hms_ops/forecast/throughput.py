"""Throughput of a slot: jobs finished, over the time in which slots ran or had jobs in front of them.

Time in which a slot had nothing to do says nothing of how fast it is, so it is left out: `per slot =
finished / (slots at work * seconds)`. For jobs whose length varies at random this is the maximum likelihood
estimate, with those that are not finished yet taken into account. It holds with half a load as with a full
one. What slows the slots down (other queues on them, a message that does not come) is in it; what a limit of
starts per minute or a pause holds back is not, because no slot can have it.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime

from hms_ops.forecast.capacity import Capacity

#: What counts as lately: so many seconds in which the queue had work, nights left out ...
WINDOW_SECONDS = 300
#: ... and as much more as it takes to see so many jobs finished. With fewer, the throughput is not to be
#: trusted; with just as many it is known to about a third.
ENOUGH = 10
#: With so many finished the throughput is known to a twentieth, and what is longer ago than so many seconds
#: with work counts no more: a fast queue follows a change of throughput within a minute or two.
MANY, SHORT_SECONDS = 400, 60
#: However few they are, nothing counts that is longer ago than this, in seconds with work.
LONGEST_SECONDS = 4 * 3600
#: What was seen is kept in pieces of so many seconds.
PIECE_SECONDS = 5


def work(running: int, queued: int, waiting: int, *, held: bool) -> int:
    """How many jobs a slot may have: those of the backlog unless they are `held` by a pause or a limit."""
    return running + queued + (0 if held else waiting)


class Throughput:
    """The throughput of one queue, fed by every look at it.

    `service` is for how many seconds a job held a slot in the past, where that is known. It is trusted until
    the queue has shown its throughput of today.
    """

    def __init__(self, service: float | None = None) -> None:
        self._clock = 0.0
        #: Which piece of time, how many jobs were finished in it, and the seconds of all slots with work.
        self._pieces: deque[tuple[int, int, float]] = deque()
        self._finished = 0
        self._seconds = 0.0
        self._before: tuple[datetime, int] | None = None
        if service is not None:
            self._add(ENOUGH, ENOUGH * service)

    def look(self, now: datetime, finished: int, busy: int, worked: float = 0.0) -> None:
        """Note how many jobs were done with the queue since the look before, and how many slots have work.

        `busy` slots are as many as are live, or as there are jobs that may run, if they are fewer: see
        `work`. For a queue of agents, whose number nobody knows, they count as one slot. Steps that ended
        since then held slots for `worked` seconds: no look sees a slot at work whose jobs come and go between
        two.
        """
        if self._before is not None:
            at, busy_before = self._before
            passed = max(0.0, (now - at).total_seconds())
            slots = (busy_before + busy) / 2
            if slots or finished or worked:
                self._clock += passed
                self._add(finished, max(passed * slots, worked))
        self._before = now, busy

    def capacity(self, slots: int) -> Capacity | None:
        """What `slots` live slots get done at this throughput; None while it cannot be told."""
        if self._finished == 0 or self._seconds <= 0:
            return None
        per_slot = self._finished / self._seconds
        return Capacity(slots, per_slot, trusted=self._finished >= ENOUGH, counted=self._finished)

    def _add(self, finished: int, seconds: float) -> None:
        self._finished += finished
        self._seconds += seconds
        piece = int(self._clock // PIECE_SECONDS)
        if self._pieces and self._pieces[-1][0] == piece:
            _, more, longer = self._pieces.pop()
            finished, seconds = finished + more, seconds + longer
        self._pieces.append((piece, finished, seconds))
        while self._is_spent(*self._pieces[0]):
            _, finished, seconds = self._pieces.popleft()
            self._finished -= finished
            self._seconds -= seconds

    def _is_spent(self, piece: int, finished: int, _: float) -> bool:
        """Whether the oldest piece counts no more."""
        age = self._clock - piece * PIECE_SECONDS
        left = self._finished - finished
        return (
            age > LONGEST_SECONDS
            or (age > WINDOW_SECONDS and left >= ENOUGH)
            or (age > SHORT_SECONDS and left >= MANY)
        )
