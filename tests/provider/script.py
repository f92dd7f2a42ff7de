"""What is to go wrong and what has come: the faults in wait, the requests on record, those that are kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.provider.faults import BAD_CALLBACK, Fault


class Gone(Exception):
    """The request gets no answer."""


@dataclass
class Hold:
    """A request that is kept until it is let go, or hung up on."""

    over: threading.Event = field(default_factory=threading.Event)
    hang_up: bool = False


class Script:
    """Hands out the faults in the order in which they were given."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._requests: list[dict[str, Any]] = []
        self._holds: list[Hold] = []

    def reset(self) -> None:
        """Back to fair weather: nothing kept, no fault in wait, no request on record."""
        self.release(hang_up=True)
        with self._lock:
            self._faults, self._requests = [], []

    def add(self, fault: Fault) -> None:
        """Have a fault lie in wait behind those that do already."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Take back the faults that have not struck yet."""
        with self._lock:
            self._faults = []

    def lurking(self) -> int:
        """How many faults have not struck yet."""
        with self._lock:
            return len(self._faults)

    def strike(self, on: str, form: Mapping[str, str]) -> Fault:
        """The fault for this request; an ordinary one if there is none."""
        with self._lock:
            for place, fault in enumerate(self._faults):
                # What is wrong with a callback address cannot be where there is none.
                if fault.code == BAD_CALLBACK and "StatusCallback" not in form:
                    continue
                if fault.on == on and fault.to in (None, form.get("To")):
                    if fault.times == 1:
                        del self._faults[place]
                    elif fault.times is not None:
                        self._faults[place] = replace(fault, times=fault.times - 1)
                    return fault
        return Fault(on=on)

    def note(self, method: str, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Write down that a request came; its status follows."""
        line = {"at": time.time(), "method": method, "path": path, "form": dict(form), "status": None}
        with self._lock:
            self._requests.append(line)
        return line

    def requests(self) -> list[dict[str, Any]]:
        """Every request so far; the status is None where no answer was given, or not yet."""
        with self._lock:
            return [dict(line) for line in self._requests]

    def hold(self) -> None:
        """Keep this request until it is released. Raises Gone when it is hung up on."""
        mine = Hold()
        with self._lock:
            self._holds.append(mine)
        mine.over.wait()
        if mine.hang_up:
            raise Gone

    def held(self) -> int:
        """How many requests are kept."""
        with self._lock:
            return len(self._holds)

    def release(self, hang_up: bool) -> int:
        """Let all kept requests go on, or hang up on them."""
        with self._lock:
            holds, self._holds = self._holds, []
        for hold in holds:
            hold.hang_up = hang_up
            hold.over.set()
        return len(holds)
