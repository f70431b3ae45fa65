"""Compare every way of segmenting without labels, and training with labels as the ceiling; write the results page.

Run:  .venv/bin/python docs/scripts/unsupervised.py [--sets er mito] [--seeds 0] [--methods igtt otsu] [--page]
Each (set, method, seed) is measured once in a process of its own and kept in docs/results/records/unsupervised; with
--page only the page is made from what is there. Labels are only compared with: "transductive" are the images that a
method was fitted to, without their labels, "inductive" others.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from metastructure.contingency import contingency_table
from metastructure.data.files import ImageArray, atomic_path, load_image, load_label
from metastructure.data.folder import find_items
from metastructure.data.synthetic import generate
from metastructure.label import LabelArray
from metastructure.metrics import ScoreHistogram, accuracy, boundary_f1, foreground_dice, nanmean
from metastructure.unsupervised import Score, fit_method

RESULTS = Path(__file__).parents[1] / "results"
RECORDS = RESULTS / "records" / "unsupervised"
REAL = Path(__file__).parents[3] / "shared" / "data" / "nuc"

SETS = ("er", "mito", "nuc", "nuc-real")
MANY, NUM_MANY = "er-many", 320
"""Hundreds of images, the size at which the published model was to be reproduced; not run unless named."""

DEVELOPMENT = ("er-dev", "mito-dev", "nuc-dev", "nuc-val")
"""Sets by which methods are made and defaults chosen, so that nothing is chosen by the others; not run unless named."""

NUM_FIT, NUM_NEW, SIDE_PX, FIRST_NEW = 48, 32, 128, 1000
NUM_FIT_VAL = 32
"""Of the validation images of real nuclei; the others are new."""

FIRST_DATA_SEED = 11
"""Generated pictures of the seeds 0 and 1 are for development, those from this one on were not looked at."""

SUPERVISED = "supervised"
CLASSICAL = ("otsu", "li", "triangle", "adaptive", "contrast", "kmeans", "gaussian_mixture", "chan_vese", "geodesic",
             "random_walker", "ridge", "local_fitting", "consensus", "restored:method=consensus",
             "restored")  # fmt: skip
LEARNT = ("dfc", "autoregressive", "iic")
EMS = "igtt:ems.points=candidate,ems.radius_px=0,ems.fraction=0.3,training.last=ems"
IGTT = ("igtt", "igtt:ems=none", EMS, "igtt_published", "igtt_published:ems=none")
OPTIONS = (
    "igtt:ems=none,evidence=0", "igtt:evidence=0", "igtt:evidence=4", "igtt:evidence=0,training.statistics=running",
    "igtt:start=otsu", "igtt:start=contrast", "igtt:start=consensus", "igtt:start=restored:method=consensus",
    "igtt:training.last=ems", "igtt:ems.points=skeleton,ems.radius_px=1,training.last=ems",
    "igtt:ems.points=skeleton,ems.radius_px=1,ems.prune_px=4", "igtt:ems.points=skeleton,ems.adaptive=true",
    "igtt:training.teacher_decay=0", "igtt:training.scales=[0.75,1.0]", "igtt:training.networks=3",
    "igtt_published:training.statistics=settled",
)  # fmt: skip

Pair = tuple[ImageArray, LabelArray]


def load_set(name: str, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs to fit to and new ones; generated sets differ with the seed, the real one does not."""
    if name == "nuc-val":
        pairs = [(load_image(item.image), load_label(item.label)) for item in find_items(REAL, "val")]
        chosen = set(np.linspace(0, len(pairs) - 1, NUM_FIT_VAL).round().astype(int))
        return [pairs[k] for k in sorted(chosen)], [pair for k, pair in enumerate(pairs) if k not in chosen]
    if name != "nuc-real":
        kind, num_fit = name.split("-")[0], NUM_MANY if name == MANY else NUM_FIT
        data_seed = seed if name in DEVELOPMENT else FIRST_DATA_SEED + seed
        numbers = (range(num_fit), range(FIRST_NEW, FIRST_NEW + NUM_NEW))
        made = [
            [generate(kind, seed=data_seed, index=k, height=SIDE_PX, width=SIDE_PX) for k in part] for part in numbers
        ]
        return made[0], made[1]
    splits = []
    for split, num in (("train", NUM_FIT), ("test", NUM_NEW)):
        items = find_items(REAL, split)
        chosen = np.linspace(0, len(items) - 1, num).round().astype(int)
        splits.append([(load_image(items[k].image), load_label(items[k].label)) for k in chosen])
    return splits[0], splits[1]


