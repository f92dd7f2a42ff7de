"""The slots of a worker process: steps run in parallel, and a suspected crasher runs alone."""

from __future__ import annotations

import threading


class Slots:
    """Each thread holds at most one slot. One that goes on with a job's next step keeps it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = 0
        self._alone: int | None = None
        self._own = threading.local()

    def enter(self) -> None:
        """Take a slot, as soon as no step runs that is to be alone; at once if this thread has kept one."""
        if self._is_kept():
            self._own.kept = False
            return
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

    def is_asked_for(self) -> bool:
        """Whether a step in another slot waits to be alone: what runs beside it should end soon."""
        with self._changed:
            return self._alone not in (None, threading.get_ident())

    def keep(self) -> None:
        """Have the slot last beyond the end of this step, for the next one in the same thread."""
        self._own.kept = True

    def end_step(self) -> None:
        """Let others run again beside what was alone, and give the slot back if it is not to be kept."""
        with self._changed:
            if not self._is_kept():
                self._taken -= 1
            if self._alone == threading.get_ident():
                self._alone = None
            self._changed.notify_all()

    def give_back(self) -> None:
        """Give back a slot that was kept for a step that has not begun."""
        if self._is_kept():
            self._own.kept = False
            self.end_step()

    def _is_kept(self) -> bool:
        return bool(getattr(self._own, "kept", False))
