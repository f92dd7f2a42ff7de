"""The chart of a simulation: the share on time of each policy, and the misses as their deadlines pass."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from hms_oms.order.comparison import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: The same colour for a policy wherever it stands.
COLOURS = {"most-on-time": "#1a7f4b", "deadline": "#b35900", "fifo": "#5b6b7b", "defer": "#6b4fbb"}
BOUND_COLOUR = "#20242a"


def require() -> None:
    """Fail before a long simulation if the plotting library is not installed."""
    import_module("matplotlib")


def draw(comparison: Comparison, path: Path) -> None:
    """Write the chart as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2, 3])
    figure.suptitle(f"{comparison.jobs:,} jobs, {comparison.slots} workers", fontweight="bold")
    _shares(left, comparison)
    _misses(right, comparison)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, format="png", dpi=120)


def _shares(axes: Axes, comparison: Comparison) -> None:
    names = [str(outcome.policy) for outcome in comparison.outcomes]
    shares = [100 * outcome.on_time / comparison.jobs for outcome in comparison.outcomes]
    bars = axes.bar(names, shares, color=[COLOURS[name] for name in names], width=0.6)
    background = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    axes.bar_label(bars, fmt="%.1f %%", padding=4, bbox=background)
    most = 100 * comparison.most / comparison.jobs
    axes.axhline(most, color=BOUND_COLOUR, linestyle="--", linewidth=1, label=f"bound {most:.1f} %")
    axes.set_ylim(0, 112)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel("on time, %")
    axes.legend(loc="upper right", frameon=False)


def _misses(axes: Axes, comparison: Comparison) -> None:
    start = min(job.arrival for job in comparison.outcomes[0].jobs)
    for outcome in comparison.outcomes:
        name = str(outcome.policy)
        missed = sorted((job.deadline - start) / 60 for job in outcome.jobs if not job.on_time)
        last = max((job.deadline - start) / 60 for job in outcome.jobs)
        axes.step(
            [0.0, *missed, last],
            [*range(len(missed) + 1), len(missed)],
            where="post",
            color=COLOURS[name],
            label=name,
        )
    axes.set_xlabel("minutes since the first arrival")
    axes.set_ylabel("deadlines missed so far")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left", frameon=False)
