"""Draw every noise family on a nucleus image, an ER-like image and a street scene, and write docs/noise.md.

Run ``python docs/scripts/noise_gallery.py`` from the repository root. The labels are generated, so that the page needs
no data; the same seed gives the same pictures.
"""

import argparse
import inspect
from pathlib import Path

import numpy as np
from PIL import Image

from metastructure.data.synthetic import NUM_CLASSES, generate
from metastructure.label import IGNORE
from metastructure.noise import NOISE, NoiseModel, corrupt, parse_noise

SEED = 5
SIDE = 160
ZOOM = 2
GAP = 8
PICTURES = ("nuc", "er", "street")

GROUPS = {
    "Pixels": (
        "clean", "sample:0.1", "sample:0.1,fill=ignore", "flip:0.45", "pairflip:0.3", "classflip", "matrix",
        "random:0.5",
    ),
    "Boundaries": (
        "dilate:3", "erode:2", "skeleton", "open:5", "close:5", "shift:-2", "jitter:3,correlation_px=10",
        "markov:60,preference=0.8", "polygon:3",
    ),
    "Objects": ("move:5", "rotate:30", "omit:0.4", "include:0.8", "merge:6,rate=0.3", "swap:0.5"),
    "Weak annotation": (
        "points:3", "scribbles:3", "scribbles:3,fill=background", "boxes", "discs:5", "unlabelled:0.5",
    ),
    "Annotators": (
        "annotator:bias_px=2,jitter_px=2,omission=0.2",
        'consensus:[{"bias_px":2,"jitter_px":2},{"bias_px":-1,"jitter_px":2,"omission":0.3},{"jitter_px":3}]',
    ),
    "Joined": ("sample:0.3 + dilate:1", "erode:1..4", "flip:0.4 at 0.5"),
}  # fmt: skip
"""What is drawn, by chapter; `classflip` and `matrix` need entries for each class and get them below."""

KEPT, LOST, GAINED, UNKNOWN = (238, 238, 238), (214, 39, 110), (44, 160, 44), (120, 120, 130)
BACKGROUND = (20, 20, 24)
STREET_COLOURS = np.array([
    (70, 130, 180), (70, 70, 70), (153, 153, 153), (128, 64, 128), (244, 35, 232), (107, 142, 35), (220, 220, 0),
    (190, 153, 153), (0, 0, 142), (220, 20, 60), (119, 11, 32), (0, 80, 100), (250, 170, 30), (152, 251, 152),
    (255, 0, 0), (0, 0, 70), (0, 60, 100), (0, 0, 230), (102, 102, 156),
], dtype=np.uint8)  # fmt: skip


def spec_for(name: str, num_classes: int) -> str | None:
    """Return the spec to draw, or None where the family needs more object classes."""
    if name == "classflip":
        return f"classflip:[0.02{',0.5' * (num_classes - 1)}]"
    if name == "matrix":
        rows = np.eye(num_classes) * 0.6
        rows[:, 0] += 0.4
        return f"matrix:{np.round(rows, 6).tolist()}".replace(" ", "")
    if name.startswith("swap") and num_classes < 3:
        return None
    return name


def paint(clean: np.ndarray, noisy: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the colours of a noisy label: for two classes what it kept, lost and gained, else the classes."""
    picture = np.empty((*clean.shape, 3), dtype=np.uint8)
    if num_classes == 2:
        picture[...] = BACKGROUND
        for pixels, colour in (
            ((clean == 1) & (noisy == 1), KEPT),
            ((clean == 1) & (noisy == 0), LOST),
            ((clean == 0) & (noisy == 1), GAINED),
        ):
            picture[pixels] = colour
    else:
        picture[...] = STREET_COLOURS[np.where(noisy == IGNORE, 0, noisy)]
    picture[noisy == IGNORE] = UNKNOWN
    return picture


def draw_strip(name: str, labels: dict[str, np.ndarray]) -> Image.Image:
    """Return one row of pictures, a blank one where the family does not apply."""
    strip = np.full((SIDE, len(labels) * (SIDE + GAP) - GAP, 3), 255, dtype=np.uint8)
    for place, (kind, clean) in enumerate(labels.items()):
        C = NUM_CLASSES[kind]
        spec = spec_for(name, C)
        if spec is not None:
            noisy = corrupt(clean, parse_noise(spec), seed=SEED, item=kind, num_classes=C)
            left = place * (SIDE + GAP)
            strip[:, left : left + SIDE] = paint(clean, noisy, C)
    picture = Image.fromarray(strip).quantize(32, dither=Image.Dither.NONE)
    return picture.resize((picture.width * ZOOM, picture.height * ZOOM), Image.Resampling.NEAREST)


def describe(model: NoiseModel) -> str:
    """Return the first sentence of a family's docstring and whether it has a matrix."""
    line = inspect.getdoc(type(model)) or ""
    first = line.split("\n\n")[0].replace("\n", " ")
    try:
        has_matrix = model.transition(3) is not None
    except ValueError:  # made for another number of classes
        has_matrix = True
    return f"{first} Transition matrix: {'yes' if has_matrix else 'none that is the same for every pixel'}."


def main() -> None:
    """Draw the pictures and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    docs = parser.parse_args().docs
    folder = docs / "noise_gallery"
    folder.mkdir(parents=True, exist_ok=True)
    labels = {kind: generate(kind, seed=SEED, index=0, height=SIDE, width=SIDE)[1] for kind in PICTURES}
    shown = {parse_noise(spec_for(name, 3) or name).family for names in GROUPS.values() for name in names}
    missing = set(NOISE) - shown
    if missing:
        raise SystemExit(f"the gallery leaves out {sorted(missing)}; add them to GROUPS.")
    page = [
        "# Label noise, family by family",
        "",
        "Generated by `docs/scripts/noise_gallery.py`. Left nuclei, middle an endoplasmic reticulum, right a street.",
        "In the first two, what the noisy label kept is white, what it lost is magenta, what it gained is green; in",
        "the street the colours are classes. Grey is IGNORE; a blank place means that the family needs more classes.",
        "",
        "The text over each picture is the spec: `metastructure corrupt LABELS OUT --noise SPEC`, a line in a study,",
        "or `parse_noise(SPEC)` in Python. Families are joined with ` + `, `dilate:1..4` draws a strength for each",
        "image, and `flip:0.4 at 0.5` strikes half of the images.",
        "",
    ]
    for title, names in GROUPS.items():
        page += [f"## {title}", ""]
        for number, name in enumerate(names):
            model = parse_noise(spec_for(name, 3) or name)
            file = f"{title.lower().replace(' ', '_')}_{number}_{model.family}.png"
            draw_strip(name, labels).save(folder / file, optimize=True)
            page += [f"### `{name}`", "", describe(model), "", f"![{name}](noise_gallery/{file})", ""]
    (docs / "noise.md").write_text("\n".join(page), encoding="utf-8")
    print(f"{docs / 'noise.md'}: {sum(path.stat().st_size for path in folder.iterdir()) / 1e6:.2f} MB of pictures")


if __name__ == "__main__":
    main()
