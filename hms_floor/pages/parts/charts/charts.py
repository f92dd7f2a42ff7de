"""Charts: what ECharts is to draw, as plain options. Colours keep apart in both themes and for most eyes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any

from nicegui import ui

from hms_floor.pages.parts import format

#: (milliseconds since the epoch, value or None for a gap)
Points = Sequence[tuple[float, float | None]]

BLUE, ORANGE, GREEN, RED, GREY = "#3d8bd4", "#e08a1e", "#2f9e66", "#d9534a", "#8b97a3"
#: Readable on both papers.
_INK = "#76828e"
#: One line of names, to be turned if it is narrow: a second line would cover the axis.
_LEGEND = {
    "type": "scroll",
    "top": 0,
    "left": 0,
    "textStyle": {"color": _INK},
    "pageTextStyle": {"color": _INK},
    "pageIconColor": _INK,
}
#: What stands in a chart that has no point yet: an empty frame looks broken.
_NOTHING = {
    "title": {
        "text": "nothing to show yet",
        "left": "center",
        "top": "middle",
        "textStyle": {"color": _INK, "fontSize": 13, "fontWeight": "normal"},
    }
}


def lines(
    series: Mapping[str, Points],
    colours: Sequence[str] = (BLUE, ORANGE, GREEN, RED),
    *,
    unit: str = "",
    limit: tuple[str, float] | None = None,
    area: bool = False,
    small: bool = False,
    reach: tuple[float, float] | None = None,
    steps: Sequence[str] = (),
) -> dict[str, Any]:
    """Lines over time; `limit` is a named dashed line, as an SLA, `reach` the first and last millisecond.

    The lines named in `steps` go up by steps.
    """
    drawn = [
        {
            "name": name,
            "type": "line",
            "data": [list(point) for point in points],
            "showSymbol": False,
            "connectNulls": False,
            "lineStyle": {"width": 2},
            "itemStyle": {"color": colour},
            **({"areaStyle": {"opacity": 0.18}} if area else {}),
            **({"step": "end"} if name in steps else {}),
        }
        for (name, points), colour in zip(series.items(), colours, strict=False)
    ]
    if drawn:
        drawn[0]["markLine"] = {
            "silent": True,
            "symbol": "none",
            "data": [] if limit is None else [{"yAxis": limit[1], "name": limit[0]}],
            "lineStyle": {"color": RED, "type": "dashed"},
            "label": {"formatter": limit[0] if limit else "", "color": RED, "position": "insideStartTop"},
        }
    return {
        "animation": False,
        "grid": {"left": 8, "right": 22, "top": 10 if small else 34, "bottom": 4, "containLabel": True},
        "legend": {**_LEGEND, "show": not small and len(series) > 1},
        "tooltip": {"trigger": "axis", "confine": True, **_SPANS.get(unit, {})},
        "useUTC": True,
        **({} if small else nothing(series)),
        "xAxis": {
            "type": "time",
            **({"min": reach[0], "max": reach[1]} if reach else {}),
            "splitNumber": 2 if small else 6,
            "axisLine": {"lineStyle": {"color": _INK}},
            **_clock(reach),
            "splitLine": {"show": False},
        },
        "yAxis": {
            "type": "value",
            "min": 0,
            "minInterval": 0 if unit == "seconds" else 1,
            "splitNumber": 2 if small else 4,
            "axisLabel": {"color": _INK, **_UNITS.get(unit, {})},
            "splitLine": {"lineStyle": {"color": _INK, "opacity": 0.2}},
            **(spans_axis(series.values()) if unit == "seconds" else {}),
        },
        "series": drawn,
    }


def milliseconds(since: datetime, until: datetime) -> tuple[float, float]:
    """A stretch of time as charts have it."""
    return 1000 * since.timestamp(), 1000 * until.timestamp()


def nothing(series: Mapping[str, Points]) -> dict[str, Any]:
    """What a chart without any point says of itself."""
    drawn = any(value is not None for points in series.values() for _, value in points)
    return {"title": {"text": ""}} if drawn else _NOTHING


def spans_axis(series: Iterable[Points]) -> dict[str, float]:
    """The end of an axis for lengths of time, and its steps: whole minutes rather than 1 min 40 s."""
    most = max((value for points in series for _, value in points if value is not None), default=0.0)
    step = next((size for size in _SPAN_STEPS if most <= 4 * size), None)
    if not most or step is None:
        return {}
    return {"max": step * ceil(most / step), "interval": step}


def bars(
    categories: Sequence[str], series: Mapping[str, Sequence[float]], colours: Sequence[str], *, stacked: bool
) -> dict[str, Any]:
    """Bars side by side, or one on the other."""
    several = len(series) > 1
    return {
        "animation": False,
        "grid": {"left": 8, "right": 12, "top": 34 if several else 10, "bottom": 4, "containLabel": True},
        "legend": {**_LEGEND, "show": several},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}, "confine": True},
        "xAxis": {
            "type": "category",
            "data": list(categories),
            "axisLine": {"lineStyle": {"color": _INK}},
            "axisLabel": {"color": _INK, "fontSize": 11, **({"interval": 0} if len(categories) < 8 else {})},
        },
        "yAxis": {
            "type": "value",
            "minInterval": 1,
            "axisLabel": {"color": _INK},
            "splitLine": {"lineStyle": {"color": _INK, "opacity": 0.2}},
        },
        "series": [
            {
                "name": name,
                "type": "bar",
                "barMaxWidth": 60,
                "data": list(values),
                "itemStyle": {"color": colour},
                **({"stack": "all"} if stacked else {}),
            }
            for (name, values), colour in zip(series.items(), colours, strict=False)
        ],
    }


def show(
    options: dict[str, Any], label: str, *, tall: bool = False, summary: str = "As a table"
) -> ui.echart:
    """A chart on the page, with its numbers as a table behind `summary`; `label` says what it shows."""
    chart = ui.echart(options).classes("chart tall" if tall else "chart")
    chart.props["role"] = "img"
    chart.props["aria-label"] = label
    with ui.element("details").classes("as-table") as details, ui.element("summary"):
        ui.label(summary)
    # The browser makes the table of what is drawn: most readers never open it.
    details.props["data-zone"] = format.zone().key
    details.on("toggle", js_handler="(event) => hmsTable(event.target)")
    return chart


def replace(chart: ui.echart, options: dict[str, Any]) -> None:
    """Have a chart show something else."""
    chart.options.clear()
    chart.options.update(options)
    chart.update()


def _clock(reach: tuple[float, float] | None) -> dict[str, Any]:
    """How a time axis, and the heading of its tooltips, tell times: see `clock.js`."""
    zone = json.dumps(format.zone().key)
    covered = 3_600_000 if reach is None else round(reach[1] - reach[0])
    return {
        "axisLabel": {"color": _INK, "hideOverlap": True, ":formatter": f"hmsClock.axis({zone}, {covered})"},
        "axisPointer": {"label": {":formatter": f"hmsClock.full({zone})"}},
    }


#: Steps of an axis for lengths of time, in seconds.
_SPAN_STEPS = (1, 5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 604800)
#: How values are told on an axis, and in tooltips.
_UNITS: Mapping[str, Mapping[str, str]] = {
    "seconds": {":formatter": "hmsClock.span"},
    "percent": {"formatter": "{value} %"},
}
_SPANS: Mapping[str, Mapping[str, str]] = {"seconds": {":valueFormatter": "hmsClock.span"}}
