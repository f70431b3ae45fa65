"""Draw the test score over the amount of noise of each kind, from the records of two studies.

Run:  .venv/bin/python docs/scripts/curves.py
Writes docs/results/STUDY-over-noise.png. Bands are the 95 % intervals of the study's table.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from metastructure.study import Store, load_study, make_table
from metastructure.study.table import METRIC_NAMES

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
PANELS = {
    "flip": ("share of pixels flipped", "linear"),
    "sample": ("share of pixels kept", "log"),
    "shift": ("boundary moved outwards, px", "linear"),
}
STUDIES = {"curves-nuc": ("flip", "sample", "shift"), "camvid-curves": ("flip", "sample")}
CLEAN_AT = {"flip": 0.0, "sample": 1.0, "shift": 0.0}
COLOURS = {"plain": "#d55e00", "robust": "#0072b2"}


def main() -> None:
    """Draw the panels of each study."""
    for name, families in STUDIES.items():
        study = load_study(ROOT / "studies" / f"{name}.yaml")
        table = make_table(Store(RESULTS / "records" / study.name).load_done(study))
        draw(table, families).savefig(RESULTS / f"{name}-over-noise.png", dpi=130)


def draw(table: pd.DataFrame, families: Sequence[str]) -> Figure:
    """Return one panel for each family of noise."""
    figure = Figure(figsize=(1 + 3 * len(families), 3.2), layout="constrained")
    metric = METRIC_NAMES[table["metric"].iloc[0]]
    for axes, family in zip(figure.subplots(1, len(families), sharey=True), families, strict=True):
        name, scale = PANELS[family]
        for recipe, rows in _rows_of(table, family).groupby("recipe"):
            axes.plot(rows["amount"], rows["score"], marker="o", markersize=3, color=COLOURS[recipe], label=recipe)
            axes.fill_between(rows["amount"], rows["low"], rows["high"], color=COLOURS[recipe], alpha=0.15, linewidth=0)
        axes.set(xlabel=name, xscale=scale, ylim=(0, 100 if metric == "Dice" else None))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel(f"test {metric}, points")
    figure.axes[0].legend(frameon=False)
    return figure


def _rows_of(table: pd.DataFrame, family: str) -> pd.DataFrame:
    """Return the rows of one family with the clean ones, by amount."""
    parts = table["noise"].str.partition(":")
    own = table.assign(amount=pd.to_numeric(parts[2], errors="coerce"))[
        (parts[0] == family) | (table["noise"] == "clean")
    ]
    return own.fillna({"amount": CLEAN_AT[family]}).sort_values("amount")


if __name__ == "__main__":
    main()
