"""Outcomes of a step: what step functions return or raise, interpreted in one place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True)
class Done:
    """The step is done.

    `result` (JSON-able) is recorded under the step's name; `outcome` becomes the job's outcome;
    `skip_to` names the next step to run, leaving out those between; it begins no earlier than `until`, a time
    or a length of time from now.
    """

    result: Any = None
    outcome: str | None = None
    skip_to: str | None = None
    until: datetime | timedelta | None = None


class Sleep(Done):
    """The step is done, and the next one begins at a time: until then the job holds no slot."""

    def __init__(self, until: datetime | timedelta, result: Any = None) -> None:
        super().__init__(result, until=until)


class Retry(Exception):
    """Raise to have the step run again, `after` from now or by the recipe's back-off where None."""

    def __init__(self, reason: str = "retry asked by the step", *, after: timedelta | None = None) -> None:
        self.after = after
        super().__init__(reason)


class Reject(Exception):
    """Raise to end the whole job at once as done, with `reason` as its outcome; no later step runs."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)
