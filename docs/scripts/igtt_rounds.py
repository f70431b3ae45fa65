"""Draw how iGTT's own labels fare round by round, with what keeps them from drifting and without.

Run:  .venv/bin/python docs/scripts/igtt_rounds.py [--rounds 14]   (a quarter of an hour of one core)
Writes docs/results/igtt-rounds.csv, which it goes on from, and .png. Clean labels are only compared with;
candidates on the dark side are turned round, as `PublishedIGTT` does at its end.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from metastructure.data.synthetic import generate
from metastructure.training import Machine
from metastructure.unsupervised import Work, parse_method
from metastructure.unsupervised.ems import BoolArray
from metastructure.unsupervised.igtt import IGTT, PublishedIGTT, is_turned, pooled_dice

RESULTS = Path(__file__).parents[1] / "results"
SEED, NUM_IMAGES, SIDE_PX = 11, 48, 128
VARIANTS = {
    "igtt": "igtt:training.settled=0",
    "without teacher": "igtt:training.settled=0,training.teacher_decay=0",
    "without teacher, running batch norm": (
        "igtt:training.settled=0,training.teacher_decay=0,training.statistics=running"
    ),
    "without teacher and evidence": "igtt:training.settled=0,training.teacher_decay=0,evidence=0",
    "without all three": "igtt:training.settled=0,training.teacher_decay=0,evidence=0,training.statistics=running",
    "published": "igtt_published",
    "published, settled batch norm": "igtt_published:training.statistics=settled",
}


def trace(kind: str, spec: str, rounds: int) -> list[float]:
    """Return Dice of the candidates after each round, percent, over all pixels of all images."""
    pairs = [generate(kind, seed=SEED, index=index, height=SIDE_PX, width=SIDE_PX) for index in range(NUM_IMAGES)]
    labels = [label == 1 for _, label in pairs]
    method = parse_method(spec)
    assert isinstance(method, (IGTT, PublishedIGTT))
    method = method.model_copy(update={"training": method.training.model_copy(update={"rounds": rounds})})
    images, seen = [image for image, _ in pairs], []
    fabric = Machine(device="cpu", threads=1).fabric()

    def watch(found: list[BoolArray]) -> None:
        if is_turned(images, found, "bright"):
            found = [~candidate for candidate in found]
        seen.append(100 * pooled_dice(found, labels))

    method.run(images, Work(threads=1), fabric, watch)
    return seen


def main(rounds: int) -> None:
    """Trace every variant on two kinds of images that has no rows yet, then draw what there is."""
    target = RESULTS / "igtt-rounds.csv"
    table = pd.read_csv(target) if target.is_file() else pd.DataFrame(columns=["kind", "variant", "round", "dice"])
    for kind in ("er", "mito"):
        for name, spec in VARIANTS.items():
            if ((table["kind"] == kind) & (table["variant"] == name)).any():
                continue
            dice = trace(kind, spec, rounds)
            print(kind, name, np.round(dice, 1).tolist(), flush=True)
            rows = [{"kind": kind, "variant": name, "round": n + 1, "dice": value} for n, value in enumerate(dice)]
            table = pd.concat([table, pd.DataFrame(rows)], ignore_index=True)
            table.to_csv(target, index=False, float_format="%.2f")
    draw(table)


def draw(table: pd.DataFrame) -> None:
    """Write the figure: a panel for each kind of images, a curve for each variant."""
    kinds = list(table.groupby("kind", sort=False))
    figure = Figure(figsize=(4.5 * len(kinds), 3.6), layout="constrained")
    for axis, (kind, part) in zip(np.atleast_1d(figure.subplots(1, len(kinds), sharey=True)), kinds, strict=True):
        for name, own in part.groupby("variant", sort=False):
            axis.plot(own["round"], own["dice"], "o-", markersize=3, label=name)
        axis.set(title=f"generated {kind}", xlabel="round", ylabel="Dice of the candidates, %")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    figure.savefig(RESULTS / "igtt-rounds.png", dpi=150)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    main(parser.parse_args().rounds)
