"""Capacity of a queue: the smaller of what its slots can do and what its limit lets start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf


@dataclass(frozen=True, slots=True)
class Capacity:
    """`slots` live slots, each of which finishes `per_slot` jobs a second while it has one.

    No more than `most` jobs a second may start (None: no limit); `started` jobs have started, or stand in
    front of the workers, and need no leave. `trusted` says whether `per_slot` rests on enough finished jobs
    to wake somebody: it rests on as many as were `counted`. `variation` is the variance of the time that a
    job holds a slot, over the square of its mean (None: too few were measured).
    """

    slots: int
    per_slot: float
    trusted: bool = False
    most: float | None = None
    started: int = 0
    counted: int = 0
    variation: float | None = None

    @property
    def of_slots(self) -> float:
        """Jobs per second of all slots, were nothing held back."""
        return self.slots * self.per_slot

    @property
    def rate(self) -> float:
        """Jobs per second in the long run."""
        return self.of_slots if self.most is None else min(self.of_slots, self.most)

    @property
    def held_back(self) -> bool:
        """Whether slots idle because no more jobs may start."""
        return self.most is not None and self.most < self.of_slots

    @property
    def _ahead(self) -> float:
        """How many more jobs have started than run in the long run at the limit."""
        if self.most is None or self.per_slot <= 0:
            return 0.0
        return max(0.0, self.started - self.most / self.per_slot)

    def limited(self, most: float | None, started: int = 0) -> Capacity:
        """The same slots where no more than `most` jobs a second may start."""
        return replace(self, most=most, started=started)

    def varying(self, variation: float | None) -> Capacity:
        """The same slots, with how the times of jobs vary."""
        return replace(self, variation=variation)

    def with_slots(self, more: int) -> Capacity:
        """So many slots more (or, below zero, fewer)."""
        return replace(self, slots=max(0, self.slots + more))

    def done_within(self, seconds: float) -> float:
        """How many jobs are done within so many seconds: `min(slots * throughput * t, ahead + limit * t)`."""
        if seconds <= 0:
            return 0.0
        allowed = inf if self.most is None else self._ahead + self.most * seconds
        return min(self.of_slots * seconds, allowed)

    def seconds_until(self, position: float) -> float:
        """After how many seconds the job at `position` (the first is 1) is done; infinite: never."""
        by_slots = position / self.of_slots if self.of_slots > 0 else inf
        if self.most is None:
            return by_slots
        held = position - self._ahead
        by_limit = 0.0 if held <= 0 else held / self.most if self.most > 0 else inf
        return max(by_slots, by_limit)


def most(starts_per_minute: int | None, window_size: int | None) -> float | None:
    """How many jobs a second may start under a queue's limits (None: any number); without a window, none."""
    if window_size == 0:
        return 0.0
    return None if starts_per_minute is None else starts_per_minute / 60
