"""The transition matrix from noisy labels alone, on real and generated labels, against the matrix that was drawn.

Run ``python benchmarks/transition_estimate.py`` from the repository root; it writes
``benchmarks/results/transition_estimate.md`` row by row. With ``--resume`` rows that the file has already are kept, so
a run that was cut off goes on. Noisy labels are drawn with seed 0 and the image's name, those of the coverage with
others.
"""

import argparse
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import scipy
from scipy.optimize import linear_sum_assignment

from metastructure import _version
from metastructure.contingency import contingency_table
from metastructure.data import load_label
from metastructure.data.files import write_text
from metastructure.data.synthetic import NUM_CLASSES, generate
from metastructure.label import LabelArray
from metastructure.noise import corrupt, parse_noise
from metastructure.rng import generator
from metastructure.structure.block_moments import block_moments, mean_distance_px
from metastructure.structure.latent_classes import find_latent_classes
from metastructure.structure.latent_transition import CONFIDENCE, SIDES_PX, EstimatedTransition, estimate_transition
from metastructure.transition import TransitionMatrix

Labels = dict[str, LabelArray]

TWO = (
    "clean", "flip:0.1", "flip:0.3", "flip:0.4", "flip:0.45", "flip:0.48", "flip:0.9", "matrix:[[0.7,0.3],[0.1,0.9]]",
    "sample:0.1", "sample:0.05", "sample:0.02", "sample:0.01", "dilate:2", "erode:2", "jitter:2", "skeleton", "random",
)  # fmt: skip
MANY = ("flip:0.3", "flip:0.5", "flip:0.8", "sample:0.1")
GENERATED = ("flip:0.3", "sample:0.1")
COVERED = ("flip:0.3", "flip:0.4", "sample:0.1")
BOUNDARY = ("dilate", "erode", "jitter", "skeleton")
COMPARED = (("nuc", 2, "clean"), ("nuc", 2, "flip:0.3"), ("nuc", 2, "flip:0.45"), ("camvid", 11, "flip:0.5"))
FIXED_SIDES = ((3,), (5,), (2, 3), (3, 5, 8), (8, 12, 18))
HEAD = "| noise | rows | max error | mean error of the diagonal | σ_min | blocks | reason | CPU time |"
FIRST_COVERAGE_SEED = 100
SIDE_PX = 128
LARGE_PX = 2048


class Table:
    """The file of results, rewritten whole at each row; rows found in `kept`, the text of a run cut off, are reused."""

    def __init__(self, path: Path, kept: str) -> None:
        self.path, self.lines, self.section, self.kept = path, list[str](), "", dict[tuple[str, str], str]()
        section = ""
        for line in kept.splitlines():
            section = line if line.startswith("## ") else section
            self.kept[section, line.split(" | ")[0]] = line

    def add(self, *lines: str) -> None:
        """Add lines, and write the file."""
        self.lines += lines
        write_text(self.path, "\n".join(self.lines) + "\n")

    def start(self, section: str, head: str) -> None:
        """Start a section with a table."""
        self.section = f"## {section}"
        self.add("", self.section, "", head, "|---" * head.count(" | ") + "|---|")

    def row(self, name: str, measure: Callable[[], str]) -> None:
        """Add the row of this name, measured unless it is kept."""
        first = f"| {name}"
        self.add(self.kept.get((self.section, first)) or f"{first} | {measure()} |")
        print(self.lines[-1], flush=True)


def realised(clean: list[LabelArray], noisy: list[LabelArray], spec: str, C: int) -> np.ndarray:
    """Return the matrix that was drawn, (C, C); the identity for errors of the boundary."""
    if spec.startswith(BOUNDARY):
        return np.eye(C)
    tables = [contingency_table(one, other, C) for one, other in zip(clean, noisy, strict=True)]
    return TransitionMatrix.from_counts(np.sum(tables, axis=0)).rows


def draw(labels: Labels, spec: str, C: int, seed: int = 0) -> tuple[list[LabelArray], np.ndarray]:
    """Return the noisy labels and the matrix that was drawn."""
    noisy = [corrupt(label, parse_noise(spec), seed=seed, item=name, num_classes=C) for name, label in labels.items()]
    return noisy, realised(list(labels.values()), noisy, spec, C)


def estimate(noisy: list[LabelArray], spec: str, C: int, seed: int = 0) -> tuple[EstimatedTransition, float]:
    """Return the estimate and its CPU seconds."""
    start = time.process_time()
    found = estimate_transition(noisy, generator(seed, spec, "transition"), C)
    return found, time.process_time() - start


