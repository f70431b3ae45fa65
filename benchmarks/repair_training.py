"""Training on repaired labels against training on the raw ones, on real nuclei, tested on clean labels.

    python benchmarks/repair_training.py --seeds 0 1 2 --threads 1

Two kinds of bad labels: flips of 0.3, which ``repair --method denoise`` mends, or ``--method relabel:all``, and the
damaged tenth of ``audit_cleanlab.py`` (dilated or eroded by 3 px, one object dropped, shifted by 5 px, in turn), which
``repair --method relabel`` mends. Each is learnt raw and repaired by the recipes `plain` and `robust` of
``studies/nuc-recipes.yaml``. Labels and a record of each training lie under ``runs/repair-training``, from which a
stopped call goes on; out-of-fold predictions are those of ``audit_cleanlab.py`` under ``runs/audit-cleanlab``, and are
made first where they are missing. ``--limit`` and ``--epochs`` are for a quick look, in other folders of their own.
"""

import argparse
import hashlib
import json
import platform
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import audit_cleanlab
import numpy as np
import yaml

from metastructure import __version__
from metastructure.audit.audit_with_networks import predict_usable
from metastructure.audit.repair_folder import repair_folder
from metastructure.contingency import contingency_table
from metastructure.data.files import load_image, load_label, save_image, write_text
from metastructure.data.journal import hash_file
from metastructure.metrics import foreground_dice
from metastructure.metrics.overlap import nanmean
from metastructure.noise import corrupt, parse_noise
from metastructure.rng import derive_seed, generator
from metastructure.structure.estimate import bootstrap_images
from metastructure.training.data_folder import evaluate_split
from metastructure.training.segmenter import Segmenter
from metastructure.training.settings import TrainingSettings

CASES = (("flip:0.3", "denoise"), ("flip:0.3", "relabel:all"), ("damaged tenth", "relabel"))
"""Bad labels, and a method that mends them."""

MARGIN_POINTS = 1.0
"""As in the studies: within it two trainings count as equal."""


def folder_of(case: str) -> str:
    """Return the name of a case as a folder."""
    return case.replace(":", "-").replace(" ", "-")


def write_raw(case: str, clean: Path, out: Path, seed: int) -> None:
    """Write the bad labels of one case, once."""
    if (out / "done").is_file():
        return
    if case == "damaged tenth":
        kinds = audit_cleanlab.write_labels(clean, out / "labels", seed)
        write_text(out / "kinds.json", json.dumps(kinds))
    else:
        for path in sorted(clean.glob("*.png")):
            noisy = corrupt(load_label(path, 2), parse_noise(case), seed=seed, item=path.stem, num_classes=2)
            save_image(out / "labels" / path.name, noisy.astype(np.uint8))
    write_text(out / "done", "")


def arm_of(method: str) -> str:
    """Return the name of what a method repaired, as a folder and in the names of records."""
    return "relabelled" if method == "relabel:all" else "repaired"


def mend(case: str, method: str, options: argparse.Namespace, data: Path, out: Path, seed: int) -> Path:
    """Return the folder of repaired labels, made by what a user has: images, and bad labels."""
    predictions = predict(case, options, data, out, seed) if method.startswith("relabel") else None
    repaired = out / arm_of(method)
    repair_folder(out / "labels", repaired, method=method, predictions=predictions, num_classes=2, seed=seed)
    return repaired


def predict(case: str, options: argparse.Namespace, data: Path, out: Path, seed: int) -> Path:
    """Return the folder of out-of-fold predictions; those of damaged labels are `audit_cleanlab`'s but for a look."""
    if case == "damaged tenth" and options.limit is None and options.epochs is None:
        root = options.cleanlab_runs / f"seed-{seed}"
        found, _ = audit_cleanlab.predict(data, root, seed, options.threads)
        return found.folder
    settings = read_recipes(options)["robust"]
    return predict_usable(
        data / "train" / "images",
        out / "labels",
        out / "out-of-fold",
        num_classes=2,
        seed=seed,
        settings=settings,
        threads=options.threads,
        device=options.device,
    ).folder


