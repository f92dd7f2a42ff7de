"""Of which jobs of a line forecasts are made, and how often."""

from __future__ import annotations

#: How often forecasts of a queue are made, in seconds, and of how many jobs of its line at once.
EVERY_SECONDS, JOBS = 60.0, 5


def chosen(jobs: int) -> list[int]:
    """The places in a line of so many jobs (the first is 1): evenly apart, the last among them."""
    return sorted({round(jobs * part / JOBS) for part in range(1, JOBS + 1)} - {0})
