"""What was measured, and how it stands against its bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Result:
    """One measured figure; with `at_most` it is better the lower it is, else the higher."""

    name: str
    what: str
    value: float
    unit: str
    bar: float | None = None
    aim: float | None = None
    at_most: bool = False
    note: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None where there is none."""
        if self.bar is None:
            return None
        return self.value <= self.bar if self.at_most else self.value >= self.bar

    def as_document(self) -> dict[str, Any]:
        """The result as plain JSON."""
        return {
            "name": self.name,
            "what": self.what,
            "value": round(self.value, 3),
            "unit": self.unit,
            "bar": self.bar,
            "aim": self.aim,
            "better": "lower" if self.at_most else "higher",
            "met": self.met,
            "note": self.note,
            "detail": dict(self.detail),
        }


def table(results: list[Result]) -> Table:
    """The results for people, one line each."""
    made = Table(title="make bench", title_justify="left")
    for heading in ("name", "what", "measured", "bar", "aim", "met", "note"):
        made.add_column(heading, justify="right" if heading in ("measured", "bar", "aim") else "left")
    for result in results:
        made.add_row(
            result.name,
            result.what,
            f"{_figure(result.value)} {result.unit}",
            _bound(result, result.bar),
            _bound(result, result.aim),
            {None: "", True: "yes", False: "NO"}[result.met],
            result.note,
        )
    return made


def _bound(result: Result, bound: float | None) -> str:
    if bound is None:
        return ""
    return f"{'<=' if result.at_most else '>='} {_figure(bound)}"


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
