"""Scores against the share that is labelled, on a log axis: points, curve, band, and the budget marked.

What is drawn was computed elsewhere; scores are in points, shares lie in (0, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE_COLOUR, BUDGET_COLOUR = "#0072b2", "#009e73"
SLOPPY_COLOURS = ("#d55e00", "#cc79a7", "#e69f00", "#56b4e9")
TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 1.0)

Triple = tuple[float, float, float]
"""Value, low, high."""


@dataclass(frozen=True)
class Level:
    """A score that is reached in another way, drawn as a horizontal line."""

    name: str
    score: float


@dataclass(frozen=True)
class Panel:
    """One curve.

    Attributes
    ----------
    title : str
    axis_title : str
    shares : sequence of float
        Of the points.
    scores : sequence of (value, low, high)
        At the points.
    line_shares, line_scores, line_low, line_high : sequences of float
        The curve and its band.
    enough : float
        The score that is within the loss.
    budget : (value, low, high) or None
        Shares.
    levels : sequence of Level
    """

    title: str
    axis_title: str
    shares: Sequence[float]
    scores: Sequence[Triple]
    line_shares: Sequence[float]
    line_scores: Sequence[float]
    line_low: Sequence[float]
    line_high: Sequence[float]
    enough: float
    budget: Triple | None
    levels: Sequence[Level]


def draw_budget(panels: Sequence[Panel], value_title: str) -> "Figure":
    """Return a figure with one panel a curve, side by side, with one scale of scores.

    Raises
    ------
    ValueError
        If there are no panels.
    """
    from matplotlib.figure import Figure

    if not panels:
        raise ValueError("Give at least one curve to draw.")
    figure = Figure(figsize=(0.8 + 4.6 * len(panels), 4.4), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, panel in zip(grid, panels, strict=True):
        _draw_panel(axes, panel)
    grid[0].set_ylabel(value_title)
    handles = {label: handle for axes in grid for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(
        handles=list(handles.values()),
        labels=list(handles),
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=9,
    )
    return figure


def _draw_panel(axes: "Axes", panel: Panel) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    values, low, high = zip(*panel.scores, strict=True)
    axes.set_xscale("log")
    axes.fill_between(panel.line_shares, panel.line_low, panel.line_high, color=CURVE_COLOUR, alpha=0.18, linewidth=0)
    axes.plot(panel.line_shares, panel.line_scores, color=CURVE_COLOUR, linewidth=1.6, label="curve, 95 % band")
    axes.vlines(panel.shares, low, high, color="#000000", linewidth=1.2)
    axes.plot(panel.shares, values, "o", color="#000000", markersize=4.5, label="one kind of labels, 95 % interval")
    axes.axhline(panel.enough, color=BUDGET_COLOUR, linewidth=1.2, linestyle="--", label="within the loss")
    if panel.budget is not None:
        share, share_low, share_high = panel.budget
        axes.axvspan(share_low, share_high, color=BUDGET_COLOUR, alpha=0.15, linewidth=0)
        axes.axvline(share, color=BUDGET_COLOUR, linewidth=1.8, label="budget, 95 % interval shaded")
    for level, colour in zip(panel.levels, SLOPPY_COLOURS, strict=False):
        axes.axhline(level.score, color=colour, linewidth=1.4, linestyle=":", label=f"all images as {level.name}")
    first = min(panel.shares)
    axes.set_xlim(first / 1.25, 1.25)
    shown = [tick for tick in TICKS if tick >= first / 1.25]
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}"))
    axes.set_title(panel.title, fontsize=10, loc="left")
    axes.set_xlabel(panel.axis_title)
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
