"""iGTT with several classes, an experiment: clusters of local densities as the first labels, then rounds of training.

Run:  .venv/bin/python docs/scripts/igtt_classes.py [--sets street camvid] [--seeds 0 1 2]
Each (set, seed) is kept in docs/results/records/igtt-classes.csv and not run again. The start clusters pixels by the
means of their colours in two windows, which are densities of colour. In each round a new network is trained on a tenth
of the pixels of the present labels, the others IGNORE, and each pixel becomes the class that network and clusters
together hold most probable. Clean labels only name the clusters (best one-to-one matching) and measure.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.cluster.vq import kmeans2
from scipy.ndimage import uniform_filter
from scipy.optimize import linear_sum_assignment

from metastructure.contingency import contingency_table
from metastructure.data.files import ImageArray, load_image, load_label
from metastructure.data.folder import find_items, zscore
from metastructure.data.synthetic import generate
from metastructure.label import IGNORE, LabelArray
from metastructure.metrics import mean_iou
from metastructure.rng import generator
from metastructure.training import Segmenter

OUT = Path(__file__).parents[1] / "results" / "records" / "igtt-classes.csv"
REAL = Path(__file__).parents[3] / "shared" / "data" / "camvid"
CLASSES = {"street": 8, "camvid": 11}
NUM_IMAGES, FIRST_DATA_SEED, ROUNDS, FRACTION, HALF_WIDTHS = 48, 11, 3, 0.1, (1, 4)
MAX_EVIDENCE = 2.0
"""In logits: how much surer the clusters may be of one class than of another."""

Features = npt.NDArray[np.float32]


def load_pairs(name: str, seed: int) -> tuple[list[ImageArray], list[LabelArray]]:
    """Return images and clean labels."""
    if name == "street":
        pairs = [generate("street", seed=FIRST_DATA_SEED + seed, index=k, height=128, width=128) for k in range(48)]
    else:
        items = find_items(REAL, "train")
        chosen = generator(seed, name, "images").choice(len(items), NUM_IMAGES, replace=False)
        pairs = [(load_image(items[k].image), load_label(items[k].label)) for k in sorted(chosen)]
    return [image for image, _ in pairs], [label for _, label in pairs]


def densities(image: ImageArray) -> Features:
    """Return the colour means in each window, (H, W, channels times windows)."""
    colours = np.moveaxis(zscore(image), 0, -1)
    means = [uniform_filter(colours, (2 * h + 1, 2 * h + 1, 1), mode="reflect") for h in HALF_WIDTHS]
    return np.concatenate(means, axis=-1)


def cluster(features: list[Features], num: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the centres of the clusters, (num, channels)."""
    pool = np.concatenate([one.reshape(-1, one.shape[-1]) for one in features])
    chosen = pool[rng.choice(len(pool), min(len(pool), 50_000), replace=False)]
    centres, _ = kmeans2(chosen.astype(np.float64), num, iter=30, minit="++", seed=rng)
    return np.asarray(centres)


def evidence(features: Features, centres: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return what the clusters say, (classes, H, W) logits, the surest 0."""
    distances = ((features[None] - centres[:, None, None]) ** 2).sum(axis=-1)
    return np.maximum(-(distances - distances.min(axis=0)), -MAX_EVIDENCE)


def sample(label: LabelArray, rng: np.random.Generator) -> LabelArray:
    """Return the label with all but FRACTION of its pixels IGNORE."""
    return np.where(rng.random(label.shape) < FRACTION, label, IGNORE).astype(np.uint8)


def matched(labels: list[LabelArray], found: list[LabelArray], num: int) -> tuple[float, float]:
    """Return mIoU and accuracy under the best one-to-one naming of the clusters."""
    table = sum(contingency_table(clean, other, num) for clean, other in zip(labels, found, strict=True))
    names = linear_sum_assignment(-table)[1]
    table = table[:, names]
    return float(mean_iou(table)), float(np.trace(table) / table.sum())


def run(name: str, seed: int) -> list[tuple[str, float, float]]:
    """Return (stage, mIoU, accuracy) of the clusters and of each round, with and without evidence."""
    images, labels = load_pairs(name, seed)
    num, rng = CLASSES[name], generator(seed, name, "igtt classes")
    features = [densities(image) for image in images]
    centres = cluster(features, num, rng)
    said = [evidence(one, centres) for one in features]
    start = [logits.argmax(axis=0).astype(np.uint8) for logits in said]
    rows = [("clusters", *matched(labels, start, num))]
    for title, weight in (("network alone", 0.0), ("with evidence", 1.0)):
        present = start
        for index in range(ROUNDS):
            segmenter = Segmenter(
                {"name": "residual_unet", "settings": {"width": 12}}, seed=seed, device="cpu", threads=1, epochs=10,
                batch_size=12, crop_px=96, learning_rate=0.005, schedule="onecycle", augment="mirror",
            ).fit(images, [sample(one, rng) for one in present], num_classes=num)  # fmt: skip
            scores = [np.log(segmenter.predict_probabilities(image) + 1e-6) for image in images]
            present = [(a + weight * b).argmax(axis=0).astype(np.uint8) for a, b in zip(scores, said, strict=True)]
            rows.append((f"{title}, round {index + 1}", *matched(labels, present, num)))
            print(f"{name} seed {seed} {rows[-1]}", flush=True)
    return rows


def main() -> None:
    """Measure what is missing and print the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=list(CLASSES), choices=list(CLASSES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    OUT.touch()
    kept = list(csv.reader(OUT.read_text(encoding="utf-8").splitlines()))
    for seed in arguments.seeds:
        for name in arguments.sets:
            if not any(row[:2] == [name, str(seed)] for row in kept):
                rows = [[name, str(seed), stage, f"{a:.4f}", f"{b:.4f}"] for stage, a, b in run(name, seed)]
                with OUT.open("a", encoding="utf-8", newline="") as stream:
                    csv.writer(stream, lineterminator="\n").writerows(rows)
                kept += rows
    for name in arguments.sets:
        for stage in dict.fromkeys(row[2] for row in kept if row[0] == name):
            own = [(float(row[3]), float(row[4])) for row in kept if row[0] == name and row[2] == stage]
            miou, accuracy = 100 * np.mean(own, axis=0)
            print(f"| {name} | {stage} | {miou:.1f} | {accuracy:.1f} | {len(own)} |")


if __name__ == "__main__":
    main()
