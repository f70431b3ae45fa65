"""Peak memory and time of the audit and its estimators, for ever more labels of 256 x 256 pixels.

    python benchmarks/audit_memory.py --nums 500 2000 10000

Labels and images are generated one at a time, as discs; for the audit of a folder they are written first. Each figure
comes from a process of its own, so that peaks do not mix. Rows are written to ``benchmarks/results/audit_memory.md`` as
they come.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np

from metastructure import __version__
from metastructure.audit.audit_folder import audit_folder
from metastructure.audit.boundary_bias import estimate_boundary_bias
from metastructure.audit.denoise import score_windows
from metastructure.audit.label_scores import score_labels
from metastructure.data.files import save_image, write_text
from metastructure.label import LabelArray
from metastructure.rng import generator
from metastructure.structure.latent_transition import estimate_transition
from metastructure.transition import TransitionMatrix

SIDE_PX, NUM_DISCS = 256, 20
FLIPPED = 0.02
RESULT = Path(__file__).parent / "results" / "audit_memory.md"

Image = np.ndarray


def draw(index: int) -> tuple[Image, LabelArray]:
    """Return an image of noisy discs and its label with a few pixels flipped."""
    rng = generator(0, str(index), "audit memory")
    clean = np.zeros((SIDE_PX, SIDE_PX), dtype=np.uint8)
    for row, column, radius in zip(
        *rng.integers(0, SIDE_PX, (2, NUM_DISCS)), rng.integers(5, 14, NUM_DISCS), strict=True
    ):
        top, left = max(row - radius, 0), max(column - radius, 0)
        part = clean[top : row + radius + 1, left : column + radius + 1]
        rows, columns = np.indices(part.shape)
        part[np.hypot(rows + top - row, columns + left - column) <= radius] = 1
    image = np.clip(60 + 90 * clean + rng.normal(0, 15, clean.shape), 0, 255).astype(np.uint8)
    return image, clean ^ (rng.random(clean.shape) < FLIPPED)


def draw_all(num: int) -> Iterator[tuple[Image, LabelArray]]:
    """Give so many pairs, one in memory at a time."""
    return map(draw, range(num))


def audit(num: int, folder: Path) -> None:
    """Audit files."""
    audit_folder(folder / "images", folder / "labels")


def transition(num: int, folder: Path) -> None:
    """Estimate Q."""
    estimate_transition((label for _, label in draw_all(num)), generator(0), 2, num_resamples=100)


def bias(num: int, folder: Path) -> None:
    """Estimate the bias of the boundaries."""
    images, labels = (image for image, _ in draw_all(num)), (label for _, label in draw_all(num))
    estimate_boundary_bias(images, labels, generator(0), 2, num_resamples=100)


def windows(num: int, folder: Path) -> None:
    """Score the windows of a repair."""
    score_windows(
        (label for _, label in draw_all(num)), TransitionMatrix([[1 - FLIPPED, FLIPPED], [FLIPPED, 1 - FLIPPED]])
    )


def networks(num: int, folder: Path) -> None:
    """Score labels by probabilities, here of a network that repeats the label at 90 %."""

    def load(name: str) -> tuple[np.ndarray, LabelArray]:
        label = draw(int(name))[1]
        p1 = (0.05 + 0.9 * label).astype(np.float32)
        return np.stack([1 - p1, p1]), label

    score_labels([str(index) for index in range(num)], load)


def generation(num: int, folder: Path) -> None:
    """Draw all, which the others do once, twice or not at all: what to hold them against."""
    for _ in draw_all(num):
        pass


SIDES: dict[str, Callable[[int, Path], None]] = {
    "generation": generation,
    "estimate_transition": transition,
    "estimate_boundary_bias": bias,
    "score_windows": windows,
    "score_labels": networks,
    "audit_folder": audit,
}


def measure(side: str, num: int, folder: Path) -> tuple[float, float]:
    """Return CPU seconds and peak MiB of one side, from a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--nums", str(num), "--folder", str(folder)]
    ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(ended.stdout.splitlines()[-1])
    return found["seconds"], found["peak_mib"]


def answer(side: str, num: int, folder: Path) -> None:
    """Print what `measure` reads."""
    started = time.process_time()
    SIDES[side](num, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.process_time() - started, "peak_mib": peak}))


def main() -> None:
    """Measure row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nums", type=int, nargs="+", default=[500, 2000, 10000])
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), default=list(SIDES))
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--side", choices=list(SIDES), help="for the script itself")
    parser.add_argument("--folder", type=Path, help="for the script itself")
    options = parser.parse_args()
    if options.side:
        answer(options.side, options.nums[0], options.folder)
        return
    lines = [
        "# Memory and time of an audit of many labels",
        "",
        f"{date.today()} · {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, numpy "
        f"{np.__version__}, metastructure {__version__}. By `python benchmarks/audit_memory.py --nums "
        f"{' '.join(map(str, options.nums))}`. {NUM_DISCS} discs in {SIDE_PX} x {SIDE_PX} pixels, {100 * FLIPPED:g} % "
        "flipped; CPU time, which holds that of drawing for all but audit_folder, which reads files.",
        "",
        "| what | labels | peak MiB | CPU ms a label |",
        "|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder, written = Path(name), 0
        for num in sorted(options.nums):
            for index in range(written, num) if "audit_folder" in options.sides else ():
                image, label = draw(index)
                save_image(folder / "images" / f"{index:06}.png", image)
                save_image(folder / "labels" / f"{index:06}.png", label)
            written = num
            for side in options.sides:
                seconds, peak = measure(side, num, folder)
                lines.append(f"| {side} | {num} | {peak:.0f} | {1000 * seconds / num:.1f} |")
                print(lines[-1], flush=True)
                write_text(options.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
