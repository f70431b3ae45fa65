"""Line charts as inline SVG: values over a scale with their intervals, and curves with envelopes.

What is drawn was computed elsewhere; NaN leaves a gap.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#e69f00", "#999999")
BAND_COLOUR, CURVE_COLOUR, ALL_COLOUR = "#d0d0d0", "#d55e00", "#0072b2"
NUM_COLUMNS = 3
LEGEND_WIDTH = 5.6
GAP_POINTS = 4.0
"""Series at the same place stand beside each other, so that their intervals can be told apart."""


@dataclass(frozen=True)
class Series:
    """One line: values with their intervals, NaN where there is none."""

    name: str
    values: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True)
class Curve:
    """One panel: a curve against the band of a null model, and another curve beside it if there is one."""

    title: str
    x: Sequence[float]
    observed: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    other: Sequence[float] | None


def draw_series(places: Sequence[int], series: Sequence[Series], axis_title: str) -> str:
    """Return an SVG of series with values in [0, 1], with their intervals, at evenly spaced places."""
    from matplotlib.figure import Figure
    from matplotlib.transforms import ScaledTranslation

    figure = Figure(figsize=(5.6, 3.3), layout="constrained")
    axes = figure.subplots()
    x = np.arange(len(places))
    for index, (one, colour) in enumerate(zip(series, COLOURS, strict=False)):
        moved = (index - (len(series) - 1) / 2) * GAP_POINTS / 72
        beside = axes.transData + ScaledTranslation(moved, 0, figure.dpi_scale_trans)
        axes.plot(
            x, one.values, marker="o", markersize=5, linewidth=1.4, color=colour, label=one.name, transform=beside
        )
        axes.vlines(x, one.low, one.high, color=colour, linewidth=2.4, transform=beside)
    axes.set_xticks(x, [str(place) for place in places])
    axes.set_xlim(-0.4, len(places) - 0.6)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel(axis_title)
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(series), frameon=False, fontsize=9)
    return to_svg(figure)


def draw_curves(curves: Sequence[Curve], axis_title: str, value_title: str, other_name: str) -> str:
    """Return an SVG with one small panel a curve, each with a scale of its own."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    columns = min(NUM_COLUMNS, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(max(LEGEND_WIDTH, 0.6 + 3.1 * columns), 0.6 + 2.3 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, curve in zip(panels, curves, strict=False):
        panel.axhline(0, color="#000000", linewidth=0.8)
        panel.fill_between(curve.x, curve.low, curve.high, color=BAND_COLOUR, linewidth=0)
        if curve.other is not None:
            panel.plot(curve.x, curve.other, color=ALL_COLOUR, linewidth=1.4, linestyle="--")
        panel.plot(curve.x, curve.observed, color=CURVE_COLOUR, linewidth=1.8)
        panel.set_title(curve.title, fontsize=9, loc="left")
        panel.tick_params(labelsize=8)
        panel.set_xlim(left=0)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(curves) :]:
        panel.set_visible(False)
    figure.supxlabel(axis_title, fontsize=9)
    figure.supylabel(value_title, fontsize=9)
    handles: list[Patch | Line2D] = [
        Line2D([], [], color=CURVE_COLOUR, linewidth=1.8, label="sample"),
        Patch(color=BAND_COLOUR, label="sample, pixels in random order"),
    ]
    if any(curve.other is not None for curve in curves):
        handles.insert(1, Line2D([], [], color=ALL_COLOUR, linewidth=1.4, linestyle="--", label=other_name))
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), frameon=False, fontsize=9)
    return to_svg(figure)


def to_svg(figure: "Figure") -> str:
    """Return a figure as an SVG element whose text stays text; the same figure gives the same bytes."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "metastructure"}):
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    return text[text.index("<svg") :]
