"""The transition matrix from noisy labels alone, on real and generated labels, against the matrix that was drawn.

Run ``python benchmarks/transition_estimate.py`` from the repository root; it writes
``benchmarks/results/transition_estimate.md``. Every noisy label is drawn with seed 0 and the image's name.
``--coverage`` adds how often the intervals hold the truth in so many repetitions on generated nuclei.
"""

import argparse
import os
import platform
import shlex
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import scipy

from metastructure import _version
from metastructure.contingency import contingency_table
from metastructure.data import load_label
from metastructure.data.synthetic import NUM_CLASSES, generate
from metastructure.label import LabelArray
from metastructure.noise import corrupt, parse_noise
from metastructure.rng import generator
from metastructure.structure.latent_transition import EstimatedTransition, estimate_transition
from metastructure.transition import TransitionMatrix

TWO = (
    "clean", "flip:0.1", "flip:0.3", "flip:0.4", "flip:0.45", "flip:0.48", "flip:0.9", "matrix:[[0.7,0.3],[0.1,0.9]]",
    "sample:0.1", "sample:0.05", "sample:0.02", "sample:0.01", "dilate:2", "erode:2", "jitter:2", "skeleton", "random",
)  # fmt: skip
MANY = ("clean", "flip:0.3", "flip:0.5", "flip:0.8", "sample:0.1", "dilate:2", "random")
HEAD = "| noise | rows | max error | mean error of the diagonal | σ_min | blocks | reason | time |"
RULE = "|---|---|---|---|---|---|---|---|"
SIDE_PX = 128
GENERATED = ("clean", "flip:0.3", "flip:0.4", "sample:0.1", "dilate:1")
BOUNDARY = ("dilate", "erode", "jitter", "skeleton")


def realised(clean: list[LabelArray], noisy: list[LabelArray], spec: str, C: int) -> np.ndarray:
    """Return the matrix that was drawn, (C, C); the identity for errors of the boundary."""
    if spec.startswith(BOUNDARY):
        return np.eye(C)
    tables = [contingency_table(one, other, C) for one, other in zip(clean, noisy, strict=True)]
    return TransitionMatrix.from_counts(np.sum(tables, axis=0)).rows


def estimate(labels: dict[str, LabelArray], spec: str, C: int, seed: int = 0) -> tuple[EstimatedTransition, np.ndarray]:
    """Return the estimate and the matrix that was drawn."""
    clean = list(labels.values())
    noisy = [corrupt(label, parse_noise(spec), seed=seed, item=name, num_classes=C) for name, label in labels.items()]
    return estimate_transition(noisy, generator(seed, spec, "transition"), C), realised(clean, noisy, spec, C)


def table_row(labels: dict[str, LabelArray], spec: str, C: int) -> str:
    """Return one line of the table."""
    start = time.process_time()
    found, truth = estimate(labels, spec, C)
    seconds = time.process_time() - start
    if found.matrix().rows.size and np.isnan(found.matrix().rows).all():
        return f"| `{spec}` | | | | | | {found.reason} | {seconds:.1f} s |"
    error = np.abs(found.matrix().rows - truth)
    rows = " ".join(str(entry) for entry in (found.transition[0][1], found.transition[1][1])) if C == 2 else ""
    return (
        f"| `{spec}` | {rows or np.diag(found.matrix().rows).round(2).tolist()} | {np.nanmax(error):.4f} | "
        f"{np.nanmean(np.diag(error)):.4f} | {found.sigma_min} | {found.sides_px} | "
        f"{found.reason or ''} | {seconds:.1f} s |"
    )


def generated(kind: str, num_images: int, seed: int) -> dict[str, LabelArray]:
    """Return generated labels by name; pictures of other seeds are others."""
    return {
        f"{seed}-{i}": generate(kind, seed=seed, index=i, height=SIDE_PX, width=SIDE_PX)[1] for i in range(num_images)
    }


def coverage(spec: str, repetitions: int) -> str:
    """Return how often the interval of each entry holds what was drawn, on 40 generated nuclei images each."""
    held = []
    for seed in range(repetitions):
        found, truth = estimate(generated("nuc", 40, seed), spec, 2, seed)
        entries = (found.transition[0][1], found.transition[1][1])
        held.append([entry.low <= truth[row, 1] <= entry.high for row, entry in enumerate(entries)])
    share = np.mean(held, axis=0)
    return f"| `{spec}` | {share[0]:.2f} | {share[1]:.2f} |"


def main() -> None:
    """Measure and write the tables, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of nuc and camvid")
    parser.add_argument("--images", type=int, help="images of each set (default: all of its training images)")
    parser.add_argument("--coverage", type=int, default=0, help="repetitions on generated nuclei")
    parser.add_argument("--generated", type=int, default=60, help="pictures of each generated kind")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/transition_estimate.md"))
    arguments = parser.parse_args()
    lines = [
        "# The transition matrix from noisy labels alone",
        "",
        f"{date.today().isoformat()} · {os.cpu_count()} cores, {platform.system()}, load {os.getloadavg()[0]:.1f} · "
        f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}, metastructure "
        f"{_version.__version__}. By `python {shlex.join(sys.argv)}`; CPU time, one thread, noise included.",
        "",
        "Errors against the matrix drawn (identity for dilate, erode, jitter, skeleton). Rows: P(1 given 0) and P(1 "
        "given 1) with 95 % intervals; for many classes the diagonal.",
    ]
    for name, C, specs in (("nuc", 2, TWO), ("camvid", 11, MANY)):
        paths = sorted((arguments.data / name / "train" / "labels").iterdir())[: arguments.images]
        labels = {path.stem: load_label(path) for path in paths}
        lines += ["", f"## {name}, {len(labels)} training labels, {C} classes", "", HEAD, RULE]
        for spec in specs:
            lines.append(table_row(labels, spec, C))
            print(lines[-1], flush=True)
            arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for kind in ("er", "mito", "nuc", "street"):
        C = NUM_CLASSES[kind]
        labels = generated(kind, arguments.generated, 0)
        lines += [
            "",
            f"## Generated {kind}, {len(labels)} labels of {SIDE_PX} x {SIDE_PX}, {C} classes",
            "",
            HEAD,
            RULE,
        ]
        for spec in GENERATED:
            lines.append(table_row(labels, spec, C))
            print(lines[-1], flush=True)
            arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if arguments.coverage:
        lines += ["", f"## Coverage in {arguments.coverage} repetitions, 40 generated nuclei of 128 x 128", ""]
        lines += ["| noise | P(1 given 0) | P(1 given 1) |", "|---|---|---|"]
        for spec in ("flip:0.3", "sample:0.1"):
            lines.append(coverage(spec, arguments.coverage))
            print(lines[-1], flush=True)
            arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
