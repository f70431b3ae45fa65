"""Learning curves: one small panel a kind of label, with the two phases of a training apart where there are two.

What is drawn was computed elsewhere; NaN leaves a gap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUM_COLUMNS = 3
SECOND_PHASE_COLOUR = "#eeeeee"


@dataclass(frozen=True)
class Learning:
    """One panel: shares from 0 to 1 after each epoch.

    Attributes
    ----------
    title : str
    noisy, clean : sequence of float
        Agreement of the training predictions with the noisy labels, and with the clean ones.
    clean_changed : sequence of float
        Agreement with the clean labels on the pixels that the noise changed.
    validation : sequence of float
        Score on clean validation labels.
    start : int or None
        The epoch, counted from 1, from which the agreement with the clean labels has fallen for good.
    """

    title: str
    noisy: Sequence[float]
    clean: Sequence[float]
    clean_changed: Sequence[float]
    validation: Sequence[float]
    start: int | None


CURVES = {
    "noisy": ("prediction is the noisy label", "#d55e00", "-"),
    "clean": ("is the clean label", "#0072b2", "-"),
    "clean_changed": ("is the clean label, on changed pixels", "#0072b2", "--"),
    "validation": ("validation score", "#000000", ":"),
}
"""What a legend calls the curves, their colours and their strokes."""


def draw_learning(panels: Sequence[Learning]) -> "Figure":
    """Return a figure with one panel each; the second phase is shaded and its first epoch is named.

    Raises
    ------
    ValueError
        If there are no panels.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator

    if not panels:
        raise ValueError("Give at least one panel to draw.")
    columns = min(NUM_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(max(7.2, 0.6 + 3.1 * columns), 1.2 + 2.4 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, panel in zip(grid, panels, strict=False):
        num_epochs = len(panel.clean)
        if panel.start is not None:
            axes.axvspan(panel.start, num_epochs, color=SECOND_PHASE_COLOUR, zorder=0)
            side = "left" if panel.start < num_epochs / 2 else "right"
            axes.text(panel.start, 1.04, f" from epoch {panel.start} ", fontsize=8, va="bottom", ha=side)
        for name, (label, colour, stroke) in CURVES.items():
            values = getattr(panel, name)
            epochs = range(1, len(values) + 1)
            axes.plot(epochs, values, color=colour, linestyle=stroke, linewidth=1.6, label=label)
        axes.set_title(panel.title, fontsize=9, loc="left")
        axes.set_xlim(1, max(2, num_epochs))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.set_ylim(-0.02, 1.12)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        axes.tick_params(labelsize=8)
        axes.grid(axis="y", color="#e5e5e5", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel("share of pixels, score", fontsize=9)
    handles, _ = grid[0].get_legend_handles_labels()
    if any(panel.start is not None for panel in panels):
        handles.append(Patch(color=SECOND_PHASE_COLOUR, label="clean agreement has fallen for good"))
    figure.legend(handles=handles, loc="outside upper left", ncols=2, frameon=False, fontsize=8)
    return figure