def measure(name: str, method: str, seed: int) -> dict[str, Any]:
    """Return the row of one method on one set: scores on both parts, seconds and peak memory."""
    fit, new = load_set(name, seed)
    began = time.process_time()
    told: list[str] = []
    if method == SUPERVISED:
        score = _supervised([image for image, _ in fit], [label for _, label in fit], seed)
    else:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fitted = fit_method([image for image, _ in fit], method, seed=seed, threads=1)
        told = [str(warning.message) for warning in caught if warning.category is UserWarning]
        told, score = [*told, *fitted.notes], fitted.score
    fit_end = time.process_time()
    parts = {"transductive": _score(score, fit)}
    predicted = time.process_time()
    parts["inductive"] = _score(score, new)
    return {
        "set": name, "method": method, "seed": seed, "told": told, "fit_s": fit_end - began,
        "predict_s": (predicted - fit_end) / len(fit), "date": date.today().isoformat(),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, **parts,
    }  # fmt: skip


def _supervised(images: Sequence[ImageArray], labels: Sequence[LabelArray], seed: int) -> Any:
    from metastructure.training import Segmenter  # torch is not waited for by classical methods

    settings = {"epochs": 60, "batch_size": 16, "crop_px": 96, "learning_rate": 0.005, "schedule": "onecycle"}
    network = {"name": "residual_unet", "settings": {"width": 12}}
    segmenter = Segmenter(network, seed=seed, device="cpu", threads=1, **settings).fit(images, labels)
    return lambda image: segmenter.predict_probabilities(image)[1]


def _score(score: Any, pairs: Iterable[Pair]) -> dict[str, float]:
    tables, boundaries, histogram = [], [], ScoreHistogram.empty()
    for image, label in pairs:
        values: Score = score(image)
        found = (values > 0.5).astype(np.uint8)
        tables.append(contingency_table(label, found, 2))
        boundaries.append(boundary_f1(label, found, 2)[1])
        histogram = histogram + ScoreHistogram.from_image(values, label)
    stack = np.stack(tables)
    return {
        "dice": float(foreground_dice(stack.sum(axis=0))),
        "mean_dice": float(nanmean(foreground_dice(stack))),
        "auc": float(histogram.auc()),
        "accuracy": float(accuracy(stack.sum(axis=0))),
        "boundary_f1": float(nanmean(np.array(boundaries))),
    }


def record_path(name: str, method: str, seed: int) -> Path:
    """Return where the row of one method on one set is kept."""
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in method)
    return RECORDS / f"{name} {safe} {seed}.json"


def run(sets: Sequence[str], methods: Sequence[str], seeds: Sequence[int]) -> None:
    """Measure what is missing, one process each."""
    RECORDS.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        for method in methods:
            for name in sets:
                if record_path(name, method, seed).is_file():
                    continue
                began = time.monotonic()
                command = [sys.executable, __file__, "--one", name, method, str(seed)]
                failed = subprocess.run(command, check=False).returncode
                print(f"{name} · {method} · seed {seed}: {'failed, ' * bool(failed)}{time.monotonic() - began:.0f} s")


