"""What choosing labels costs in iGTT: EMS beside a loop over pixels, candidates by search and in closed form.

Run ``python benchmarks/ems.py`` from the repository root; it writes ``benchmarks/results/ems.md``. Both sides of every
ratio are timed in turn in one run. The share of choosing is that of a fit of 24 generated images of 256².
"""

import os
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import skimage
import torch

from metastructure import _version
from metastructure.data.synthetic import generate
from metastructure.training import Machine
from metastructure.unsupervised import Work
from metastructure.unsupervised.candidates import best_candidate, search_candidate
from metastructure.unsupervised.ems import BoolArray, MetaStructureExtraction
from metastructure.unsupervised.igtt import IGTT
from metastructure.unsupervised.rounds import Rounds

REPEATS = 40


def loop_over_pixels(candidate: BoolArray, rng: np.random.Generator) -> BoolArray:
    """EMS of radius 1 and fraction 0.1 as it is written down: skeleton, then one pixel after another."""
    skeleton = skimage.morphology.skeletonize(candidate if candidate.mean() <= 0.5 else ~candidate)
    found = np.zeros_like(candidate)
    for row in range(candidate.shape[0]):
        for column in range(candidate.shape[1]):
            moved_row = min(max(row + int(rng.integers(-1, 2)), 0), candidate.shape[0] - 1)
            moved_column = min(max(column + int(rng.integers(-1, 2)), 0), candidate.shape[1] - 1)
            if skeleton[row, column] and rng.random() < 0.1:
                found[moved_row, moved_column] = True
    return found


def seconds(*calls: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    """Return the median time of each call, all called in turn."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, own in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            own.append(time.perf_counter() - start)
    return [float(np.median(own)) for own in times]


def main() -> None:
    """Measure and write the page."""
    image, label = generate("er", seed=3, index=0, height=256, width=256)
    candidate, rng = label == 1, np.random.default_rng(0)
    noisy = candidate ^ (rng.random(candidate.shape) < 0.02)  # a ragged candidate, as a network makes
    published, pruned, ours = (
        MetaStructureExtraction(),
        MetaStructureExtraction(prune_px=4),
        MetaStructureExtraction(points="candidate", radius_px=0, fraction=0.3),
    )
    prediction = np.asarray(image / 255.0, dtype=np.float32)
    rows = [
        ("EMS as published, clean candidate", seconds(lambda: published(candidate, rng))[0]),
        ("EMS as published, ragged candidate", seconds(lambda: published(noisy, rng))[0]),
        ("EMS with pruned branches, ragged candidate", seconds(lambda: pruned(noisy, rng))[0]),
        ("points of the candidate", seconds(lambda: ours(noisy, rng))[0]),
    ]
    fast, slow = seconds(lambda: published(noisy, rng), lambda: loop_over_pixels(noisy, rng), repeats=5)
    closed, search = seconds(lambda: best_candidate(prediction), lambda: search_candidate(prediction))
    images = [generate("er", seed=3, index=k, height=256, width=256)[0] for k in range(24)]
    fabric = Machine(device="cpu", threads=1).fabric()
    shares = {}
    for name, ems in (("points of the candidate", ours), ("EMS as published", published)):
        logs = IGTT(ems=ems, training=Rounds(rounds=3, settled=0)).run(images, Work(threads=1), fabric).logs[1:]
        whole = sum(log.train_seconds + log.predict_seconds + log.choose_seconds for log in logs)
        shares[name] = sum(log.choose_seconds for log in logs) / whole
    lines = [
        "# Choosing labels in iGTT",
        "",
        f"{date.today().isoformat()} · {platform.system()}, {os.cpu_count()} cores, one thread · Python "
        f"{platform.python_version()}, numpy {np.__version__}, scikit-image {skimage.__version__}, torch "
        f"{torch.__version__}, metastructure {_version.__version__}. By `python benchmarks/ems.py`. 256 x 256 pixels.",
        "",
        "| step | ms |",
        "| --- | --- |",
        *(f"| {name} | {1000 * value:.1f} |" for name, value in rows),
        f"| candidate in closed form | {1000 * closed:.2f} |",
        f"| candidate by search, K = 30 | {1000 * search:.1f} |",
        "",
        f"A loop over the pixels in Python takes {slow / fast:.0f} times as long as EMS ({1000 * slow:.0f} against "
        f"{1000 * fast:.1f} ms, in turn); the search {search / closed:.0f} times as long as the closed form.",
        "",
        "Share of choosing (candidates and points) in a round of 24 images, the rest training and prediction: "
        + ", ".join(f"{100 * share:.1f} % with {name}" for name, share in shares.items())
        + ".",
        "",
    ]
    (Path(__file__).parent / "results" / "ems.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
