"""The slots of a worker process: steps run in parallel, and a suspected crasher runs alone."""

from __future__ import annotations

import threading


class Slots:
    """Each thread holds at most one slot."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = 0
        self._alone: int | None = None

    def enter(self) -> None:
        """Take a slot, as soon as no step runs that is to be alone."""
        with self._changed:
            self._changed.wait_for(lambda: self._alone is None)
            self._taken += 1

    def be_alone(self) -> None:
        """Wait, in one's slot, until no other step runs; none begins before this one has ended."""
        with self._changed:
            self._taken -= 1
            # Another may be waiting for just this slot to be given up.
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._alone is None)
            self._alone = threading.get_ident()
            self._changed.wait_for(lambda: self._taken == 0)
            self._taken += 1

    def end_step(self) -> None:
        """Let others run again beside what was alone, and give the slot back."""
        with self._changed:
            self._taken -= 1
            if self._alone == threading.get_ident():
                self._alone = None
            self._changed.notify_all()
