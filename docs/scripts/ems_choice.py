"""What EMS on centre lines gains for objects of many shapes, and whether the choice of `choose_ems` sees it.

Run:  OMP_NUM_THREADS=1 .venv/bin/python docs/scripts/ems_choice.py [--seeds 0 1] [--page]
Each (kind, seed) is measured once, three fits, and kept in docs/results/records/ems-choice; the page is made from what
is there. The limit LEAST_RATIO was chosen by seed 0 and the sets to choose by, which have that seed only; on other
seeds it is only looked at.
"""

import argparse
import json
import platform
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from metastructure.data.files import write_text
from metastructure.unsupervised import fit_method
from metastructure.unsupervised.ems_choice import FRACTION, LEAST_RATIO, EMSChoice, choose_ems
from metastructure.unsupervised.igtt import pooled_dice
from unsupervised import DEVELOPMENT, load_set

RESULTS = Path(__file__).parents[1] / "results"
RECORDS = RESULTS / "records" / "ems-choice"
NUM_PICTURES, SIDE_PX, BACKGROUND, CONTRAST = 32, 128, 80.0, 25.0
ROWS, COLUMNS = np.mgrid[:SIDE_PX, :SIDE_PX]

Mask = np.ndarray
Draw = Callable[[np.random.Generator], Mask]


def tubes(num: int, least_px: float, most_px: float, length_px: int = 120) -> Draw:
    """Return what draws wandering lines, each of one half-width between two."""

    def draw(rng: np.random.Generator) -> Mask:
        inside = np.zeros(ROWS.shape, dtype=bool)
        for _ in range(num):
            radius, place, angle = rng.uniform(least_px, most_px), rng.uniform(0, SIDE_PX, 2), rng.uniform(0, 2 * np.pi)
            for _ in range(length_px):
                angle += rng.normal(0, 0.12)
                place = place + np.array([np.sin(angle), np.cos(angle)])
                inside |= np.hypot(ROWS - place[0], COLUMNS - place[1]) <= radius
        return inside

    return draw


def discs(num: int, least_px: float, most_px: float) -> Draw:
    """Return what draws discs of radii between two."""

    def draw(rng: np.random.Generator) -> Mask:
        inside = np.zeros(ROWS.shape, dtype=bool)
        for _ in range(num):
            row, column = rng.uniform(0, SIDE_PX, 2)
            inside |= np.hypot(ROWS - row, COLUMNS - column) <= rng.uniform(least_px, most_px)
        return inside

    return draw


def membranes(num_cells: int, width_px: float) -> Draw:
    """Return what draws the borders between cells, which widen where they meet."""

    def draw(rng: np.random.Generator) -> Mask:
        points = np.stack([ROWS, COLUMNS], axis=-1).reshape(-1, 2)
        near = cKDTree(rng.uniform(0, SIDE_PX, (num_cells, 2))).query(points, k=2)[0]
        return (near[:, 1] - near[:, 0] < width_px).reshape(ROWS.shape)

    return draw


SHAPES: dict[str, tuple[Draw, float]] = {
    "tubes of 3 px": (tubes(6, 1.5, 1.5), 1.2),
    "tubes of 5 px": (tubes(6, 2.5, 2.5), 2.0),
    "tubes of 2 to 8 px": (tubes(6, 1, 4), 1.5),
    "rods of 4 px": (tubes(14, 2, 2, length_px=14), 1.5),
    "dots of 6 px": (discs(30, 3, 3), 1.5),
    "discs of 12 px": (discs(12, 6, 6), 2.5),
    "discs of 10 to 26 px": (discs(8, 5, 13), 2.5),
    "thin membranes": (membranes(25, 3), 1.2),
    "thick membranes": (membranes(12, 7), 2.0),
}
"""Objects, and the standard deviation of the blur."""

NOISES = (6.0, 14.0)
KINDS = [*(f"{shape}, noise {noise:g}" for shape in SHAPES for noise in NOISES), *DEVELOPMENT]


