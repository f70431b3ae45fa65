"""Similarity of meta-structures and surviving classes on the real labels, noise by noise.

Run ``python benchmarks/similarity.py`` from the repository root; it writes ``benchmarks/results/similarity.md``. Every
noisy label is drawn with seed 0 and the image's name, so the table comes out the same anywhere. ``--images`` takes the
first so many training images of each set instead of all.
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
from metastructure.data import load_label
from metastructure.label import LabelArray
from metastructure.noise import corrupt, parse_noise
from metastructure.rng import generator
from metastructure.structure import density, estimate_surviving, similarity

HALF_WIDTH_PX = 4
NUCLEI = (
    "clean", "flip:0.3", "flip:0.45", "flip:0.48", "flip:0.5", "flip:0.9", "sample:0.1", "sample:0.02",
    "sample:0.1,fill=ignore", "dilate:1", "dilate:2", "dilate:4", "dilate:8", "erode:1", "erode:2", "erode:4",
    "erode:8", "skeleton", "random",
)  # fmt: skip
STREETS = (
    "clean", "flip:0.5", "flip:0.8", "flip:0.9", "sample:0.1", "dilate:1", "dilate:2", "dilate:4", "erode:2",
    "skeleton", "random",
)  # fmt: skip
SETS = (("nuc", 2, NUCLEI), ("camvid", 11, STREETS))


def load_set(folder: Path, num_images: int | None) -> dict[str, LabelArray]:
    """Return the training labels by name."""
    return {path.stem: load_label(path) for path in sorted(folder.iterdir())[:num_images]}


def table_row(labels: dict[str, LabelArray], spec: str, num_classes: int) -> str:
    """Return one line of the table."""
    model, start = parse_noise(spec), time.process_time()
    clean = list(labels.values())
    noisy = [corrupt(label, model, seed=0, item=name, num_classes=num_classes) for name, label in labels.items()]
    scale = similarity(
        zip(clean, noisy, strict=True), generator(0, spec, "bootstrap"), (HALF_WIDTH_PX,), num_classes=num_classes
    ).scales[0]
    left = estimate_surviving(
        noisy, generator(0, spec, "surviving"), half_width_px=HALF_WIDTH_PX, num_classes=num_classes, num_resamples=100
    )
    alone = np.array(scale.per_image)
    per_image = f"{np.nanmedian(alone):.3f}" if not np.isnan(alone).all() else "NaN"
    return (
        f"| `{spec}` | {scale.corrected} | {scale.uncorrected} | {per_image} | {scale.distance} | "
        f"{left.num_surviving} of {num_classes} | {time.process_time() - start:.0f} s |"
    )


def density_seconds() -> float:
    """Return the CPU seconds of the density of one 2048 x 2048 label with 11 classes, the best of three."""
    coarse = generator(0, "", "benchmark density").integers(0, 11, (64, 64)).astype(np.uint8)
    label, best = np.kron(coarse, np.ones((32, 32), dtype=np.uint8)), np.inf
    for _ in range(3):
        start = time.process_time()
        density(label, HALF_WIDTH_PX, num_classes=11)
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    """Measure and write the table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of nuc and camvid")
    parser.add_argument("--images", type=int, help="images of each set (default: all of its training images)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/similarity.md"))
    arguments = parser.parse_args()
    lines = [
        "# Similarity of meta-structures",
        "",
        f"{date.today().isoformat()} · {os.cpu_count()} cores, {platform.system()}, load {os.getloadavg()[0]:.1f} · "
        f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}, metastructure "
        f"{_version.__version__}. By `python {shlex.join(sys.argv)}`; CPU time, one thread, noise included.",
        "",
        f"Box of half-width {HALF_WIDTH_PX}; pooled values with 95 % bootstrap intervals over images, which allow for "
        "the bias of a sum of squares. Corrected: the sampling error of the noisy density taken off. Per image: median "
        "of the corrected values of single images. "
        "Distance: mean total variation, not invariant.",
        "",
        f"Density of a 2048 × 2048 label with 11 classes: {density_seconds():.2f} s (bar 1.5 s).",
    ]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    for name, num_classes, specs in SETS:
        labels = load_set(arguments.data / name / "train" / "labels", arguments.images)
        lines += ["", f"## {name}, {len(labels)} training labels, {num_classes} classes", ""]
        lines += ["| noise | corrected | uncorrected | per image | distance | surviving classes | time |"]
        lines += ["|---|---|---|---|---|---|---|"]
        for spec in specs:
            lines.append(table_row(labels, spec, num_classes))
            print(lines[-1], flush=True)
            arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
