"""Side by side: every side once per round, in turn, so that a slow minute of the machine hits them all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from statistics import median


def interleaved(title: str, sides: Mapping[str, Callable[[], float]], count: int) -> dict[str, list[float]]:
    """Measure each side `count` times, A B A B ..., and return its figures in order."""
    figures: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(1, count + 1):
        for name, measure in sides.items():
            figures[name].append(measure())
            say(f"{title}, round {number} of {count}: {name} {figures[name][-1]:,.0f}/s")
    return figures


def ratio(figures: Mapping[str, list[float]], side: str, other: str) -> float:
    """How many times the median of `other` the median of `side` is."""
    return median(figures[side]) / median(figures[other])


def rounded(figures: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """The figures as a reader wants them."""
    return {name: [round(figure, 1) for figure in measured] for name, measured in figures.items()}


def say(line: str) -> None:
    """Tell anyone who waits how far we are, on standard error."""
    print(line, file=sys.stderr, flush=True)
