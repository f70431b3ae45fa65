"""What methods without training reach on generated pictures and on real nuclei, and what they cost.

Run ``python benchmarks/classical_methods.py`` from the repository root; it writes
``benchmarks/results/classical_methods.md``. Labels are only compared with, never shown: settings are the defaults, and
each image is segmented by itself, objects bright. ``--images`` takes so many generated pictures of each kind.
"""

import argparse
import os
import platform
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import scipy
import skimage

from metastructure import _version
from metastructure.contingency import contingency_table
from metastructure.data.files import ImageArray, load_image, load_label
from metastructure.data.folder import find_items
from metastructure.data.synthetic import generate
from metastructure.label import LabelArray
from metastructure.metrics import ScoreHistogram, accuracy, boundary_f1, foreground_dice, nanmean
from metastructure.unsupervised import fit_method

METHODS = (
    "otsu",
    "li",
    "triangle",
    "adaptive",
    "adaptive:kind=mean",
    "contrast",
    "kmeans",
    "gaussian_mixture",
    "chan_vese",
    "geodesic",
    "random_walker",
    "ridge",
    "ridge:kind=frangi",
    "local_fitting",
    "consensus",
    "restored",
    "restored:method=consensus",
)
KINDS = ("er", "mito", "nuc")
SEED, FIRST_INDEX, SIDE_PX = 6, 5000, 128
REAL = Path("../shared/data/nuc")
NUM_REAL = 60

Pair = tuple[ImageArray, LabelArray]


def real_pairs(num: int) -> list[Pair]:
    """Return so many images of the real test split, evenly spaced by name; none if it is not there."""
    if not REAL.is_dir():
        return []
    items = find_items(REAL, "test")
    chosen = np.linspace(0, len(items) - 1, min(num, len(items))).round().astype(int)
    return [(load_image(items[k].image), load_label(items[k].label)) for k in chosen]


def measure(pairs: Sequence[Pair], method: str) -> list[str]:
    """Return the cells of one row."""
    fit_method([pairs[0][0]], method, side="bright", threads=1).score(pairs[0][0])  # imports are not the method's
    tables, boundaries, scores, seconds = [], [], ScoreHistogram.empty(), 0.0
    for image, label in pairs:
        start = time.process_time()
        score = fit_method([image], method, side="bright", threads=1).score(image)
        seconds += time.process_time() - start
        found = (score > 0.5).astype(np.uint8)
        tables.append(contingency_table(label, found, 2))
        boundaries.append(boundary_f1(label, found, 2)[1])
        scores = scores + ScoreHistogram.from_image(score, label)
    stack = np.stack(tables)
    called = stack[:, :, 1].sum() / stack.sum()
    shares = (
        float(foreground_dice(stack.sum(axis=0))),
        float(nanmean(foreground_dice(stack))),
        scores.auc(),
        float(accuracy(stack.sum(axis=0))),
        float(nanmean(np.array(boundaries))),
        float(called),
    )
    return [f"`{method}`", *(f"{100 * value:.1f}" for value in shares), f"{seconds / len(pairs):.3f}"]


def measure_set(title: str, pairs: Sequence[Pair]) -> list[str]:
    """Return the lines of one table."""
    share = np.mean([np.mean(label == 1) for _, label in pairs])
    sizes = sorted({image.shape[:2] for image, _ in pairs})
    shown = " × ".join(map(str, sizes[0])) + (f" to {' × '.join(map(str, sizes[-1]))}" if len(sizes) > 1 else "")
    lines = [
        "",
        f"## {title}: {len(pairs)} images of {shown}, {100 * share:.1f} % object",
        "",
        "| method | Dice, pooled | Dice, per image | AUC | accuracy | boundary F1 | called object | CPU s an image |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method in METHODS:
        lines.append(f"| {' | '.join(measure(pairs, method))} |")
        print(title, lines[-1], flush=True)
    return lines


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=48, help="generated pictures of each kind (default 48)")
    arguments = parser.parse_args()
    page = [
        "# Segmentation without labels or training",
        "",
        f"{date.today().isoformat()} · {platform.system()}, {os.cpu_count()} cores, one thread used · Python "
        f"{platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}, scikit-image "
        f"{skimage.__version__}, metastructure {_version.__version__}. By `python benchmarks/classical_methods.py "
        f"--images {arguments.images}`.",
        "",
        "Default settings, nothing chosen on these numbers. Each image by itself, objects bright, label where the "
        "score is above 0.5. In percent: Dice of the object from all pixels together and as the mean over images, AUC "
        "of all pixels together (scores of one image are not on the scale of another's), accuracy of all pixels, "
        "boundary F1 of the object (Csurka et al. 2013, tolerance 0.75 % of the diagonal and at least 1 px, mean over "
        "images), and the share of pixels called object.",
    ]
    indices = range(FIRST_INDEX, FIRST_INDEX + arguments.images)
    for kind in KINDS:
        pairs = [generate(kind, seed=SEED, index=k, height=SIDE_PX, width=SIDE_PX) for k in indices]
        page += measure_set(f"Generated {kind}", pairs)
    real = real_pairs(NUM_REAL)
    page += measure_set("Real nuclei (test split of nuc)", real) if real else ["", f"No data at {REAL}: not measured."]
    target = Path(__file__).parent / "results" / "classical_methods.md"
    target.write_text("\n".join(page) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