def table_row(labels: Labels, spec: str, C: int) -> str:
    """Return the cells of one noise."""
    noisy, truth = draw(labels, spec, C)
    found, seconds = estimate(noisy, spec, C)
    if np.isnan(found.matrix().rows).all():
        return f"| | | | | {found.reason} | {seconds:.1f} s"
    error = np.abs(found.matrix().rows - truth)
    rows = " ".join(str(entry) for entry in (found.transition[0][1], found.transition[1][1])) if C == 2 else ""
    return (
        f"{rows or np.diag(found.matrix().rows).round(2).tolist()} | {np.nanmax(error):.4f} | "
        f"{np.nanmean(np.diag(error)):.4f} | {found.sigma_min} | {found.sides_px} | "
        f"{found.reason or ''} | {seconds:.1f} s"
    )


def generated(kind: str, num_images: int, seed: int) -> Labels:
    """Return generated labels by name; pictures of other seeds are others."""
    return {
        f"{seed}-{i}": generate(kind, seed=seed, index=i, height=SIDE_PX, width=SIDE_PX)[1] for i in range(num_images)
    }


def coverage(spec: str, repetitions: int, num_images: int) -> str:
    """Return how often the interval of each entry holds what was drawn, the mean error and the median width."""
    held, errors, widths = [], [], []
    for seed in range(FIRST_COVERAGE_SEED, FIRST_COVERAGE_SEED + repetitions):
        noisy, truth = draw(generated("nuc", num_images, seed), spec, 2, seed)
        found, _ = estimate(noisy, spec, 2, seed)
        entries = (found.transition[0][1], found.transition[1][1])
        held.append([entry.low <= truth[row, 1] <= entry.high for row, entry in enumerate(entries)])
        errors.append([entry.value - truth[row, 1] for row, entry in enumerate(entries)])
        widths.append([entry.high - entry.low for entry in entries])
    cells = [np.mean(held, axis=0), np.mean(errors, axis=0), np.median(widths, axis=0)]
    return " | ".join(
        f"{value:.2f}" if index == 0 else f"{value:.4f}" for index, row in enumerate(cells) for value in row
    )


def three_in_a_row(noisy: list[LabelArray], C: int) -> tuple[np.ndarray, np.ndarray]:
    """Return M₂ and M₃ of three neighbours in a row or a column, in every order."""
    counts = np.zeros(C**3)
    for label in noisy:
        for turned in (label, label.T):
            views = np.stack([turned[:, :-2], turned[:, 1:-1], turned[:, 2:]]).astype(int)
            a, b, c = views[:, (views < C).all(axis=0)]
            counts += np.bincount((a * C + b) * C + c, minlength=C**3)
    triples = counts.reshape(C, C, C) / counts.sum()
    orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    triples = np.mean([triples.transpose(order) for order in orders], axis=0)
    return triples.sum(axis=2), triples


def compare(noisy: list[LabelArray], truth: np.ndarray, spec: str, C: int) -> str:
    """Return the cells of the estimators; rows of the simple ones are named by the truth, which favours them."""
    parts = [part for label in noisy for part in block_moments(label, SIDES_PX, C)]
    blocks = np.sum([part.num_blocks for part in parts], axis=0)
    pairs = np.sum([part.pairs for part in parts], axis=0) / blocks[:, None, None]
    triples = np.sum([part.triples for part in parts], axis=0) / blocks[:, None, None, None]
    moments = [three_in_a_row(noisy, C)]
    for sides in FIXED_SIDES:
        chosen = [SIDES_PX.index(side) for side in sides]
        distances = [mean_distance_px(side) for side in sides]
        weights = np.linalg.pinv(np.vander(distances, min(2, len(sides)), increasing=True))[0]
        moments.append((np.tensordot(weights, pairs[chosen], 1), np.tensordot(weights, triples[chosen], 1)))
    rows = []
    for second, third in moments:
        found = find_latent_classes(second, third, C).rows
        order = linear_sum_assignment(((found[None] - truth[:, None]) ** 2).sum(axis=2))[1]
        rows.append(found[order])
    rows.append(estimate(noisy, spec, C)[0].matrix().rows)
    return " | ".join(
        f"{row[0, 1]:.4f}, {row[1, 1]:.4f}" if C == 2 else f"{np.abs(np.diag(row - truth)).mean():.4f}" for row in rows
    )


