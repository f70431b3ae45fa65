"""The figure of `predictors.py`: the test score against predictors, each point with its name beside it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox
from predictors_page import NAMES, PANELS, show

from metastructure.report import FAMILIES
from metastructure.rng import generator
from metastructure.study.predictors import PREDICTORS
from metastructure.study.rank_agreement import PredictorComparison
from metastructure.study.table import METRIC_NAMES

MARKERS = {"clean": "*", "randomised": "o", "perturbed": "s", "random": "X"}

TICKS = (0, 20, 40, 60, 70, 80, 85, 90, 95)
"""Points, on the axis of the figure."""

HALO = [withStroke(linewidth=2, foreground="white")]

NUM_LAYOUTS = 6
"""Orders in which the figure's labels are placed, the best of which is kept."""


def draw_figure(table: pd.DataFrame, comparison: PredictorComparison, path: Path) -> None:
    """Draw the test score against each of three predictors; the axis is logarithmic in what is missing to 100."""
    figure = Figure(figsize=(17, 7.6), dpi=100)
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(PANELS), sharey=True)
    figure.subplots_adjust(left=0.045, right=0.995, top=0.94, bottom=0.13, wspace=0.04)
    agreements = {agreement.predictor: agreement for agreement in comparison.agreements}
    metric = METRIC_NAMES[table["metric"].iloc[0]]
    missing = 100 - table[["low", "score", "high"]].clip(upper=99.9)
    for axes, name in zip(panels, PANELS, strict=True):
        axes.set_yscale("log")
        axes.set_yticks([100 - tick for tick in TICKS], [str(tick) for tick in TICKS])
        axes.minorticks_off()
        axes.set_ylim(min(100, missing["low"].max() * 1.15), missing["high"].min() / 1.35)
        axes.set_xlim(-0.06, 1.06)
        axes.grid(color="#e6e6e6", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.set_xlabel(PREDICTORS[name].split(":")[0])
        axes.set_title(f"{NAMES[name]}: Spearman's ρ {show(agreements[name].rho)}", fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
        for family, rows in table.groupby("family", sort=False):
            colour = FAMILIES[family][1]
            low, middle, high = (missing.loc[rows.index, end] for end in ("low", "score", "high"))
            axes.vlines(rows[name], low, high, color=colour, linewidth=1.2)
            size = 120 if family == "clean" else 38
            style = {"marker": MARKERS[family], "color": colour, "edgecolor": "white", "linewidth": 0.6}
            axes.scatter(rows[name], middle, s=size, zorder=3, **style)
    panels[0].set_ylabel(f"test {metric} in points, logarithmic in 100 - {metric} (line: 95 % interval)")
    used = [family for family in FAMILIES if (table["family"] == family).any()]
    handles = [
        Line2D([], [], color=FAMILIES[f][1], marker=MARKERS[f], linestyle="", markersize=8, label=FAMILIES[f][0])
        for f in used
    ]
    figure.legend(handles=handles, loc="lower center", ncols=len(used), frameon=False)
    for axes, name in zip(panels, PANELS, strict=True):
        shown = table[table[name].notna() & table["score"].notna()]
        label_points(axes, shown[name].to_numpy(), missing.loc[shown.index].to_numpy(), list(shown["noise"]))
    figure.savefig(path)


def label_points(axes: Axes, x: np.ndarray, y: np.ndarray, texts: Sequence[str]) -> None:
    """Write each text near its point, x (n,) and y (n, 3) with the ends of its interval; a line leads to those far off.

    No two texts overlap and none covers a point. Of several orders of placing them the cheapest is taken.
    """
    renderer = axes.figure.canvas.get_renderer()
    style = {"fontsize": 8.5, "ha": "left", "va": "bottom", "zorder": 4, "path_effects": HALO}
    drawn = [axes.text(0, 0, text, **style) for text in texts]
    sizes = np.array([text.get_window_extent(renderer).size for text in drawn])
    points = axes.transData.transform(np.column_stack([x, y[:, 1]]))
    ends = [axes.transData.transform(np.column_stack([x, y[:, side]])) for side in (0, 2)]
    bars = np.concatenate([ends[0] + share * (ends[1] - ends[0]) for share in np.linspace(0, 1, 12)])
    inside = axes.get_window_extent()
    rng = generator(0, "", "labels")
    layouts = [_place(points, bars, sizes, inside, rng.permutation(len(texts))) for _ in range(NUM_LAYOUTS)]
    cost, corners, anchors = min(layouts, key=lambda layout: layout[0])
    if not np.isfinite(cost):
        raise SystemExit("no free place for a label; make the figure larger.")
    to_data = axes.transData.inverted().transform
    for text, corner, anchor, point in zip(drawn, corners, anchors, points, strict=True):
        text.set_position(to_data(corner))
        if np.linalg.norm(anchor - point) > 13:
            axes.plot(*to_data([anchor, point]).T, color="#777777", linewidth=0.6, zorder=2)


def _place(
    points: np.ndarray, bars: np.ndarray, sizes: np.ndarray, inside: Bbox, order: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the cost of placing the texts in this order, their lower left corners, and where their lines end.

    Costs in pixels: the distance, 12 for a text on an interval, 120 for a line under a text, 40 for lines that meet.
    """
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    distances = np.array([8, 12, 18, 26, 36, 50, 68, 90, 120, 155, 200])
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    steps = (distances[:, None, None] * directions).reshape(-1, 2)
    sides = (np.tile(directions, (len(distances), 1)) - 1) / 2
    corners, anchors = np.zeros_like(points), np.zeros_like(points)
    boxes, lines = np.zeros((0, 2, 2)), np.zeros((0, 2))
    total = 0.0
    for index in order:
        anchor = points[index] + steps
        low = anchor + sides * sizes[index]
        box = np.stack([low, low + sizes[index]], axis=1)
        line = points[index] + np.linspace(0.2, 1, 9)[:, None] * steps[:, None]
        outside = (low < inside.min + 2).any(axis=1) | (box[:, 1] > inside.max - 2).any(axis=1)
        clash = ((box[:, None, 0] < boxes[:, 1] + 2) & (box[:, None, 1] > boxes[:, 0] - 2)).all(axis=2).any(axis=1)
        met = np.concatenate([lines, np.delete(points, index, axis=0)])
        cost = np.linalg.norm(steps, axis=1) + 12 * _within(bars, box, 1).any(axis=1)
        cost += 120 * _within(lines, box, 1).any(axis=1) + 40 * _are_near(line, met)
        cost += 120 * _within(line.reshape(-1, 2), boxes, 1).any(axis=0).reshape(len(line), -1).any(axis=1)
        cost[outside | clash | _within(points, box, 5).any(axis=1)] = np.inf
        best = int(cost.argmin())
        total += float(cost[best])
        corners[index], anchors[index] = low[best], anchor[best]
        boxes, lines = np.concatenate([boxes, box[best][None]]), np.concatenate([lines, line[best]])
    return total, corners, anchors


def _are_near(lines: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return which of k lines of sampled points (k, m, 2) pass within 4 pixels of one of n points, (k,)."""
    gaps = lines[:, :, None] - points
    return ((gaps**2).sum(axis=3) < 16).any(axis=(1, 2))


def _within(points: np.ndarray, boxes: np.ndarray, pad: float) -> np.ndarray:
    """Return which of n points lie in which of k boxes (k, 2, 2), (k, n)."""
    return ((points > boxes[:, None, 0] - pad) & (points < boxes[:, None, 1] + pad)).all(axis=2)
