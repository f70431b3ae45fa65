"""Draw test Dice over the amount of noise of each kind, from the records of studies/curves-nuc.yaml.

Run:  .venv/bin/python docs/scripts/curves.py
Writes docs/results/curves-nuc-over-noise.png. Bands are the 95 % intervals of the study's table.
"""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from metastructure.study import Store, load_study, make_table

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
PANELS = {
    "flip": ("share of pixels flipped", "linear"),
    "sample": ("share of pixels kept", "log"),
    "shift": ("boundary moved outwards, px", "linear"),
}
CLEAN_AT = {"flip": 0.0, "sample": 1.0, "shift": 0.0}
COLOURS = {"plain": "#d55e00", "robust": "#0072b2"}


def main() -> None:
    """Draw the three panels."""
    study = load_study(ROOT / "studies" / "curves-nuc.yaml")
    table = make_table(Store(RESULTS / "records" / study.name).load_done(study))
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    for axes, (family, (name, scale)) in zip(figure.subplots(1, 3, sharey=True), PANELS.items(), strict=True):
        for recipe, rows in _rows_of(table, family).groupby("recipe"):
            axes.plot(rows["amount"], rows["score"], marker="o", markersize=3, color=COLOURS[recipe], label=recipe)
            axes.fill_between(rows["amount"], rows["low"], rows["high"], color=COLOURS[recipe], alpha=0.15, linewidth=0)
        axes.set(xlabel=name, xscale=scale, ylim=(0, 100))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("test Dice, points")
    figure.axes[0].legend(frameon=False)
    figure.savefig(RESULTS / "curves-nuc-over-noise.png", dpi=130)


def _rows_of(table: pd.DataFrame, family: str) -> pd.DataFrame:
    """Return the rows of one family with the clean ones, by amount."""
    parts = table["noise"].str.partition(":")
    own = table.assign(amount=pd.to_numeric(parts[2], errors="coerce"))[
        (parts[0] == family) | (table["noise"] == "clean")
    ]
    return own.fillna({"amount": CLEAN_AT[family]}).sort_values("amount")


if __name__ == "__main__":
    main()
