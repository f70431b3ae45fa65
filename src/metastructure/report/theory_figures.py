"""Figures of the checks of the theory, one a statement; what they show was computed elsewhere.

C classes, h a half-width; a window is 2h + 1 px wide.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metastructure.data.theory_report import TheoryReport
from metastructure.structure import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#009e73", "#cc79a7")
BOUNDARY_COLOUR, PREDICTED_COLOUR, PLAIN_COLOUR = "#d55e00", "#000000", "#999999"
MARKERS = ("o", "s", "^")
SHOWN_ERRORS = 4.0
"""Standard errors of the bars of Lemma 1: those that refute it."""


def draw_theory(report: TheoryReport) -> dict[str, "Figure"]:
    """Return the figures by name, in the order of the statements: lemma-1 to exact-counts."""
    return {
        "lemma-1": draw_lemma_1(report),
        "lemma-2": draw_lemma_2(report),
        "theorem-1": draw_theorem_1(report),
        "theorem-2": draw_theorem_2(report),
        "singular-rate": draw_sweep(report),
        "windows": draw_windows(report),
        "exact-counts": draw_exact(report),
    }


def draw_lemma_1(report: TheoryReport) -> "Figure":
    """Return error against window (left) and measured over predicted error (right)."""
    figure, (errors, ratios) = _panels(2)
    *randomised, boundary = report.lemma_1
    for case, colour, marker in zip(report.lemma_1, (*COLOURS, BOUNDARY_COLOUR), (*MARKERS, "D"), strict=True):
        width = [2.0 * scale.half_width_px + 1 for scale in case.check.scales]
        measured = np.sqrt([scale.measured for scale in case.check.scales])
        errors.plot(width, np.sqrt([scale.predicted for scale in case.check.scales]), color=colour, linewidth=1)
        errors.plot(width, measured, marker, color=colour, markersize=5, label=case.name)
    for index, (case, colour, marker) in enumerate(zip(randomised, COLOURS, MARKERS, strict=True)):
        scales = case.check.scales
        width = [(2 * scale.half_width_px + 1) * (1 + 0.06 * (index - 1)) for scale in scales]
        bars = [SHOWN_ERRORS * scale.ratio_error for scale in scales]
        ratios.errorbar(width, [scale.ratio for scale in scales], bars, fmt=marker, color=colour, markersize=5)
    errors.set_xscale("log")
    errors.set_yscale("log")
    ratios.set_xscale("log")
    ratios.axhline(1, color=PREDICTED_COLOUR, linewidth=0.8)
    for axes in (errors, ratios):
        ticks = [2 * scale.half_width_px + 1 for scale in boundary.check.scales]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("width of the window, px")
    errors.set_ylabel("root mean square error")
    errors.set_title("dots measured, lines predicted", fontsize=9, loc="left")
    ratios.set_ylabel("measured / predicted (squares)")
    ratios.set_title(f"randomised labels, bars {SHOWN_ERRORS:g} standard errors", fontsize=9, loc="left")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def draw_lemma_2(report: TheoryReport) -> "Figure":
    """Return the signal measured in noisy densities against what Q predicts, a dot for each class that Q could keep."""
    figure, (axes,) = _panels(1)
    edges = [case.edge for case in report.lemma_2]
    floor = min(edges) / 10
    for case in report.lemma_2:
        kept = case.rank - 1
        for name, part, colour, marker in (
            ("left by Q", slice(None, kept), COLOURS[0], "o"),
            ("lost by Q", slice(kept, None), BOUNDARY_COLOUR, "x"),
        ):
            predicted, measured = (np.maximum(values[part], floor) for values in (case.predicted, case.signal_to_noise))
            length = min(len(predicted), len(measured))
            axes.plot(predicted[:length], measured[:length], marker, color=colour, markersize=5, label=name)
    axes.axline((1, 1), (2, 2), color=PREDICTED_COLOUR, linewidth=0.8)
    axes.axhspan(floor, float(np.mean(edges)), color="#eeeeee", zorder=0)
    axes.text(0.99, 0.02, "below the edge: cannot be told from noise", transform=axes.transAxes, ha="right", fontsize=8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("signal over noise, predicted from Q")
    axes.set_ylabel("measured")
    handles, names = axes.get_legend_handles_labels()
    unique = dict(zip(names, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def draw_theorem_1(report: TheoryReport) -> "Figure":
    """Return similarity against the share of pixels that changed, from the clean labels on."""
    figure, (axes,) = _panels(1)
    for name, check, colour, marker in zip(
        ("dilated", "eroded"), (report.dilated, report.eroded), COLOURS, MARKERS, strict=False
    ):
        changed = [100 * case.changed for case in check.cases]
        _with_intervals(axes, changed, [case.similarity for case in check.cases], colour, f"{marker}-", name)
    radii = ", ".join(case.name.partition(":")[2] for case in report.dilated.cases[1:])
    axes.set_xlabel(f"changed pixels, % (dots: clean, then radius {radii} px)")
    _finish(figure, axes, 2)
    return figure


def draw_theorem_2(report: TheoryReport) -> "Figure":
    """Return the similarity of every noise beside what the rank of Q predicts."""
    figure, (axes,) = _panels(1, height=0.9 + 0.3 * len(report.theorem_2))
    places = np.arange(len(report.theorem_2))[::-1]
    cases = report.theorem_2
    axes.plot(
        [case.predicted for case in cases],
        places,
        "d",
        color=PREDICTED_COLOUR,
        fillstyle="none",
        markersize=10,
        label="predicted",
    )
    axes.plot([case.corrected.value for case in cases], places, "o", color=COLOURS[0], markersize=5, label="corrected")
    axes.hlines(
        places,
        [case.corrected.low for case in cases],
        [case.corrected.high for case in cases],
        color=COLOURS[0],
        linewidth=2.4,
    )
    plain = [case.uncorrected.value for case in cases]
    axes.plot(plain, places, "o", color=PLAIN_COLOUR, markersize=5, label="uncorrected")
    axes.set_yticks(places, [f"{case.name} (rank {case.rank})" for case in cases])
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel(f"similarity, {100 * report.confidence:g} % intervals")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def draw_sweep(report: TheoryReport) -> "Figure":
    """Return similarity against the rate of symmetric flips."""
    figure, (axes,) = _panels(1)
    by_name = {case.name: case for case in report.theorem_2}
    rates = [rate for rate, _ in report.sweep]
    cases = [by_name[name] for _, name in report.sweep]
    axes.axvline(report.singular_rate, color=PREDICTED_COLOUR, linewidth=0.8, linestyle="--")
    axes.text(report.singular_rate, 1.04, f"(C - 1) / C = {report.singular_rate:.3g}", ha="center", fontsize=9)
    _with_intervals(axes, rates, [case.corrected for case in cases], COLOURS[0], "o-", "corrected")
    _with_intervals(axes, rates, [case.uncorrected for case in cases], PLAIN_COLOUR, "s-", "uncorrected")
    axes.set_xlabel("rate of symmetric flips")
    _finish(figure, axes, 2)
    return figure


def draw_windows(report: TheoryReport) -> "Figure":
    """Return, against the width of the window, how far the weakest class stands out and how a boundary bias shows."""
    figure, (signal, bias) = _panels(2)
    width = [2 * case.half_width_px + 1 for case in report.windows]
    margins = [case.margin if case.margin > 0 else np.nan for case in report.windows]
    signal.plot(width, margins, "o-", color=COLOURS[0], linewidth=1.4)
    signal.axhline(1, color=PREDICTED_COLOUR, linewidth=0.8)
    signal.set_yscale("log")
    signal.set_ylabel("signal / edge")
    signal.set_title("weakest class under flips; below 1 it is not seen", fontsize=9, loc="left")
    _with_intervals(bias, width, [case.dilated for case in report.windows], COLOURS[1], "o-", "dilated")
    bias.set_ylabel("similarity")
    bias.set_title("dilated by 2 px", fontsize=9, loc="left")
    for axes in (signal, bias):
        axes.set_xscale("log")
        axes.set_xticks(width, [str(tick) for tick in width])
        axes.minorticks_off()
        axes.axvline(report.object_width_px, color=BOUNDARY_COLOUR, linewidth=1, linestyle="--")
        axes.set_xlabel("width of the window, px (dashed: objects)")
    return figure


def draw_exact(report: TheoryReport) -> "Figure":
    """Return measured over predicted error of singular flips, each pixel drawn on its own or counts exact."""
    figure, (axes,) = _panels(1)
    names = {"drawn": "each pixel drawn on its own", "exact": "exact counts in each image"}
    for case, colour, marker in zip(report.exact, (COLOURS[0], BOUNDARY_COLOUR), MARKERS, strict=False):
        width = [2 * h + 1 for h in case.half_widths_px]
        axes.plot(width, case.ratios, f"{marker}-", color=colour, linewidth=1.4, label=names[case.name])
    axes.axhline(1, color=PREDICTED_COLOUR, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xticks(width, [str(tick) for tick in width])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("width of the window, px (last: wider than the image)")
    axes.set_ylabel("measured / predicted error (squares)")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def _panels(num: int, height: float = 3.4) -> tuple["Figure", Sequence["Axes"]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6 if num > 1 else 6.4, height), layout="constrained")
    panels = figure.subplots(1, num, squeeze=False)[0]
    for axes in panels:
        axes.grid(color="#e5e5e5", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, list(panels)


def _with_intervals(
    axes: "Axes", places: Sequence[float], found: Sequence[Estimate], colour: str, style: str, name: str
) -> None:
    axes.plot(places, [one.value for one in found], style, color=colour, markersize=5, linewidth=1.4, label=name)
    axes.vlines(places, [one.low for one in found], [one.high for one in found], color=colour, linewidth=2.4)


def _finish(figure: "Figure", axes: "Axes", columns: int) -> None:
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("similarity")
    figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
