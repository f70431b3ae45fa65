"""`GaussianWindow` against `scipy.ndimage.gaussian_filter`, which `local_fitting` was written with at first.

Run ``OMP_NUM_THREADS=1 python benchmarks/gaussian_window.py`` from the repository root; it writes
``benchmarks/results/gaussian_window.md``. Both sides take turns in one process. That of local fitting is the whole
method, once with each window in its place; its first version filtered the image itself in every iteration too, which
no side does here.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import scipy
from scipy.ndimage import gaussian_filter

from metastructure import __version__
from metastructure.data.files import write_text
from metastructure.data.synthetic import generate
from metastructure.unsupervised import local_fitting
from metastructure.unsupervised.local_fitting import LocalFitting
from metastructure.unsupervised.window import GaussianWindow

SIDES_PX, SCALES_PX = (256, 1000, 2048), (8.0, 32.0)
ROUNDS = 5
RESULT = Path(__file__).parent / "results" / "gaussian_window.md"


class ScipyWindow:
    """The same by convolution."""

    def __init__(self, shape: tuple[int, ...], scale_px: float) -> None:
        self.scale_px = scale_px

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the mean around every pixel."""
        return gaussian_filter(np.asarray(values, dtype=np.float64), self.scale_px)


def measure(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float, float]:
    """Return milliseconds of both in processor time, medians, and the median of their ratios."""
    pairs = []
    for _ in range(ROUNDS + 1):
        seconds = []
        for side in (theirs, ours):
            started = time.process_time()
            side()
            seconds.append(1000 * (time.process_time() - started))
        pairs.append(seconds)
    before, after = zip(*pairs[1:], strict=True)
    ratio = statistics.median(b / a for b, a in pairs[1:])
    return statistics.median(before), statistics.median(after), ratio


def fit_locally(image: np.ndarray, window: type) -> np.ndarray:
    """Return the evidence of local fitting with this window."""
    local_fitting.GaussianWindow = window  # type: ignore[misc]
    return LocalFitting().evidence(image, "bright")


def main() -> None:
    """Measure and write the page."""
    rows = []
    for side in SIDES_PX:
        image, _ = generate("er", seed=1, index=0, height=side, width=side)
        values = np.asarray(image, dtype=np.float32) / 255
        for scale in SCALES_PX:
            ours, theirs = GaussianWindow(values.shape, scale), ScipyWindow(values.shape, scale)
            off = float(np.abs(ours(values) - theirs(values)).max())
            before, after, ratio = measure(partial(ours, values), partial(theirs, values))
            rows.append(f"| window of {scale:g} px | {side} | {before:.1f} | {after:.1f} | {ratio:.1f} | {off:.0e} |")
            print(rows[-1], flush=True)
        sides = (partial(fit_locally, image, window) for window in (GaussianWindow, ScipyWindow))
        before, after, ratio = measure(*sides)
        labels = [fit_locally(image, window) > 0 for window in (GaussianWindow, ScipyWindow)]
        differ = int(np.count_nonzero(labels[0] != labels[1]))
        rows.append(
            f"| local fitting | {side} | {before:.0f} | {after:.0f} | {ratio:.1f} | {differ} pixels of the label |"
        )
        print(rows[-1], flush=True)
    page = [
        "# Gaussian windows by the cosine transform",
        "",
        f"{date.today()} · {os.cpu_count()} cores, one thread, {platform.system()}, Python {platform.python_version()}"
        f", numpy {np.__version__}, scipy {scipy.__version__}, metastructure {__version__}. By `python "
        f"benchmarks/gaussian_window.py`. Milliseconds of processor time, medians of {ROUNDS} turns; squares.",
        "",
        "| what | side px | scipy | ours | ratio | difference |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
    ]
    write_text(RESULT, "\n".join(page) + "\n")


if __name__ == "__main__":
    main()
