"""Objects in even and uneven light: what methods find and which side they are told to be on, with `even_out` and not.

Run ``OMP_NUM_THREADS=1 python benchmarks/uneven_light.py`` from the repository root (some minutes of one core); it
writes ``benchmarks/results/uneven_light.md``. Pictures are drawn here, 256 x 256, from seeds nothing was chosen on.
"""

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from metastructure import __version__
from metastructure.contingency import contingency_table
from metastructure.data.files import write_text
from metastructure.metrics import foreground_dice
from metastructure.unsupervised import decide_side, fit_method, light
from metastructure.unsupervised.base import Side

SIDE_PX, NUM_PICTURES, FIRST_SEED = 256, 8, 1000
METHODS = ("otsu", "contrast", "ridge", "local_fitting", "restored", "restored:method=consensus")
RESULT = Path(__file__).parent / "results" / "uneven_light.md"

ROWS, COLUMNS = np.mgrid[:SIDE_PX, :SIDE_PX]
Pair = tuple[np.ndarray, np.ndarray]


def ramp(rng: np.random.Generator, height: float) -> np.ndarray:
    """Return light that rises in some direction."""
    direction = rng.normal(size=2)
    along = (direction[0] * ROWS + direction[1] * COLUMNS) / np.hypot(*direction)
    return height * (along - along.min()) / np.ptp(along)


def haze(rng: np.random.Generator, height: float) -> np.ndarray:
    """Return light that comes and goes over about fifty pixels."""
    field = gaussian_filter(rng.normal(size=ROWS.shape), 50, mode="wrap")
    return height * np.clip(field / (4 * field.std()), -0.5, 0.5)


def vessels(rng: np.random.Generator) -> np.ndarray:
    """Return ten walks of 2 to 6 px width."""
    inside = np.zeros(ROWS.shape, dtype=bool)
    for _ in range(10):
        place, angle, radius = rng.uniform(0, SIDE_PX, 2), rng.uniform(0, 2 * np.pi), rng.uniform(1, 3)
        for _ in range(300):
            angle += rng.normal(0, 0.12)
            place = place + np.array([np.sin(angle), np.cos(angle)])
            top, left = (max(0, int(value) - 4) for value in place)
            part = np.s_[top : top + 9, left : left + 9]
            inside[part] |= np.hypot(ROWS[part] - place[0], COLUMNS[part] - place[1]) <= radius
    return inside


def discs(num: int, least_px: float, most_px: float) -> Callable[[np.random.Generator], np.ndarray]:
    """Return what draws discs."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        inside = np.zeros(ROWS.shape, dtype=bool)
        for _ in range(num):
            row, column = rng.uniform(0, SIDE_PX, 2)
            inside |= np.hypot(ROWS - row, COLUMNS - column) <= rng.uniform(least_px, most_px)
        return inside

    return draw


def membranes(rng: np.random.Generator) -> np.ndarray:
    """Return the borders between ninety cells."""
    points = np.stack([ROWS, COLUMNS], axis=-1).reshape(-1, 2)
    near = cKDTree(rng.uniform(0, SIDE_PX, (90, 2))).query(points, k=2)[0]
    return (near[:, 1] - near[:, 0] < 3).reshape(ROWS.shape)


KINDS: dict[str, tuple[Callable[[np.random.Generator], np.ndarray], float, float, float]] = {
    "vessels, even light": (vessels, 0, 40, 6),
    "vessels on a ramp": (vessels, 120, 40, 6),
    "weak vessels on a ramp": (vessels, 120, 25, 6),
    "cells in haze": (discs(18, 6, 14), -100, 50, 6),
    "large cells on a ramp": (discs(4, 22, 34), 110, 45, 6),
    "one large object, even light": (discs(1, 45, 75), 0, 60, 12),
    "membranes in haze": (membranes, -40, 60, 10),
    "four specks, even light": (discs(4, 3, 6), 0, 50, 8),
}
"""Objects, height of the light (negative: haze), of the objects, and standard deviation of the noise."""


def draw(kind: str, side: Side, index: int) -> Pair:
    """Return a picture and its label."""
    objects, light_height, height, noise = KINDS[kind]
    rng = np.random.default_rng(FIRST_SEED + index)
    inside = objects(rng)
    lit = 80 + (ramp(rng, light_height) if light_height >= 0 else haze(rng, -light_height))
    sign = 1 if side == "bright" else -1
    image = lit + sign * height * gaussian_filter(inside * 1.0, 0.8) + rng.normal(0, noise, inside.shape)
    return np.clip(image, 0, 255).astype(np.uint8), inside.astype(np.uint8)


@contextmanager
def light_left_on() -> Iterator[None]:
    """Leave the light of every image as it is."""
    before, light.BENEFIT = light.BENEFIT, np.inf
    yield
    light.BENEFIT = before


def score(pairs: list[Pair], method: str, side: Side) -> float:
    """Return the Dice of all pictures together, in percent."""
    fitted = fit_method([image for image, _ in pairs], method, side=side, threads=1)
    tables = [contingency_table(label, (fitted.score(image) > 0.5).astype(np.uint8), 2) for image, label in pairs]
    return 100 * float(foreground_dice(np.sum(tables, axis=0)))


def measure(kind: str, side: Side) -> tuple[int, list[float]]:
    """Return how many of the pictures tell their side alone, and the Dice of each method on the right side."""
    pairs = [draw(kind, side, index) for index in range(NUM_PICTURES)]
    return sum(decide_side([image])[0] == side for image, _ in pairs), [score(pairs, name, side) for name in METHODS]


def main() -> None:
    """Measure and write the page."""
    lines = [
        "# Uneven light",
        "",
        f"{date.today()} · {os.cpu_count()} cores, one thread, {platform.system()}, Python {platform.python_version()}"
        f", numpy {np.__version__}, metastructure {__version__}. By `python benchmarks/uneven_light.py`, seeds "
        f"{FIRST_SEED} to {FIRST_SEED + NUM_PICTURES - 1}. Dice of {NUM_PICTURES} pictures together, percent, the side "
        "given; before: with the light left on. Side: pictures that tell theirs rightly, one by one, with bright and "
        "with dark objects.",
        "",
        f"| pictures | side | {' | '.join(f'`{name}`' for name in METHODS)} |",
        "| --- | --- |" + " --- |" * len(METHODS),
    ]
    for kind in KINDS:
        with light_left_on():
            before = [measure(kind, side) for side in ("bright", "dark")]
        after = [measure(kind, side) for side in ("bright", "dark")]
        told = f"{sum(right for right, _ in before)} → {sum(right for right, _ in after)} of {2 * NUM_PICTURES}"
        cells = [
            f"{(a + b) / 2:.1f} → {(c + d) / 2:.1f}" if name.startswith(("local", "restored")) else f"{(c + d) / 2:.1f}"
            for name, a, b, c, d in zip(METHODS, before[0][1], before[1][1], after[0][1], after[1][1], strict=True)
        ]
        lines.append(f"| {kind} | {told} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    write_text(RESULT, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