def load(kind: str, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return pictures and their labels."""
    if kind in DEVELOPMENT:
        return load_set(kind, seed)[0]
    shape, _, noise = kind.partition(", noise ")
    draw, blur = SHAPES[shape]
    pairs = []
    for index in range(NUM_PICTURES):
        rng = np.random.default_rng([seed, index])
        inside = draw(rng)
        height = CONTRAST * rng.uniform(0.6, 1.5)
        image = BACKGROUND + height * gaussian_filter(inside * 1.0, blur) + rng.normal(0, float(noise), inside.shape)
        pairs.append((np.clip(image, 0, 255).astype(np.uint8), inside.astype(np.uint8)))
    return pairs


def measure(kind: str, seed: int) -> dict[str, Any]:
    """Return what would be chosen, and the Dice of the start, of whole candidates and of EMS."""
    pairs = load(kind, seed)
    images, truths = [image for image, _ in pairs], [label == 1 for _, label in pairs]

    def dice(method: str) -> float:
        fitted = fit_method(images, method, threads=1)
        return pooled_dice([fitted.score(image) > 0.5 for image in images], truths)

    start = fit_method(images, "restored", threads=1)
    chosen = choose_ems([2 * start.score(image) - 1 for image in images])
    radius = max(1, round(chosen.thickness_px - 1))
    forced = f"igtt:ems.radius_px={radius},ems.fraction={FRACTION},ems.invert=false"
    return {
        "kind": kind, "seed": seed, "radius_px": radius, "chosen": chosen.ems is not None,
        **{name: getattr(chosen, name) for name in EMSChoice._fields[1:]},
        "start": dice("restored"), "whole": dice("igtt:ems=none"), "ems": dice(forced),
        "date": date.today().isoformat(),
    }  # fmt: skip


def write_page() -> None:
    """Write docs/results/ems-choice.md from the records."""
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in RECORDS.glob("*.json")]
    for row in rows:
        row["ratio"] = row["doubtful_px"] / max(row["spread_px"], 1.0)
        row["gain"] = 100 * (row["ems"] - row["whole"])
        row["chosen"] = row["ratio"] >= LEAST_RATIO
    page = [
        "# When EMS helps",
        "",
        f"`igtt` on {NUM_PICTURES} pictures of {SIDE_PX} x {SIDE_PX} of each kind, objects {CONTRAST:g} grey values "
        "brighter (by 0.6 to 1.5 times), blurred, with noise of the given standard deviation, and on the sets to "
        "choose by. Dice in percent of the start `restored`, of `igtt` trained on whole candidates (`ems=none`) and on "
        "points around their skeletons with the typical half-width as radius. *Doubtful* is the width of the band "
        "along the outlines in which the images do not decide, *spread* the interquartile range of the local "
        "thickness; the ratio counts a spread below a pixel as one. "
        f"`ems=auto` takes EMS from {LEAST_RATIO:g} on.",
        "",
    ]
    for seed in sorted({row["seed"] for row in rows}):
        own = sorted((row for row in rows if row["seed"] == seed), key=lambda row: row["ratio"])
        page += [
            f"## Seed {seed}, {'by which the limit was chosen' if seed == 0 else 'not looked at before'}",
            "",
            "| pictures | doubtful px | spread px | ratio | radius px | start | whole | EMS | gain | EMS chosen |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        for row in own:
            cells = [row["kind"], f"{row['doubtful_px']:.2f}", f"{row['spread_px']:.2f}", f"{row['ratio']:.2f}"]
            cells += [f"{row['radius_px']}", *(f"{100 * row[key]:.1f}" for key in ("start", "whole", "ems"))]
            cells += [f"{row['gain']:+.1f}", "yes" if row["chosen"] else "no"]
            page.append(f"| {' | '.join(cells)} |")
        took = [row["gain"] for row in own if row["chosen"]]
        left = [row["gain"] for row in own if not row["chosen"]]
        page += ["", *(_tell(name, gains) for name, gains in (("Chosen", took), ("Not chosen", left)) if gains), ""]
    page += [
        f"Made by `python docs/scripts/ems_choice.py --seeds 0 1`; metastructure {version('metastructure')}, numpy "
        f"{version('numpy')}, scikit-image {version('scikit-image')}, torch {version('torch')}, Python "
        f"{platform.python_version()}, one thread; {min(row['date'] for row in rows)} to "
        f"{max(row['date'] for row in rows)}.",
        "",
    ]
    write_text(RESULTS / "ems-choice.md", "\n".join(page))


def _tell(name: str, gains: list[float]) -> str:
    return (
        f"{name}: {len(gains)} kinds, EMS gains {np.mean(gains):+.1f} on average, from {min(gains):+.1f} to "
        f"{max(gains):+.1f}.\n"
    )


def main() -> None:
    """Measure what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1))
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--page", action="store_true", help="only write the page")
    arguments = parser.parse_args()
    for seed in () if arguments.page else arguments.seeds:
        for kind in arguments.kinds:
            path = RECORDS / f"{kind} {seed}.json"
            if not path.is_file() and (seed == 0 or kind not in DEVELOPMENT):
                row = measure(kind, seed)
                write_text(path, json.dumps(row, indent=1) + "\n")
                print(f"{kind}, seed {seed}: {100 * row['whole']:.1f} whole, {100 * row['ems']:.1f} EMS", flush=True)
    write_page()


if __name__ == "__main__":
    main()
