"""How far L of flipped labels stands above chance, in one label and in ten pooled.

Run ``python benchmarks/pooling.py`` from the repository root (about a minute of CPU, no data); it writes
``benchmarks/results/pooling.md``.
"""

import os
import platform
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np

from metastructure import _version
from metastructure.data.synthetic import generate
from metastructure.label import LabelArray
from metastructure.noise import corrupt, parse_noise
from metastructure.rng import generator
from metastructure.structure.nulls import scatter_pixels, simulate_curves
from metastructure.structure.ripley import ripley_k
from metastructure.structure.second_order import pool_second_order

SIDE_PX, RADIUS_PX = 256, 10
NUM_LABELS, NUM_SIMULATIONS = 10, 99
RATES = (0.3, 0.4, 0.45, 0.48)


def pooled_l(labels: Sequence[LabelArray]) -> np.ndarray:
    """Return L(10) - 10 of all labels together, (1,)."""
    return pool_second_order([ripley_k(label, 1, [RADIUS_PX]) for label in labels]).l_minus_r


def deviations(labels: Sequence[LabelArray], name: str) -> float:
    """Return how many standard deviations of shuffled labels the value stands above their mean."""
    shuffled = simulate_curves(
        labels, pooled_l, scatter_pixels, NUM_SIMULATIONS, generator(0, name, "benchmark pooling")
    )
    return float((pooled_l(labels)[0] - shuffled.mean()) / shuffled.std(ddof=1))


def main() -> None:
    """Measure and write the page."""
    start = time.process_time()
    clean = [generate("nuc", seed=0, index=k, height=SIDE_PX, width=SIDE_PX)[1] for k in range(NUM_LABELS)]
    rows = []
    for rate in RATES:
        model = parse_noise(f"flip:{rate}")
        noisy = [corrupt(label, model, seed=0, item=str(k), num_classes=2) for k, label in enumerate(clean)]
        alone, together = (deviations(labels, f"{rate} {len(labels)}") for labels in (noisy[:1], noisy))
        rows.append(f"| {100 * rate:.0f} % | {alone:.1f} | {together:.1f} |")
        print(rows[-1], flush=True)
    share, shares = (100 * np.mean(np.stack(labels) == 1) for labels in (clean[:1], clean))
    page = [
        "# L of flipped labels, alone and pooled",
        "",
        f"{date.today().isoformat()} · {platform.system()}, Python {platform.python_version()}, numpy "
        f"{np.__version__}, metastructure {_version.__version__}. By `python benchmarks/pooling.py`, "
        f"{time.process_time() - start:.0f} s of CPU, {os.cpu_count()} cores.",
        "",
        f"Generated nuclei, {SIDE_PX}², seed 0: label 0 ({share:.0f} % foreground), and labels 0 to {NUM_LABELS - 1} "
        f"({shares:.0f} %). L({RADIUS_PX}) of class 1 less the mean of {NUM_SIMULATIONS} shuffles of the same pixels, "
        "in their standard deviations, which are known to 7 %.",
        "",
        f"| flipped | one label | {NUM_LABELS} labels pooled |",
        "|---|---|---|",
        *rows,
    ]
    target = Path(__file__).parent / "results" / "pooling.md"
    target.write_text("\n".join(page) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
