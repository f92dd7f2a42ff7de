"""The policies of a queue, and the work that is reserved for jobs that were given up."""

from __future__ import annotations

from enum import StrEnum

#: Of the work of a queue, this share is reserved for jobs that were given up.
RESERVED = 0.05


class Policy(StrEnum):
    """How the jobs of a queue are put in order; a priority that was set by hand comes before each of them."""

    #: By deadline; when not all can be met, the fewest jobs are given up.
    MOST_ON_TIME = "most-on-time"
    #: By deadline.
    DEADLINE = "deadline"
    #: By acceptance.
    FIFO = "fifo"
    #: As `most-on-time`; what is given up is held back until no other job waits or is about to begin.
    DEFER = "defer"

    @property
    def gives_up(self) -> bool:
        """Whether jobs are given up when not all can be on time."""
        return self in (Policy.MOST_ON_TIME, Policy.DEFER)

    @property
    def reserved(self) -> float:
        """The share of the work that is reserved for jobs that were given up."""
        return 0.0 if self is Policy.DEFER else RESERVED


class Credit:
    """The work that jobs which were given up may take from the others: a share of what was started."""

    def __init__(self, share: float = RESERVED) -> None:
        self.share = share
        self.seconds = 0.0

    def earn(self, started: float) -> None:
        """Add the share of some seconds of work that was started."""
        self.seconds += self.share * started

    def spend(self, mean: float) -> bool:
        """Take the work of one job, if there is credit for it."""
        if self.seconds < mean:
            return False
        self.seconds -= mean
        return True

    def clear(self) -> None:
        """Forget the credit: nothing is given up."""
        self.seconds = 0.0
