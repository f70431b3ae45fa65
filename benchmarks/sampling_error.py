"""How well the sampling error of noisy densities is estimated: against the known noise, class by class.

Run ``python benchmarks/sampling_error.py`` from the repository root (about a minute of CPU); it writes
``benchmarks/results/sampling_error.md``. Images are evenly spaced over the training labels, noise is drawn with seed 0
and the image's name, so the tables come out the same anywhere. Corrected values are not clipped.
"""

import argparse
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
from scipy import ndimage

from metastructure import _version
from metastructure.data.theory_labels import TheoryLabels, choose_labels
from metastructure.label import IGNORE, LabelArray
from metastructure.noise import parse_noise
from metastructure.structure.agreement import measure_agreement
from metastructure.structure.moments import Moments, image_moments, pool
from metastructure.structure.windows import FloatArray, find_window

HALF_WIDTH_PX = 4
WIDE_HALF_WIDTH_PX = 64
CAMVID_CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip


def noisy_moments(labels: TheoryLabels, spec: str, half_width_px: int = HALF_WIDTH_PX) -> list[Moments]:
    """Return the moments of each image under one noise."""
    pairs = labels.draw(parse_noise(spec))
    return [image_moments(*pair, [half_width_px], "box", labels.num_classes)[0] for pair in pairs]


def corrected(moments: Moments) -> str:
    """Return the corrected similarity of all images together, not clipped."""
    return f"{measure_agreement(moments).corrected:.4f}"


def pixel_weights(label: LabelArray) -> FloatArray:
    """Return how much each pixel counts in the sampling error: sum of 1 / n² over the windows of n pixels with it."""
    kind, known = find_window("box"), label != IGNORE
    count = np.asarray(kind.sums(kind.prepare(known), HALF_WIDTH_PX), dtype=np.float64)
    inverse = np.divide(1.0, count**2, out=np.zeros_like(count), where=count > 0)
    return np.where(known, np.asarray(kind.sums(kind.prepare(inverse), HALF_WIDTH_PX)), 0)


def beside(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which pixels lie in a 2 x 2 block of known ones, and which have a known neighbour."""
    blocks = ndimage.binary_opening(known, np.ones((2, 2)))
    cross = ndimage.generate_binary_structure(2, 1)
    others = ndimage.convolve(known.astype(int), cross.astype(int), mode="constant") - known
    return blocks, known & (others > 0)


def class_table(labels: TheoryLabels, spec: str, names: Sequence[str]) -> list[str]:
    """Return table rows: the estimated sampling variance of each class over the true one, and where its pixels lie."""
    model, C = parse_noise(spec), labels.num_classes
    rows = model.transition(C).rows
    estimated = pool(noisy_moments(labels, spec))
    true, in_blocks, per_class, alone = np.zeros(C), np.zeros(C), np.zeros(C), 0.0
    for clean, noisy in labels.draw(model):
        weight, known = pixel_weights(noisy), noisy != IGNORE
        blocks, neighbours = beside(known)
        of_class = np.bincount(clean[known], weight[known], C)
        true += of_class @ (rows * (1 - rows))
        per_class += of_class
        in_blocks += np.bincount(clean[blocks], weight[blocks], C)
        alone += weight[known & ~neighbours].sum()
    found = np.diagonal(estimated.pixel_noise) / estimated.noise_weight * estimated.shrinkage
    return [
        *(
            f"| {name} | {found[k] / true[k]:.2f} | {in_blocks[k] / per_class[k]:.2f} | "
            f"{100 * per_class[k] / per_class.sum():.1f} % |"
            for k, name in enumerate(names)
        ),
        "",
        f"Pixels without any neighbour hold {100 * alone / per_class.sum():.2f} % of the weight.",
    ]


def corrected_rows(labels: TheoryLabels, specs: Sequence[str]) -> list[str]:
    """Return table rows: the corrected value, and what it would be if every window were taken for a full one."""
    rows = []
    for spec in specs:
        whole = pool(noisy_moments(labels, spec))
        full = replace(whole, shrinkage=whole.num_pixels / (2 * HALF_WIDTH_PX + 1) ** 2)
        rows.append(f"| `{spec}` | {corrected(whole)} | {corrected(full)} |")
    return rows


def clean_noise(labels: TheoryLabels) -> str:
    """Return what noise is found in the clean labels, as a share of the variance of a pixel of the last class."""
    whole = pool(noisy_moments(labels, "clean", 0))
    return f"{whole.pixel_noise[-1, -1] / whole.noise_weight / whole.covariance()[-1, -1]:.3f}"


def between_images(labels: TheoryLabels) -> str:
    """Return how much of the variance of the density of class 1 in wide windows is that of the means of images."""
    one = [image_moments(label, label, [WIDE_HALF_WIDTH_PX], "box", labels.num_classes)[0] for label in labels.labels]
    whole, inside = pool(one).covariance()[1, 1], sum(m.num_pixels * m.covariance()[1, 1] for m in one)
    return f"{100 * (1 - inside / sum(m.num_pixels for m in one) / whole):.0f} %"


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of nuc and camvid")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/sampling_error.md"))
    arguments = parser.parse_args()
    start = time.process_time()
    nuc = choose_labels(arguments.data / "nuc/train/labels", 80, 2, 0)
    streets = choose_labels(arguments.data / "camvid/train/labels", 31, 11, 0)
    few = {"nuc": choose_labels(arguments.data / "nuc/train/labels", 24, 2, 0), "made": choose_labels("nuc", 24, 2, 0)}
    table = ["| noise | corrected | with full windows |", "|---|---|---|"]
    lines = [
        "# The sampling error, estimated and known",
        "",
        f"Box of half-width {HALF_WIDTH_PX}. Corrected similarities are not clipped: 1 is right for all of these.",
        "*With full windows*: the edges of images and IGNORE, which cut windows, left out of the error.",
        "",
        f"## nuc, {len(nuc.labels)} training labels",
        "",
        *table,
        *corrected_rows(nuc, ("clean", "flip:0.3", "flip:0.45", "flip:0.48")),
        "",
        f"Noise found in the clean labels: {clean_noise(nuc)} of the variance of a pixel.",
        "",
        f"## camvid, {len(streets.labels)} training labels",
        "",
        *table,
        *corrected_rows(streets, ("clean", "flip:0.5", "sample:0.1", "sample:0.1,exact=false")),
        "",
        "`sample:0.1,exact=false`: the estimated sampling variance of each class over the true one, the share of the "
        "class that lies in a 2 × 2 block of known pixels, and its share of the weight.",
        "",
        "| class | estimate over truth | in a block | weight |",
        "|---|---|---|---|",
        *class_table(streets, "sample:0.1,exact=false", CAMVID_CLASSES),
        "",
        f"## Windows of half-width {WIDE_HALF_WIDTH_PX}, 24 labels",
        "",
        f"Share of the variance of the density that lies between images: nuc {between_images(few['nuc'])}, generated "
        f"nuclei {between_images(few['made'])}.",
    ]
    stamp = (
        f"{date.today().isoformat()} · {platform.system()}, Python {platform.python_version()}, numpy "
        f"{np.__version__}, metastructure {_version.__version__}. By `python {shlex.join(sys.argv)}`, "
        f"{time.process_time() - start:.0f} s of CPU, {os.cpu_count()} cores."
    )
    lines[1:1] = ["", stamp]
    arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
