"""Speed and memory of the noise families against the bars of issue 3, in one run on one thread.

Run ``python benchmarks/noise_speed.py`` from the repository root; it writes ``benchmarks/results/noise_speed.md``.
The sides of a ratio take turns within each round, and times are CPU seconds of this process (nothing here uses
threads), so that a busy machine disturbs little; each time is the best of the rounds. Labels: binary discs and
eleven-class scenes made here, and CamVid where the shared data lies, uint8. Memory is the peak that tracemalloc sees
during a call, noisy label included, as a multiple of the clean label.
"""

import argparse
import os
import platform
import sys
import time
import tracemalloc
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import scipy
import skimage
from scipy import ndimage
from skimage.io import imread

from metastructure import _version
from metastructure.noise import corrupt, parse_noise
from metastructure.rng import generator

SIDE = 256
NUM_IMAGES = 24
BIG = 4096
PIXEL_SPECS = ("flip:0.45", "sample:0.1", "sample:0.1,exact=false", "random:0.5", "matrix:[[0.9,0.1],[0.4,0.6]]")
SCENE_PIXEL_SPECS = ("flip:0.9", "sample:0.1", "pairflip:0.3", "random")
BOUNDARY_SPECS = (
    "dilate:3", "dilate:10", "erode:3", "skeleton", "open:3", "close:3", "shift:-2", "jitter:2",
    "markov:180,preference=0.8", "polygon:2",
)  # fmt: skip
SCENE_BOUNDARY_SPECS = (
    "dilate:3", "erode:3", "skeleton", "open:3", "close:3", "shift:-2", "jitter:2", "markov:180,preference=0.8",
    "polygon:2",
)  # fmt: skip
CAMVID = Path("../shared/data/camvid/train/labels")
OBJECT_SPECS = ("move:3", "rotate:15", "omit:0.3", "include:0.3", "merge:2", "points", "scribbles", "boxes", "discs:4")
OBJECT_BAR_SPECS = ("omit:0.3", "include:0.3", "merge:2", "move:3", "rotate:15", "swap:0.3")
MEMORY_SPECS = ("flip:0.45", "sample:0.1", *BOUNDARY_SPECS, *OBJECT_BAR_SPECS)


