"""Charts: what ECharts is to draw, as plain options. Colours keep apart in both themes and for most eyes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: (milliseconds since the epoch, value or None for a gap)
Points = Sequence[tuple[float, float | None]]

BLUE, ORANGE, GREEN, RED, GREY = "#3d8bd4", "#e08a1e", "#2f9e66", "#d9534a", "#8b97a3"
_INK = "#8b97a3"


def lines(
    series: Mapping[str, Points],
    colours: Sequence[str] = (BLUE, ORANGE, GREEN, RED),
    *,
    unit: str = "",
    limit: tuple[str, float] | None = None,
    area: bool = False,
    small: bool = False,
    reach: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Lines over time; `limit` is a named dashed line, as an SLA, `reach` the first and last millisecond."""
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
        }
        for (name, points), colour in zip(series.items(), colours, strict=False)
    ]
    if limit is not None and drawn:
        drawn[0]["markLine"] = {
            "silent": True,
            "symbol": "none",
            "data": [{"yAxis": limit[1], "name": limit[0]}],
            "lineStyle": {"color": RED, "type": "dashed"},
            "label": {"formatter": limit[0], "color": RED, "position": "insideEndTop"},
        }
    return {
        "animation": False,
        "grid": {"left": 44, "right": 12, "top": 10 if small else 30, "bottom": 22, "containLabel": False},
        "legend": {"show": not small and len(series) > 1, "top": 0, "textStyle": {"color": _INK}},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": {
            "type": "time",
            **({"min": reach[0], "max": reach[1]} if reach else {}),
            "axisLabel": {"color": _INK, "hideOverlap": True},
            "splitLine": {"show": False},
        },
        "yAxis": {
            "type": "value",
            "min": 0,
            "minInterval": 1 if unit == "jobs" else 0,
            "splitNumber": 2 if small else 4,
            "axisLabel": {"color": _INK, "formatter": _UNITS.get(unit, "{value}")},
            "splitLine": {"lineStyle": {"color": _INK, "opacity": 0.2}},
        },
        "series": drawn,
    }


def bars(
    categories: Sequence[str], series: Mapping[str, Sequence[float]], colours: Sequence[str], *, stacked: bool
) -> dict[str, Any]:
    """Bars side by side, or one on the other."""
    return {
        "animation": False,
        "grid": {"left": 44, "right": 12, "top": 30, "bottom": 24},
        "legend": {"show": len(series) > 1, "top": 0, "textStyle": {"color": _INK}},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}, "confine": True},
        "xAxis": {"type": "category", "data": list(categories), "axisLabel": {"color": _INK}},
        "yAxis": {
            "type": "value",
            "axisLabel": {"color": _INK},
            "splitLine": {"lineStyle": {"color": _INK, "opacity": 0.2}},
        },
        "series": [
            {
                "name": name,
                "type": "bar",
                "data": list(values),
                "itemStyle": {"color": colour},
                **({"stack": "all"} if stacked else {}),
            }
            for (name, values), colour in zip(series.items(), colours, strict=False)
        ],
    }


#: How values on an axis are told.
_UNITS = {"seconds": "{value} s", "percent": "{value} %", "minutes": "{value} min"}
