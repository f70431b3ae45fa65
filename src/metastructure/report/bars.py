"""A bar plot of scores with intervals, as inline SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metastructure.report.charts import to_svg

FAMILIES = {
    "clean": ("clean label", "#000000"),
    "randomised": ("randomised clean label", "#0072b2"),
    "perturbed": ("perturbed clean label", "#e69f00"),
    "random": ("random label", "#999999"),
}
"""The paper's four families of labels: what a legend calls them, and their colour."""


@dataclass(frozen=True)
class Bar:
    """One bar: a score with its interval.

    Attributes
    ----------
    label, family : str
        What was trained on, and its family, a key of FAMILIES.
    value, low, high : float
        In points, 0 to 100; NaN where there is none.
    """

    label: str
    family: str
    value: float
    low: float
    high: float


def describe_value(value: float) -> str:
    """Return a score as people read it."""
    return "not available" if np.isnan(value) else f"{value:.1f}"


def draw_bars(bars: Sequence[Bar], axis_title: str) -> str:
    """Return an SVG with one horizontal bar each, coloured by family, the first one's score as a dashed line."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(figsize=(7.2, 0.9 + 0.34 * len(bars)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(bars))[::-1]
    for place, bar in zip(places, bars, strict=True):
        value = 0.0 if np.isnan(bar.value) else bar.value
        axes.barh(place, value, height=0.7, color=FAMILIES[bar.family][1])
        if not np.isnan(bar.low):
            for colour, width in (("#ffffff", 4.5), ("#d55e00", 2.2)):  # a white rim, to be seen on any bar
                axes.plot([bar.low, bar.high], [place, place], color=colour, linewidth=width, solid_capstyle="butt")
        axes.text(max(value, np.nan_to_num(bar.high)) + 1, place, describe_value(bar.value), va="center", fontsize=9)
    if bars and not np.isnan(bars[0].value):
        axes.axvline(bars[0].value, color="#000000", linewidth=0.8, linestyle="--")
    axes.set_yticks(places, [bar.label for bar in bars])
    axes.set_xlim(0, 112)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel(axis_title)
    axes.spines[["top", "right"]].set_visible(False)
    used = [family for family in FAMILIES if any(bar.family == family for bar in bars)]
    figure.legend(
        handles=[Patch(color=FAMILIES[family][1], label=FAMILIES[family][0]) for family in used],
        loc="outside lower center",
        ncols=len(used),
        frameon=False,
        fontsize=8,
    )
    return to_svg(figure)
