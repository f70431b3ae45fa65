"""Labels freed of pixelwise noise, against the clean ones and against what the best window could reach.

Run ``python benchmarks/repair.py`` from the repository root; it writes ``benchmarks/results/repair.md`` row by row. Q
and the window come from the noisy labels alone. The best window is chosen with the clean labels and the matrix that was
drawn, which no user has.
"""

import os
import platform
import time
from datetime import date
from pathlib import Path

import numpy as np

from metastructure import _version
from metastructure.audit.denoise import denoise_label, pick_window, score_windows
from metastructure.audit.repair_plan import NUM_SCORED_LABELS
from metastructure.contingency import contingency_table
from metastructure.data import load_label
from metastructure.data.files import write_text
from metastructure.data.label_set import pick_evenly
from metastructure.label import IGNORE, LabelArray
from metastructure.metrics import foreground_dice, mean_iou
from metastructure.metrics.overlap import nanmean
from metastructure.noise import corrupt, parse_noise
from metastructure.rng import generator
from metastructure.structure import densities
from metastructure.structure.latent_transition import estimate_transition
from metastructure.transition import TransitionMatrix

DATA = Path(__file__).parents[2] / "shared" / "data"
RESULT = Path(__file__).parent / "results" / "repair.md"
CASES = (
    ("nuc", 2, 340, "flip:0.3"), ("nuc", 2, 340, "flip:0.45"), ("nuc", 2, 340, "sample:0.1"),
    ("nuc", 2, 340, "flip:0.1"),
    ("camvid", 11, 60, "flip:0.5"),
)  # fmt: skip
BEST_OF_PX = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
CHOSEN_ON_EVERY = 4
HEAD = (
    "| labels | noise | noisy | repaired | best window alone (its half-width) | repaired / best | half-width chosen | "
    "Q, CPU s | window, CPU s | repair, CPU ms a label |"
)


def score(tables: list[np.ndarray]) -> tuple[float, float, float]:
    """Return pooled Dice of the object classes, pooled mean IoU, and the mean of the images' Dice."""
    pooled = np.sum(tables, axis=0)
    return float(foreground_dice(pooled)), float(mean_iou(pooled)), float(nanmean(foreground_dice(np.stack(tables))))


def apply_window(label: LabelArray, half_width_px: int, inverse: np.ndarray) -> LabelArray:
    """Return the class of the largest unbiased share in a window."""
    shares = np.nan_to_num(densities(label, [half_width_px], "box", len(inverse))[0])
    clean = np.einsum("mj,mhw->jhw", inverse, shares).argmax(axis=0)
    return np.where(label == IGNORE, label, clean).astype(label.dtype)


def show(scores: tuple[float, float, float]) -> str:
    """Return three scores as one cell."""
    return " / ".join(f"{value:.4f}" for value in scores)


def row(name: str, C: int, num_labels: int, spec: str) -> str:
    """Return the row of one noise."""
    paths = sorted((DATA / name / "train" / "labels").glob("*.png"))
    paths = [paths[place] for place in pick_evenly(len(paths), num_labels)]
    clean = [load_label(path) for path in paths]
    noise = parse_noise(spec)
    noisy = [corrupt(one, noise, seed=0, item=path.stem, num_classes=C) for one, path in zip(clean, paths, strict=True)]

    def compare(others: list[LabelArray], part: slice = slice(None)) -> list[np.ndarray]:
        return [contingency_table(one, other, C) for one, other in zip(clean[part], others, strict=True)]

    times = [time.process_time()]
    transition = estimate_transition(noisy, generator(0, "", "repair"), C).matrix()
    times.append(time.process_time())
    half_width_px = pick_window(
        score_windows((noisy[k] for k in pick_evenly(len(noisy), NUM_SCORED_LABELS)), transition)
    )
    times.append(time.process_time())
    repaired = [denoise_label(label, transition, half_width_px=half_width_px) for label in noisy]
    times.append(time.process_time())
    spent = np.diff(times)
    inverse = TransitionMatrix.from_counts(np.sum(compare(noisy), axis=0)).inverse()
    some = slice(None, None, CHOSEN_ON_EVERY)
    tried = {h: score(compare([apply_window(label, h, inverse) for label in noisy[some]], some)) for h in BEST_OF_PX}
    best = [max(tried, key=lambda h: tried[h][place]) for place in range(3)]
    windows = {h: score(compare([apply_window(label, h, inverse) for label in noisy])) for h in set(best)}
    reached = score(compare(repaired))
    most = (windows[best[0]][0], windows[best[1]][1], windows[best[2]][2])
    ratios = " / ".join(f"{one / other:.3f}" for one, other in zip(reached, most, strict=True))
    return (
        f"| {name}, {len(paths)} | `{spec}` | {show(score(compare(noisy)))} | {show(reached)} | {show(most)} "
        f"({', '.join(map(str, best))}) | {ratios} | {half_width_px} | {spent[0]:.1f} | {spent[1]:.1f} | "
        f"{1000 * spent[2] / len(noisy):.0f} |"
    )


def main() -> None:
    """Write the table row by row."""
    lines = [
        "# Labels repaired by their own density",
        "",
        f"{date.today()} · {os.cpu_count()} cores, {platform.system()}, load {os.getloadavg()[0]:.1f} · Python "
        f"{platform.python_version()}, numpy {np.__version__}, metastructure {_version.__version__}. By `python "
        "benchmarks/repair.py`; one thread, CPU time.",
        "",
        "Training labels, noise drawn with seed 0. Each cell of scores: pooled Dice of the object classes / pooled "
        "mean IoU / mean of the images' Dice. Q and the half-width come from the noisy labels alone; the best window "
        "is chosen for each score on every fourth label, with the clean labels and the matrix that was drawn.",
        "",
        HEAD,
        "|---" * HEAD.count(" | ") + "|---|",
    ]
    for case in CASES:
        lines.append(row(*case))
        print(lines[-1], flush=True)
        write_text(RESULT, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
