"""Circuit breaker of a sender: open for a while after too many texts or rejected credentials."""

from __future__ import annotations

import logging
import time

from hms_ops.paging.outcomes import backoff, patience
from hms_ops.paging.senders import Outcome, Result

log = logging.getLogger(__name__)

#: How long a provider that does not take our credentials is left alone, in seconds.
MISCONFIGURED_SECONDS = 30.0
#: However long a provider wants to be left alone, a page tries again after this.
PAGE_SECONDS = 60.0


class CircuitBreaker:
    """Whether texts may go now; `fault` says what is wrong with our settings, as far as is known."""

    def __init__(self, sender: str) -> None:
        self.sender = sender
        self.fault: str | None = None
        self._failures = 0
        self._pages_from = self._texts_from = time.monotonic()

    def lets_pages(self, now: float) -> bool:
        """Whether pages may go at `now` (monotonic seconds), and with them anything."""
        return now >= self._pages_from

    def lets_texts(self, now: float) -> bool:
        """Whether texts to applicants may go: while nothing gets through, few of them try."""
        return now >= max(self._pages_from, self._texts_from)

    def note(self, outcome: Outcome, now: float) -> None:
        """Learn from an outcome."""
        result = outcome.result
        if result in (Result.NOT_SENT, Result.BUSY):
            self._failures += 1
            self._texts_from = now + backoff(self._failures)
        elif result is not Result.UNKNOWN:
            self._failures = 0
        if result is Result.BUSY:
            alone = patience(outcome, self._failures)
            self._texts_from = max(self._texts_from, now + alone)
            self._pages_from = max(self._pages_from, now + min(alone, PAGE_SECONDS))
        elif result is Result.MISCONFIGURED:
            if self.fault is None:
                log.critical(
                    "the %s sender cannot work: %s; texts wait until the settings are right",
                    self.sender,
                    outcome.fault,
                )
            self.fault = outcome.fault
            self._pages_from = now + MISCONFIGURED_SECONDS
        elif outcome.ours:
            self.fault = outcome.fault
        elif result in (Result.TAKEN, Result.REFUSED, Result.OPTED_OUT):
            self.fault = None
