"""What it brings to take noise and blur off images before they are segmented, on images as they are and worse ones.

Run ``python benchmarks/restored.py`` from the repository root (five minutes of one core); it writes
``benchmarks/results/restored.md``. Labels are only compared with. Each image is segmented by itself, objects bright.
"""

import os
import platform
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy
from scipy.ndimage import gaussian_filter

from metastructure import _version
from metastructure.data.files import ImageArray, load_image, load_label
from metastructure.data.folder import find_items
from metastructure.data.synthetic import generate
from metastructure.label import LabelArray
from metastructure.unsupervised import Score, Work, parse_method
from metastructure.unsupervised.base import to_grey
from metastructure.unsupervised.restore import fit_spectrum, restore_at_gains
from metastructure.unsupervised.restored import MAX_GAINS

Pair = tuple[ImageArray, LabelArray]
FloatArray = npt.NDArray[np.float64]

KINDS = ("er", "mito", "nuc")
SEEDS, NUM_IMAGES, SIDE_PX = (9, 10), 16, 128
NUM_REAL = 24
REAL = Path("../shared/data/nuc")
METHODS = ("otsu", "consensus", "restored:method=consensus", "local_fitting", "restored")
NOISE = 0.15
"""Standard deviation of added noise, as a part of the image's range."""


def textured(image: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the image on smooth texture, which looks like blurred detail."""
    texture = gaussian_filter(rng.normal(size=image.shape), 1.2)
    return np.asarray(image + NOISE * np.ptp(image) * texture / texture.std())


def uneven(image: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the image under a light that falls to 0.4 somewhere, with a glow of a quarter of its range."""
    field = gaussian_filter(rng.normal(size=image.shape), [side / 5 for side in image.shape])
    light = (field - field.min()) / np.ptp(field)
    return np.asarray(image * (0.4 + 0.6 * light) + 0.25 * np.ptp(image) * light)


def noisy(image: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the image with white noise."""
    return np.asarray(image + rng.normal(0, NOISE * np.ptp(image), image.shape))


def smoothed(image: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the same, blurred: noise that is not white."""
    return np.asarray(gaussian_filter(noisy(image, rng), 0.8))


CONDITIONS: dict[str, Callable[[FloatArray, np.random.Generator], FloatArray]] = {
    "as it is": lambda image, rng: image,
    "uneven light": uneven,
    "texture added": textured,
    "white noise added": noisy,
    "the same, then blurred": smoothed,
}


def load_sets() -> dict[str, list[Pair]]:
    """Return pictures made with seeds that nothing was chosen on, and some of the real test split if it is there."""
    sets = {
        kind: [generate(kind, seed=s, index=k, height=SIDE_PX, width=SIDE_PX) for s in SEEDS for k in range(NUM_IMAGES)]
        for kind in KINDS
    }
    if REAL.is_dir():
        items = find_items(REAL, "test")
        chosen = np.linspace(0, len(items) - 1, min(NUM_REAL, len(items))).round().astype(int)
        sets["real nuclei"] = [(load_image(items[k].image), load_label(items[k].label)) for k in chosen]
    return sets


def pooled_dice(
    score: Callable[[ImageArray], Score], images: Sequence[ImageArray], labels: Sequence[LabelArray]
) -> str:
    """Return Dice of all pixels together, percent."""
    shared = total = 0
    for image, label in zip(images, labels, strict=True):
        found, true = score(image) > 0.5, label == 1
        shared += int((found & true).sum())
        total += int(found.sum() + true.sum())
    return f"{200 * shared / total:.1f}"


def main() -> None:
    """Measure and write the page."""
    local = parse_method("local_fitting").fit([], Work())
    fixed = [f"at most {gain:g}" for gain in MAX_GAINS]
    page = [
        "# Segmenting images without their noise and blur",
        "",
        f"{date.today().isoformat()} · {platform.system()}, {os.cpu_count()} cores, one thread used · Python "
        f"{platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}, metastructure "
        f"{_version.__version__}. By `python benchmarks/restored.py`.",
        "",
        f"Dice of all pixels together, percent. Generated pictures of {SIDE_PX} x {SIDE_PX}, {NUM_IMAGES} of each "
        f"of the seeds {' and '.join(map(str, SEEDS))}; {NUM_REAL} images of the test split of real nuclei, evenly "
        f"chosen. Nothing was chosen on any of them. Added noise has a standard deviation of {NOISE} of the image's "
        "range. The last columns are `local_fitting` on images filtered with one limit of amplification for all.",
        "",
        f"| set | images | blur told, px: median [least, largest] | {' | '.join(f'`{m}`' for m in METHODS)} | "
        f"{' | '.join(fixed)} |",
        "| --- | --- | --- |" + " --- |" * (len(METHODS) + len(fixed)),
    ]
    for name, pairs in load_sets().items():
        labels = [label for _, label in pairs]
        for condition, change in CONDITIONS.items():
            began = time.process_time()
            rng = np.random.default_rng(0)
            images = [change(to_grey(image).astype(np.float64), rng) for image, _ in pairs]
            blur = [fit_spectrum(to_grey(image)).blur_px for image in images]
            cells = [name, condition, f"{np.median(blur):.2f} [{min(blur):.2f}, {max(blur):.2f}]"]
            cells += [pooled_dice(parse_method(method).fit(images, Work()), images, labels) for method in METHODS]
            for gain in MAX_GAINS:
                filtered = [restore_at_gains(to_grey(image), [gain])[0] for image in images]
                cells.append(pooled_dice(local, filtered, labels))
            page.append(f"| {' | '.join(cells)} |")
            print(page[-1], f"{time.process_time() - began:.0f} s", flush=True)
    (Path(__file__).parent / "results" / "restored.md").write_text("\n".join(page) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