def write_page() -> None:
    """Write docs/results/unsupervised.md from the records."""
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RECORDS.glob("[!.]*.json"))]
    dates = sorted({row["date"] for row in rows})
    page = [
        "# Segmentation without labels",
        "",
        f"Each method was fitted to {NUM_FIT} images without their labels; *transductive* are these images, "
        f"*inductive* {NUM_NEW} others. Generated pictures are {SIDE_PX} x {SIDE_PX}, other ones for each seed; "
        f"`{MANY}` has {NUM_MANY} of them, to reproduce the published model with hundreds of images; "
        "`nuc-real` are evenly chosen images of the train and test split of real nuclei. Default settings; the side of "
        "the objects is told from the images. Dice of all pixels together, its mean over images, AUC of all pixels "
        "together, accuracy, boundary F1: percent, mean over seeds, in brackets the least and the largest Dice. "
        "Seconds of one core for the fit and for one image; peak memory of the process. `supervised` is a U-Net of the "
        "size that iGTT trains, on clean labels of the same images: the ceiling.",
        "",
    ]
    for name in (*SETS, MANY, *DEVELOPMENT):
        if name == DEVELOPMENT[0]:
            page += [
                "# Sets to choose by",
                "",
                "By these, and by no labels of the sets above, defaults are chosen: generated pictures of the data "
                f"seeds 0 and 1, and the validation split of real nuclei, {NUM_FIT_VAL} images of it fitted to.",
                "",
            ]
        if not any(row["set"] == name for row in rows):
            page += [f"## {name}", "", "Not run.", ""]
            continue
        for part in ("transductive", "inductive"):
            page += [f"## {name}, {part}", ""]
            page += ["| method | Dice | mean Dice | AUC | accuracy | boundary F1 | seeds | fit s | image s | MiB |"]
            page += ["| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
            for method in (SUPERVISED, *IGTT, *CLASSICAL, *LEARNT, *OPTIONS):
                own = [row for row in rows if (row["set"], row["method"]) == (name, method)]
                if own:
                    page.append(_row(method, own, part))
                elif method not in OPTIONS and name in SETS:
                    page.append(f"| `{method}` | not run |" + " |" * 8)
            page.append("")
    page += [
        "Made by `python docs/scripts/unsupervised.py --seeds 0 1 2` and, for other methods and sets than those by "
        f"default, `--methods` and `--sets` with the names above; metastructure {version('metastructure')}, numpy "
        f"{version('numpy')}, scikit-image {version('scikit-image')}, torch {version('torch')}, Python "
        f"{platform.python_version()}, one thread; seeds 0 to 2, a row with fewer those from 0 on; {dates[0]} to "
        f"{dates[-1]}. Records: `docs/results/records/unsupervised`.",
        "",
    ]
    (RESULTS / "unsupervised.md").write_text("\n".join(page), encoding="utf-8")


def _row(method: str, rows: Sequence[dict[str, Any]], part: str) -> str:
    def mean(key: str) -> str:
        return f"{100 * np.mean([row[part][key] for row in rows]):.1f}"

    dice = [100 * row[part]["dice"] for row in rows]
    spread = f" [{min(dice):.1f}, {max(dice):.1f}]" if len(rows) > 1 else ""
    cells = [f"`{method}`", mean("dice") + spread, *map(mean, ("mean_dice", "auc", "accuracy", "boundary_f1"))]
    cells += [str(len(rows)), f"{np.mean([row['fit_s'] for row in rows]):.0f}"]
    cells += [f"{np.mean([row['predict_s'] for row in rows]):.2f}", f"{max(row['peak_mib'] for row in rows):.0f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=(*SETS, MANY, *DEVELOPMENT))
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--methods", nargs="+", default=(SUPERVISED, *IGTT, *CLASSICAL, *LEARNT))
    parser.add_argument("--options", action="store_true", help="the ablations of iGTT, by default on the first seed")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--one", nargs=3, metavar=("SET", "METHOD", "SEED"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        name, method, seed = arguments.one
        path = record_path(name, method, int(seed))
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(measure(name, method, int(seed)), indent=1) + "\n", encoding="utf-8")
        return
    if not arguments.page:
        run(arguments.sets, OPTIONS if arguments.options else arguments.methods, arguments.seeds)
    write_page()


if __name__ == "__main__":
    main()
