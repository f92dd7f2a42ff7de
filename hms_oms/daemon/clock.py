"""Jumps of the database's clock: lengths of time that the ledger keeps as times have to follow them."""

from __future__ import annotations

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection

#: The database's clock has jumped if it went this much further, or less far, than ours; in seconds.
JUMP_SECONDS = 3.0


class Clock:
    """The database's clock, held against the monotonic one of this process from look to look."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None

    def jump(self, connection: RawConnection, now: float) -> float | None:
        """By how many seconds it was set since the last look, 0.0 if it was not; None if there was no look.

        `now` is this process's monotonic time. A clock that is only sped up or slowed down does not jump.
        """
        [row] = statements.run_raw(connection, "clock", {})
        last, self._last = self._last, (row["seconds"], now)
        if last is None:
            return None
        jump = float(row["seconds"] - last[0] - (now - last[1]))
        return jump if abs(jump) > JUMP_SECONDS else 0.0

    def forget(self) -> None:
        """Take the next look for the first."""
        self._last = None
