"""Buffer of worker events: the tickets to look up in the ledger, and how many events came.

An event proves nothing: it may be lost, doubled, late, or forged. It only says of which job the ledger has
news, so a set of tickets is all that is kept.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import orjson

#: The most tickets that wait to be asked for; further ones are left to the sweep of the ledger.
MOST_TICKETS = 100_000
#: The largest message that is read, in bytes: a worker's bundle of 500 events has a tenth of it.
MOST_BYTES = 2_000_000
#: The longest text that may be a ticket.
LONGEST_TICKET = 100
#: Events after which the ledger has nothing new to say of the job.
_NO_NEWS = frozenset({"task-received", "task-sent"})


@dataclass(frozen=True, slots=True)
class BufferedEvents:
    """The tickets and counts of events since the last call.

    `malformed` events or messages made no sense; of `dropped` ones the ticket was not kept, because too many
    were waiting. `last` is when the last event came, by this machine's monotonic clock; None: never.
    """

    tickets: frozenset[str] = frozenset()
    events: int = 0
    malformed: int = 0
    dropped: int = 0
    last: float | None = None


class EventBuffer:
    """Listens in one thread and is asked in another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tickets: set[str] = set()
        self._events = self._malformed = self._dropped = 0
        self._last: float | None = None

    def hear(self, body: bytes | str) -> None:
        """Take in the body of a message: an event, or a list of them, as JSON."""
        try:
            if len(body) > MOST_BYTES:
                raise ValueError("too long")
            said = orjson.loads(body)
        except (ValueError, RecursionError):
            self.count_malformed()
            return
        events = said if isinstance(said, list) else [said]
        with self._lock:
            good = sum(map(self._note, events))
            self._malformed += len(events) - good
            self._events += good
            if good:
                self._last = time.monotonic()

    def count_malformed(self, messages: int = 1) -> None:
        """Count messages that could not be read at all."""
        with self._lock:
            self._malformed += messages

    def drain(self) -> BufferedEvents:
        """Take the events since the last call."""
        with self._lock:
            drained = BufferedEvents(
                frozenset(self._tickets), self._events, self._malformed, self._dropped, self._last
            )
            self._tickets = set()
            self._events = self._malformed = self._dropped = 0
        return drained

    def _note(self, event: Any) -> bool:
        """Keep the ticket that an event is about, if any; False where it is no event."""
        if type(event) is not dict:
            return False
        kind = event.get("type")
        if type(kind) is not str:
            return False
        if not kind.startswith("task-") or kind in _NO_NEWS:
            return True
        ticket = event.get("uuid")
        if type(ticket) is not str or len(ticket) > LONGEST_TICKET:
            return False
        if ticket in self._tickets:
            return True
        if len(self._tickets) < MOST_TICKETS:
            self._tickets.add(ticket)
        else:
            self._dropped += 1
        return True
