"""Keep a worker from starting more on a host whose processors or memory are over a limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: So many heartbeats in a row over a limit, and again under it, tell load from a moment's work.
BEATS = 3
#: What was over its limit has to fall below it by so many points.
CALM = 5.0


class HostLoad:
    """Whether a host is over a limit, in percent; None: there is no such limit."""

    def __init__(self, cpu_limit: float | None, memory_limit: float | None) -> None:
        self._limits = {"CPU": cpu_limit, "memory": memory_limit}
        self._beats = 0
        #: Why nothing more is started there; None: it may.
        self.because: str | None = None

    def note(self, cpu_percent: float, memory_percent: float) -> None:
        """Note the load that a heartbeat has measured."""
        calm = CALM if self.because else 0.0
        loads = {"CPU": cpu_percent, "memory": memory_percent}
        over = [
            f"{name} at {load:.0f} %, over its limit of {limit:g} %"
            for name, load in loads.items()
            if (limit := self._limits[name]) is not None and load > limit - calm
        ]
        if bool(over) == (self.because is not None):
            self._beats = 0
            return
        self._beats += 1
        if self._beats >= BEATS:
            self.because, self._beats = "; ".join(over) or None, 0


class Intake:
    """The queues of a consumer, which may be left for a while and be served again."""

    def __init__(self, call: Callable[[Callable[[], Any]], Any]) -> None:
        self._call = call
        self._left: Any = None

    def hold(self, task_consumer: Any, *, held: bool) -> None:
        """Leave the queues, or serve them again; one that a reconnection has made serves them until told."""
        if held and self._left is not task_consumer:
            self._left = task_consumer
            self._call(task_consumer.cancel)
        elif not held and self._left is not None:
            if self._left is task_consumer:
                self._call(task_consumer.consume)
            self._left = None
