"""Charts of a page's window of time: on one time axis, with marks, and with what was before behind them.

Above each chart is a band for the marks: inside the chart tooltips are those of its lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nicegui import ui

from hms_floor.pages.parts import format
from hms_floor.pages.parts.charts import charts, history
from hms_floor.presentation.past.past import Past
from hms_floor.presentation.past.points import Point
from hms_ops.documents.past import Mark

#: What is drawn of a point.
Field = Callable[[Point], float | None]
#: What is behind the curve, as the chart and its table name it.
BEHIND: Mapping[str, str] = {"day": "a day before", "week": "a week before"}
MARKS = "what was done and happened"
#: Points that are further apart than so many steps have a gap between them.
_GAP_STEPS = 2.5
#: Moments are five seconds apart only while there are jobs: an idle queue has one a minute.
_MOMENTS_APART = 150.0
#: Marks that are nearer than such a part of the window are one shape.
_APART = 40
#: Each kind of mark has a shape: nothing is told by colour alone.
_SHAPES: Mapping[str, tuple[str, str]] = {
    "incident": ("diamond", charts.RED),
    "over": ("diamond", charts.GREEN),
    "pause": ("rect", charts.ORANGE),
    "resume": ("circle", charts.GREEN),
    "undo": ("arrow", charts.GREY),
}
_CHANGE = ("triangle", charts.BLUE)


class Timeline:
    """A chart of the window of time, which is the same in all charts of the page."""

    def __init__(self, label: str, *, summary: str = "As a table", small: bool = False) -> None:
        self._small = small
        self._series = 0
        self._chart = charts.show(charts.lines({}, small=small), label, tall=not small, summary=summary)

    def draw(
        self,
        past: Past,
        fields: Mapping[str, Field],
        colours: Sequence[str],
        *,
        behind: tuple[str, Field] | None = None,
        steps: bool = False,
        **look: Any,
    ) -> None:
        """Draw lines of the past, by steps if it has any; `behind` is one of them, as it was before."""
        options = _options(past, fields, colours, behind, small=self._small, steps=steps, **look)
        charts.replace(self._chart, options)
        if len(options["series"]) != self._series:
            self._series = len(options["series"])
            ui.run_javascript(f"hmsLink({self._chart.id})")


def _options(
    past: Past,
    fields: Mapping[str, Field],
    colours: Sequence[str],
    behind: tuple[str, Field] | None,
    *,
    small: bool,
    steps: bool,
    **look: Any,
) -> dict[str, Any]:
    by_steps = steps or not past.by_moments
    apart = _MOMENTS_APART if past.by_moments else _GAP_STEPS * past.step
    lasts = 0.0 if past.by_moments else float(past.step)
    series = {name: history.line(past.points, field, apart, lasts) for name, field in fields.items()}
    shown = dict(zip(series, colours, strict=False))
    if behind is not None:
        name, field = behind
        series[name] = history.line(past.behind, field, apart, lasts)
        shown[name] = charts.GREY
    reach = charts.milliseconds(past.since, past.until)
    stepped = tuple(series) if by_steps else ()
    options = charts.lines(series, list(shown.values()), small=small, reach=reach, steps=stepped, **look)
    if behind is not None:
        fainter = options["series"][-1]
        fainter.pop("areaStyle", None)
        fainter["lineStyle"] = {"width": 1.5, "type": "dashed", "opacity": 0.85}
    _add_marks(options, past.marks, reach, small=small)
    # A range that is drawn sets the window; on a touch screen the page is pushed instead.
    options["brush"] = {
        "xAxisIndex": 0,
        "brushType": "lineX",
        "transformable": False,
        "brushStyle": {"color": "rgba(61, 139, 212, 0.25)", "borderWidth": 0},
    }
    options["toolbox"] = {"show": False}
    return options


def _add_marks(
    options: dict[str, Any], marks: Sequence[Mark], reach: tuple[float, float], *, small: bool
) -> None:
    """Add the band above the chart with a shape for each mark, and a line down from it."""
    top = 18 if small else 52
    # All charts begin at the same place, however wide their numbers are.
    place = {"left": 46 if small else 64, "right": 14}
    options["grid"] = [
        {**place, "top": top, "bottom": 22},
        {**place, "top": top - 16, "height": 12, "tooltip": {"trigger": "item"}},
    ]
    options["xAxis"] = [
        options["xAxis"],
        {"type": "time", "gridIndex": 1, "show": False, "min": reach[0], "max": reach[1]},
    ]
    band = {"type": "value", "gridIndex": 1, "show": False, "min": 0, "max": 2}
    options["yAxis"] = [options["yAxis"], band]
    options["legend"]["data"] = [series["name"] for series in options["series"]]
    options["tooltip"]["extraCssText"] = "max-width: 24rem; white-space: pre-line;"
    lines = options["series"][0]["markLine"]["data"]
    lines += [
        {"xAxis": 1000 * mark.at.timestamp(), "label": {"show": False}, "lineStyle": _LINE} for mark in marks
    ]
    options["series"].append(
        {
            "name": MARKS,
            "type": "scatter",
            "xAxisIndex": 1,
            "yAxisIndex": 1,
            "symbolSize": 11,
            "data": [_shape(near) for near in _together(marks, (reach[1] - reach[0]) / _APART)],
            "tooltip": {"formatter": "{b}"},
        }
    )


def _together(marks: Sequence[Mark], apart: float) -> Iterator[list[Mark]]:
    """Marks that are nearer to each other than so many milliseconds: one shape, or they hide one another."""
    near: list[Mark] = []
    for mark in marks:
        if near and 1000 * (mark.at - near[0].at).total_seconds() > apart:
            yield near
            near = []
        near.append(mark)
    if near:
        yield near


def _shape(near: Sequence[Mark]) -> dict[str, Any]:
    worst = next((mark for mark in near if mark.kind == "incident"), near[0])
    shape, colour = _SHAPES.get(worst.kind, _CHANGE)
    return {
        "value": [1000 * near[0].at.timestamp(), 1],
        "name": "\n".join(f"{format.short(mark.at)}: {sentence(mark)}" for mark in near),
        "symbol": shape,
        "itemStyle": {"color": colour},
    }


def sentence(mark: Mark) -> str:
    """What a mark says: who did what, and why."""
    words = f"{mark.who} {mark.words}" if mark.who and mark.kind != "over" else mark.words
    if mark.kind == "over" and mark.who:
        words += f", closed by {mark.who}"
    return f"{words}: {mark.reason}" if mark.reason else words


_LINE = {"color": charts.GREY, "type": "solid", "width": 1, "opacity": 0.7}