def cost(noisy: list[LabelArray]) -> str:
    """Return the million pixels and the CPU time."""
    return f"{sum(label.size for label in noisy) / 1e6:.1f} | {estimate(noisy, 'cost', 2)[1]:.1f} s"


def large_label() -> LabelArray:
    """Return one label of 2048 x 2048 pixels: generated nuclei, side by side, with flips."""
    tiles = [label for _, label in sorted(generated("nuc", 16, 0).items())]
    repeats = LARGE_PX // SIDE_PX // 4
    clean = np.tile(np.block([tiles[i : i + 4] for i in range(0, 16, 4)]), (repeats, repeats))
    return corrupt(clean, parse_noise("flip:0.3"), seed=0, item="large", num_classes=2)


def main() -> None:
    """Measure and write the tables, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of nuc and camvid")
    parser.add_argument("--images", type=int, help="images of each set (default: all of its training images)")
    parser.add_argument("--coverage", type=int, default=50, help="repetitions on generated nuclei")
    parser.add_argument("--generated", type=int, default=40, help="pictures of each generated kind")
    parser.add_argument("--resume", action="store_true", help="keep the rows that the file has")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/transition_estimate.md"))
    arguments = parser.parse_args()
    table = Table(arguments.out, arguments.out.read_text(encoding="utf-8") if arguments.resume else "")
    table.add(
        "# The transition matrix from noisy labels alone",
        "",
        f"{date.today().isoformat()} · {os.cpu_count()} cores, {platform.system()}, load {os.getloadavg()[0]:.1f} · "
        f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}, metastructure "
        f"{_version.__version__}. By `python {shlex.join(sys.argv)}`; CPU time of the estimate, one thread.",
        "",
        "Errors against the matrix drawn (identity for dilate, erode, jitter, skeleton). Rows: P(1 given 0) and P(1 "
        f"given 1) with {CONFIDENCE:.0%} intervals; for many classes the diagonal. Noise is drawn with seed 0.",
    )
    sets: dict[str, Labels] = {}
    for name in ("nuc", "camvid"):
        paths = sorted((arguments.data / name / "train" / "labels").iterdir())[: arguments.images]
        sets[name] = {path.stem: load_label(path) for path in paths}
    last = FIRST_COVERAGE_SEED + arguments.coverage - 1
    table.start(
        f"Coverage, seeds {FIRST_COVERAGE_SEED} to {last}, each {arguments.generated} generated nuclei images of "
        f"{SIDE_PX} x {SIDE_PX}, nominal {CONFIDENCE}",
        "| noise | held, P(1 given 0) | held, P(1 given 1) | mean error | mean error | median width | median width |",
    )
    for spec in COVERED:
        table.row(f"`{spec}`", lambda spec=spec: coverage(spec, arguments.coverage, arguments.generated))
    table.start(f"nuc, {len(sets['nuc'])} training labels, 2 classes", HEAD)
    for spec in TWO:
        table.row(f"`{spec}`", lambda spec=spec: table_row(sets["nuc"], spec, 2))
    for kind in ("er", "mito", "nuc", "street"):
        C = NUM_CLASSES[kind]
        labels = generated(kind, arguments.generated, 0)
        table.start(f"Generated {kind}, {len(labels)} labels of {SIDE_PX} x {SIDE_PX}, {C} classes", HEAD)
        for spec in GENERATED:
            table.row(f"`{spec}`", lambda spec=spec, labels=labels, C=C: table_row(labels, spec, C))
    table.start("Cost", "| labels | million pixels | CPU time |")
    table.row(f"{len(sets['nuc'])} labels of nuc", lambda: cost(draw(sets["nuc"], "flip:0.3", 2)[0]))
    table.row(f"one of {LARGE_PX} x {LARGE_PX}", lambda: cost([large_label()]))
    table.start(f"camvid, {len(sets['camvid'])} training labels, 11 classes", HEAD)
    for spec in MANY:
        table.row(f"`{spec}`", lambda spec=spec: table_row(sets["camvid"], spec, 11))
    names = [
        "three in a row",
        *(f"blocks of {sides[0]}" if len(sides) == 1 else f"line {sides}" for sides in FIXED_SIDES),
    ]
    table.start(
        "Compared estimators: nuc P(1 given 0), P(1 given 1); camvid mean error of the diagonal",
        f"| labels | {' | '.join(names)} | `estimate_transition` |",
    )
    for name, C, spec in COMPARED:
        table.row(f"{name} `{spec}`", lambda name=name, C=C, spec=spec: compare(*draw(sets[name], spec, C), spec, C))


if __name__ == "__main__":
    main()