def read_recipes(options: argparse.Namespace) -> dict[str, TrainingSettings]:
    """Return the recipes of the study."""
    study = yaml.safe_load(audit_cleanlab.RECIPES.read_text(encoding="utf-8"))
    common = study["training"] | ({} if options.epochs is None else {"epochs": options.epochs})
    return {name: TrainingSettings(**common, **changes) for name, changes in study["recipes"].items()}


def label_dice(clean: Path, labels: Path) -> list[float]:
    """Return the Dice of each label against the clean one, in the order of their names."""
    paths = sorted(clean.glob("*.png"))
    tables = [contingency_table(load_label(path, 2), load_label(labels / path.name, 2), 2) for path in paths]
    dice: list[float] = foreground_dice(np.stack(tables)).tolist()
    return dice


def train_and_test(
    settings: TrainingSettings, data: Path, labels: Path, record: Path, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Return the record of one training, made once for these labels and settings."""
    paths = sorted(labels.glob("*.png"))
    identity = hashlib.sha256(
        f"{__version__} {settings.model_dump_json()} {seed} {[hash_file(path) for path in paths]}".encode()
    ).hexdigest()[:16]
    if record.is_file():
        made: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        if made["identity"] == identity:
            return made
    started, checkpoint = time.monotonic(), record.with_suffix(".checkpoint")
    record.parent.mkdir(parents=True, exist_ok=True)
    segmenter = Segmenter(
        "residual_unet",
        settings,
        seed=derive_seed(seed, "", "repair training"),
        device=options.device,
        threads=options.threads,
    )
    val = sorted((data / "val" / "labels").glob("*.png"))
    segmenter.fit(
        [load_image(find_image(data / "train" / "images", path.stem)) for path in paths],
        [load_label(path, 2) for path in paths],
        [load_image(find_image(data / "val" / "images", path.stem)) for path in val],
        [load_label(path, 2) for path in val],
        2,
        checkpoint=checkpoint,
        identity=identity,
    )
    scores = evaluate_split(segmenter, data / "test", seed=seed)
    dice = foreground_dice(scores.tables_NCC)
    made = {"identity": identity, "dice": dice.tolist(), "seconds": time.monotonic() - started}
    write_text(record, json.dumps(made) + "\n")
    checkpoint.unlink(missing_ok=True)
    return made


def find_image(folder: Path, stem: str) -> Path:
    """Return the image of a name."""
    return next(path for path in sorted(folder.iterdir()) if path.stem == stem)


def limit_data(data: Path, out: Path, limit: int) -> Path:
    """Return a data set of the first images of each split, as links."""
    for split in ("train", "val", "test"):
        for label in sorted((data / split / "labels").glob("*.png"))[:limit]:
            image = find_image(data / split / "images", label.stem)
            for source, part in ((image, "images"), (label, "labels")):
                target = out / split / part / source.name
                target.parent.mkdir(parents=True, exist_ok=True)
                if not target.exists():
                    target.symlink_to(source.resolve())
    return out


def compare(raw: Sequence[Sequence[float]], repaired: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Return repaired less raw in Dice points, mean over seeds and test images, with a 95 % interval over images."""
    differences = 100 * np.nanmean(np.array(repaired) - np.array(raw), axis=0)
    differences = differences[~np.isnan(differences)]
    low, high = bootstrap_images(
        lambda times: np.array([times @ differences / times.sum()]),
        len(differences),
        generator(0, "", "benchmark repair"),
        0.95,
        2000,
    )[0]
    return float(differences.mean()), float(low), float(high)


def write_results(path: Path, rows: list[str], labels: list[str], options: argparse.Namespace, num: int) -> None:
    """Write the page."""
    lines = [
        "# Training on repaired labels",
        "",
        f"{date.today()}, metastructure {__version__}, Python {platform.python_version()}. By `python "
        f"benchmarks/repair_training.py --seeds {' '.join(map(str, options.seeds))}`: {num} training labels, "
        "clean ones for test, and for the threshold those of val.",
        "",
        "Dice points, mean over seeds and test images; the interval is over test images, paired. No worse: it lies "
        f"above -{MARGIN_POINTS:g}.",
        "",
        "| labels | repaired by | recipe | raw | repaired | repaired - raw [95 %] | no worse |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
        "## The labels themselves",
        "",
        "Mean Dice against the labels as they came, and how many labels a repair changed. Of the damaged tenth "
        "the others have errors of their own that a repair may mend, which counts against it here.",
        "",
        "| labels | repaired by | seed | raw | repaired | changed |",
        "|---|---|---|---|---|---|",
        *labels,
    ]
    write_text(path, "\n".join(lines) + "\n")


def main() -> None:
    """Make what is missing, and write the page after each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/nuc"))
    parser.add_argument("--runs", type=Path, default=Path("runs/repair-training"))
    parser.add_argument("--cleanlab-runs", type=Path, default=Path("runs/audit-cleanlab"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/repair_training.md"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, help="images of each split")
    parser.add_argument("--epochs", type=int)
    options = parser.parse_args()
    runs, data = options.runs, options.data
    if options.limit is not None or options.epochs is not None:
        runs = runs / f"limit-{options.limit}-epochs-{options.epochs}"
    if options.limit is not None:
        data = limit_data(data, runs / "data", options.limit)
    clean, recipes = data / "train" / "labels", read_recipes(options)
    dice: dict[tuple[str, str, str, str], list[list[float]]] = {}
    labels: list[str] = []
    for seed in options.seeds:
        for case, method in CASES:
            root = runs / f"seed-{seed}" / folder_of(case)
            write_raw(case, clean, root, seed)
            folders = {"raw": root / "labels", arm_of(method): mend(case, method, options, data, root, seed)}
            before, after = (label_dice(clean, folder) for folder in folders.values())
            repair = json.loads((folders[arm_of(method)] / "repair.json").read_text(encoding="utf-8"))
            changed = sum(one["num_changed"] > 0 for one in repair["files"])
            means = " | ".join(f"{nanmean(np.array(one)):.4f}" for one in (before, after))
            labels.append(f"| {case} | {method} | {seed} | {means} | {changed} of {len(before)} |")
            for recipe, settings in recipes.items():
                for arm, folder in folders.items():
                    record = root / "records" / f"{recipe}-{arm}.json"
                    made = train_and_test(settings, data, folder, record, seed, options)
                    dice.setdefault((case, method, recipe, arm), []).append(made["dice"])
                    told = f"seed {seed}, {case}, {method}, {recipe}, {arm}: {100 * np.nanmean(made['dice']):.2f}"
                    print(f"{told} ({made['seconds']:.0f} s)", file=sys.stderr, flush=True)
        rows = []
        for case, method in CASES:
            for recipe in recipes:
                raw, repaired = (dice[case, method, recipe, arm] for arm in ("raw", arm_of(method)))
                mean, low, high = compare(raw, repaired)
                shown = f"{100 * np.nanmean(raw):.2f} | {100 * np.nanmean(repaired):.2f}"
                held = "yes" if low > -MARGIN_POINTS else "NOT SHOWN"
                rows.append(
                    f"| {case} | {method} | {recipe} | {shown} | {mean:+.2f} [{low:+.2f}, {high:+.2f}] | {held} |"
                )
        done = argparse.Namespace(**{**vars(options), "seeds": options.seeds[: options.seeds.index(seed) + 1]})
        is_whole = options.limit is None and options.epochs is None
        write_results(options.out if is_whole else runs / "results.md", rows, labels, done, len(before))


if __name__ == "__main__":
    main()
