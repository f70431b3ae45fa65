"""How time grows with the size of an image: density, similarity and Ripley's K from 128 x 128 to 4096 x 4096 pixels.

Run ``python benchmarks/growth.py`` from the repository root; it writes ``growth.md`` and ``growth.png`` into
``benchmarks/results``. Seconds are CPU seconds of one thread (`time.thread_time`, FFTs have one worker), the least of a
few repeats, so that other work on the machine shows as little as it can: it still takes its share of the caches.
"""

import argparse
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when numpy is loaded; one thread is what is timed

import matplotlib as mpl
import numpy as np

from metastructure.rng import generator
from metastructure.structure import density, ripley_k, similarity

SIDES = (128, 256, 512, 1024, 2048, 4096)
NUM_CLASSES = 11
HALF_WIDTH_PX = 4
FIT_FROM_SIDE = 512
"""Below it the fixed cost of a call shows, a few milliseconds for the bootstrap of the similarity."""
LONGEST_S = 3.0
"""A measure that took longer at one size is not run at the next."""


def make_labels(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a clean label of 16-pixel squares and one with 30 % of its pixels flipped."""
    rng = generator(0, str(side), "benchmark growth")
    coarse = rng.integers(0, NUM_CLASSES, (side // 16, side // 16)).astype(np.uint8)
    clean = np.kron(coarse, np.ones((16, 16), dtype=np.uint8))
    shift = rng.integers(1, NUM_CLASSES, clean.shape, dtype=np.uint8) * (rng.random(clean.shape) < 0.3)
    return clean, ((clean + shift) % NUM_CLASSES).astype(np.uint8)


def time_density(side: int) -> Callable[[], object]:
    """Return a call of the density of one label with 11 classes."""
    label, _ = make_labels(side)
    return lambda: density(label, HALF_WIDTH_PX, num_classes=NUM_CLASSES)


def time_similarity(side: int) -> Callable[[], object]:
    """Return a call of the similarity of one pair with 11 classes; one image, so without the bootstrap."""
    pair = make_labels(side)
    return lambda: similarity([pair], generator(0), (HALF_WIDTH_PX,), num_classes=NUM_CLASSES)


def time_k(side: int) -> Callable[[], object]:
    """Return a call of K of a fifth of the pixels at every whole radius below the side."""
    label = (generator(0, str(side), "benchmark growth of K").random((side, side)) < 0.2).astype(np.uint8)
    return lambda: ripley_k(label, 1, np.arange(1, side))


MEASURES = {
    "density, 11 classes, h = 4": time_density,
    "similarity, 11 classes, h = 4": time_similarity,
    "K, all radii": time_k,
}


def best_seconds(call: Callable[[], object], repeats: int) -> float:
    """Return the least CPU seconds of this thread over the repeats."""
    best = np.inf
    for _ in range(repeats):
        start = time.thread_time()
        call()
        best = min(best, time.thread_time() - start)
    return best


def measure(prepare: Callable[[int], Callable[[], object]], sides: tuple[int, ...]) -> list[float]:
    """Return the seconds at each side, NaN for those left out because the one before took too long."""
    seconds: list[float] = []
    for side in sides:
        if seconds and not seconds[-1] <= LONGEST_S:
            seconds.append(float("nan"))
            continue
        seconds.append(best_seconds(prepare(side), 7 if side <= 512 else 3))
        print(f"{prepare.__name__} {side}: {seconds[-1] * 1000:.1f} ms", flush=True)
    return seconds


def exponent(sides: tuple[int, ...], seconds: list[float]) -> float:
    """Return p of seconds ~ pixels^p, fitted from `FIT_FROM_SIDE` on."""
    used = [(2 * np.log(side), np.log(s)) for side, s in zip(sides, seconds, strict=True) if side >= FIT_FROM_SIDE]
    pixels, times = np.array([pair for pair in used if np.isfinite(pair[1])]).T
    return float(np.polyfit(pixels, times, 1)[0])


def draw(path: Path, sides: tuple[int, ...], results: dict[str, list[float]]) -> None:
    """Write the log-log figure with a line of slope 1."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    pixels = np.array(sides, dtype=float) ** 2
    figure, axes = plt.subplots(figsize=(6, 4.2), layout="constrained")
    for (name, seconds), marker in zip(results.items(), "osv", strict=True):
        axes.loglog(pixels, seconds, marker=marker, label=f"{name}: pixels$^{{{exponent(sides, seconds):.2f}}}$")
    start = min(seconds[0] for seconds in results.values())
    axes.loglog(pixels, start * pixels / pixels[0], "k--", linewidth=1, label="in proportion to pixels")
    axes.set_xticks(pixels, [f"{side}²" for side in sides])
    axes.minorticks_off()
    axes.set_xlabel("pixels")
    axes.set_ylabel("CPU seconds, one thread")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Measure and write the page and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=SIDES[-1], help="largest side in pixels")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder of growth.md, growth.png")
    arguments = parser.parse_args()
    sides = tuple(side for side in SIDES if side <= arguments.largest)
    load = os.getloadavg()[0]
    results = {name: measure(prepare, sides) for name, prepare in MEASURES.items()}
    draw(arguments.out / "growth.png", sides, results)
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "metastructure"))
    lines = [
        "# Growth with the size of the image",
        "",
        f"{date.today().isoformat()} · {os.cpu_count()} cores, {platform.system()}, load {load:.1f} before the run · "
        f"Python {platform.python_version()}, {versions}. By `python {shlex.join(sys.argv)}`.",
        "",
        "CPU milliseconds of one thread, the least of 7 repeats up to 512², of 3 above; in brackets how many times the "
        "row before, for 4 times the pixels. Other work on the machine does not count as CPU time but takes its share "
        f"of the caches. What took over {LONGEST_S:.0f} s was not run at the next size.",
        "",
        "| label | " + " | ".join(results) + " |",
        "|---|" + "---|" * len(results),
    ]
    for row, side in enumerate(sides):
        cells = []
        for seconds in results.values():
            growth = f" ({seconds[row] / seconds[row - 1]:.1f})" if row else ""
            cells.append("not run" if np.isnan(seconds[row]) else f"{seconds[row] * 1000:.1f}{growth}")
        lines.append(f"| {side}² | " + " | ".join(cells) + " |")
    fitted = " | ".join(f"{exponent(sides, seconds):.2f}" for seconds in results.values())
    lines += [f"| exponent from {FIT_FROM_SIDE}² | {fitted} |", "", "![Growth](growth.png)", ""]
    (arguments.out / "growth.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
