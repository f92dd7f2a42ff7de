"""Jumps of the database's clock: lengths of time that the ledger keeps as times have to follow them."""

from __future__ import annotations

import time

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection

#: The database's clock has jumped if it went this much further, or less far, than ours; in seconds.
JUMP_SECONDS = 3.0


class Clock:
    """The database's clock, held against the monotonic one of this process from look to look."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None
        #: How long the last look took, and how long before it there was none; in seconds.
        self.took = self.away = 0.0

    def jump(self, connection: RawConnection) -> float | None:
        """By how many seconds it was set since the last look, 0.0 if it was not; None if there was no look.

        A clock that is only sped up or slowed down does not jump.
        """
        began = time.monotonic()
        [row] = statements.run_raw(connection, "clock", {})
        # Afterwards: a server that answers late has not set its clock.
        now = time.monotonic()
        last, self._last = self._last, (row["seconds"], now)
        self.took = now - began
        if last is None:
            return None
        self.away = now - last[1]
        jump = float(row["seconds"] - last[0] - self.away)
        return jump if abs(jump) > JUMP_SECONDS else 0.0

    def forget(self) -> None:
        """Take the next look for the first."""
        self._last = None
