"""A small bar chart for the terminal: how a number went in the last minute, one bar a second."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from rich.text import Text

from hms_floor.cli.terminal import show

#: Bars, one a second; so many lines high.
SECONDS, ROWS = 60, 4
_EIGHTHS = " ▁▂▃▄▅▆▇█"


class Chart:
    """The last minute of a number; what was not told of a second is what it was before."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._bars: deque[float] = deque(maxlen=SECONDS)
        self._second = 0

    def add(self, at: datetime, value: float) -> None:
        """Add the value `at` a moment; moments come in order."""
        second = int(at.timestamp())
        gap = second - self._second if self._bars else 0
        if self._bars and gap <= 0:
            self._bars[-1] = value
            return
        self._bars.extend([self._bars[-1]] * min(gap - 1, SECONDS) if self._bars else [])
        self._bars.append(value)
        self._second = second

    def lines(self) -> list[Text]:
        """The chart from the top down, and what it is of; nothing before there are two bars."""
        bars = list(self._bars)
        if len(bars) < 2:
            return []
        top = max(*bars, 1.0)
        levels = [round(8 * ROWS * value / top) or (1 if value else 0) for value in bars]
        drawn = ["".join(_cell(level - 8 * row) for level in levels) for row in reversed(range(ROWS))]
        edges = f"{self._what} in the last {len(bars)} s: {min(bars):,.0f} to {max(bars):,.0f}"
        return [
            *(Text(line, style="cyan", no_wrap=True, overflow="crop") for line in drawn),
            Text(edges, "dim"),
        ]


def _cell(eighths: int) -> str:
    """One cell of a bar, of which so many eighths are above its lower edge."""
    if not show.unicode():
        return "#" if eighths >= 4 else " "
    return _EIGHTHS[min(max(eighths, 0), 8)]