def nuclei(side: int, item: str) -> np.ndarray:
    """Return a binary label with discs of radius 6 to 14 on about 20 % of it, never touching IGNORE (none)."""
    rng = generator(0, item, "benchmark nuclei")
    num = max(1, int(0.2 * side * side / (np.pi * 100)))
    label = np.zeros((side, side), dtype=np.uint8)
    for row, column, radius in zip(*rng.integers(0, side, (2, num)), rng.uniform(6, 14, num), strict=True):
        reach = int(radius) + 1
        rows = np.arange(max(row - reach, 0), min(row + reach + 1, side))[:, None]
        columns = np.arange(max(column - reach, 0), min(column + reach + 1, side))[None]
        label[rows[0, 0] : rows[-1, 0] + 1, columns[0, 0] : columns[0, -1] + 1] |= (
            (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
        ).astype(np.uint8)
    return label


def street(side: int, item: str) -> np.ndarray:
    """Return an eleven-class label of smooth regions, as a street scene has them, with 2 % IGNORE."""
    rng = generator(0, item, "benchmark street")
    coarse = rng.integers(0, 11, (side // 32 + 1, side // 32 + 1)).astype(np.uint8)
    label = np.kron(coarse, np.ones((32, 32), dtype=np.uint8))[:side, :side]
    label = ndimage.median_filter(label, size=9)
    label[rng.random((side, side)) < 0.0005] = 255
    return ndimage.maximum_filter(np.where(label == 255, 255, 0).astype(np.uint8), 6) | label


def camvid(num: int) -> list[np.ndarray]:
    """Return every fifteenth CamVid label, or none where the data set is absent."""
    return [imread(path) for path in sorted(CAMVID.glob("*.png"))[::15][:num]]


def best_times(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the least seconds of each side, the sides taking turns."""
    best = dict.fromkeys(sides, np.inf)
    for _ in range(rounds):
        for name, side in sides.items():
            start = time.process_time()
            side()
            best[name] = min(best[name], time.process_time() - start)
    return best


def run_folder(labels: list[np.ndarray], spec: str, num_classes: int) -> Callable[[], object]:
    model = parse_noise(spec)

    def run() -> None:
        for item, label in enumerate(labels):
            corrupt(label, model, seed=0, item=str(item), num_classes=num_classes)

    return run


def loop_flip(label: np.ndarray) -> np.ndarray:
    """Flip pixel by pixel in plain Python, the way that is still met in published code."""
    import random

    noisy = label.copy()
    for row in range(label.shape[0]):
        for column in range(label.shape[1]):
            if random.random() < 0.45:
                noisy[row, column] = 1 - noisy[row, column]
    return noisy


def loop_sample(label: np.ndarray) -> np.ndarray:
    """Keep a tenth of the object pixels, pixel by pixel."""
    import random

    noisy = label.copy()
    for row in range(label.shape[0]):
        for column in range(label.shape[1]):
            if label[row, column] == 1 and random.random() >= 0.1:
                noisy[row, column] = 0
    return noisy


def peak_multiple(label: np.ndarray, spec: str, num_classes: int) -> float:
    model, rng = parse_noise(spec), generator(0, "memory", "noise")
    model(label[:64, :64], rng, num_classes)  # imports and caches are not the model's
    tracemalloc.start()
    model(label, rng, num_classes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / label.nbytes


def mark(value: float, bar: float, at_most: bool) -> str:
    return "yes" if (value <= bar if at_most else value >= bar) else "**no**"


def measure(rounds: int, big: int) -> list[str]:
    label = nuclei(SIDE, "one")
    rng = generator(0)
    lines = ["| what | measured | bar | met |", "|---|---|---|---|"]
    sides: dict[str, Callable[[], object]] = {
        "uniform": lambda: rng.random((SIDE, SIDE), dtype=np.float32),
        **{spec: partial(corrupt, label, parse_noise(spec), seed=0, item="a", num_classes=2) for spec in PIXEL_SPECS},
        "loop flip": lambda: loop_flip(label),
        "loop sample": lambda: loop_sample(label),
    }
    loops = {name: sides.pop(name) for name in ("loop flip", "loop sample")}
    times = best_times(sides, 20 * rounds) | best_times(loops, 3)
    for spec in ("flip:0.45", "sample:0.1"):
        ratio = times[spec] / times["uniform"]
        lines.append(
            f"| `{spec}` on 256², times one float32 uniform a pixel | {ratio:.2f} | ≤ 3 | {mark(ratio, 3, True)} |"
        )
    ratio = times["sample:0.1"] / times["sample:0.1,exact=false"]
    lines.append(f"| exact sampling, times Bernoulli | {ratio:.2f} | ≤ 2 | {mark(ratio, 2, True)} |")
    for name, spec in (("loop flip", "flip:0.45"), ("loop sample", "sample:0.1")):
        lines.append(f"| plain Python loop, times `{spec}` | {times[name] / times[spec]:.0f} | about 100 | |")

    discs = [nuclei(SIDE, str(item)) for item in range(NUM_IMAGES)]
    scenes = [street(SIDE, str(item)) for item in range(NUM_IMAGES)]
    groups = (
        ("pixel noise, 2 classes", discs, 2, PIXEL_SPECS, 80.0),
        ("pixel noise, 11 classes", scenes, 11, SCENE_PIXEL_SPECS, 80.0),
        ("boundary, 2 classes", discs, 2, BOUNDARY_SPECS, 5.0),
        ("boundary, 11 classes", scenes, 11, SCENE_BOUNDARY_SPECS, 5.0),
        ("boundary, CamVid 180 × 240", camvid(NUM_IMAGES), 11, SCENE_BOUNDARY_SPECS, 5.0),
        ("objects and weak labels, 2 classes", discs, 2, OBJECT_SPECS, None),
    )
    lines += ["", f"Folder of {NUM_IMAGES} labels of {SIDE} × {SIDE}, one core, no file access:", ""]
    lines += ["| group | noise | Mpx/s | bar | met |", "|---|---|---|---|---|"]
    for title, labels, num_classes, specs, bar in groups:
        if not labels:
            lines.append(f"| {title} | not measured: no data | | | |")
            continue
        pixels = sum(label.size for label in labels) / 1e6
        times = best_times({spec: run_folder(labels, spec, num_classes) for spec in specs}, rounds)
        for spec in specs:
            speed = pixels / times[spec]
            judged = ("", "") if bar is None else (f"≥ {bar:g}", mark(speed, bar, False))
            lines.append(f"| {title} | `{spec}` | {speed:.1f} | {judged[0]} | {judged[1]} |")

    lines += ["", f"Peak memory on one label of {big} × {big} (uint8), as a multiple of it:", ""]
    lines += ["| noise | peak, 2 classes | peak, 11 classes | bar | met |", "|---|---|---|---|---|"]
    discs_scene = (nuclei(big, "large"), 2), (street(big, "large"), 11)
    for spec in MEMORY_SPECS:
        multiples = [
            peak_multiple(large, spec, num) for large, num in discs_scene if not (num == 2 and spec.startswith("swap"))
        ]
        barred = spec in BOUNDARY_SPECS + OBJECT_BAR_SPECS
        bar, met = ("≤ 4", mark(max(multiples), 4, True)) if barred else ("", "")
        shown = [f"{multiple:.2f}" for multiple in multiples]
        lines.append(f"| `{spec}` | {' | '.join(['—'] * (2 - len(shown)) + shown)} | {bar} | {met} |")
    return lines


def describe_machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()}"


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds per time; the best counts (default 5)")
    parser.add_argument("--big", type=int, default=BIG, help="side of the label for the memory table (default 4096)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/noise_speed.md"))
    arguments = parser.parse_args()
    head = [
        "# Speed of label noise",
        "",
        f"{date.today().isoformat()} · {describe_machine()} · load {os.getloadavg()[0]:.1f} · Python "
        f"{platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}, scikit-image "
        f"{skimage.__version__}, metastructure {_version.__version__}. "
        f"By `{' '.join(['benchmarks/noise_speed.py', *sys.argv[1:]])}`; CPU time, one thread.",
        "",
    ]
    text = "\n".join([*head, *measure(arguments.rounds, arguments.big)]) + "\n"
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
