"""How well forecasts are calibrated: what was said of jobs, held against what came."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean, median
from typing import NamedTuple

#: A close call: the job was to end between these shares of the time until its deadline.
CLOSE = (0.6, 1.6)


class Settled(NamedTuple):
    """A forecast and what came of it; lengths of time are seconds from when it was made.

    The job was to end after `mean`, and after `limit` at the latest (None: it was not said). It was due after
    `deadline`, and late with `chance`. It has ended after `actual`.
    """

    mean: float
    limit: float | None
    deadline: float
    chance: float
    actual: float

    @property
    def is_close(self) -> bool:
        """Whether it was a close call."""
        return self.deadline > 0 and CLOSE[0] <= self.mean / self.deadline <= CLOSE[1]

    @property
    def error(self) -> float:
        """The square of how far the chance was from what came."""
        return (self.chance - (self.actual > self.deadline)) ** 2


class Calibration(NamedTuple):
    """Brier score of close calls, and the share of limits that held; None of none.

    `width` is the median of limits over actual ends.
    """

    forecasts: int
    close: int
    brier: float | None
    limits: int
    held: float | None
    width: float | None


def of(settled: Iterable[Settled]) -> Calibration:
    """Sum up settled forecasts."""
    forecasts = list(settled)
    errors = [forecast.error for forecast in forecasts if forecast.is_close]
    limits = [(forecast.limit, forecast.actual) for forecast in forecasts if forecast.limit is not None]
    return Calibration(
        len(forecasts),
        len(errors),
        fmean(errors) if errors else None,
        len(limits),
        fmean(actual <= limit for limit, actual in limits) if limits else None,
        median(limit / actual for limit, actual in limits if actual > 0) if limits else None,
    )
