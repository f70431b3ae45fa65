"""The labels that the theory is checked on: a few of a folder, generated ones, or given ones, and noise drawn on them.

`N` images, `C` classes, `H` rows, `W` columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metastructure.contingency import contingency_table
from metastructure.data.label_set import pick_evenly, scan_labels
from metastructure.data.synthetic.kinds import CLASS_NAMES, KINDS, generate
from metastructure.errors import ConfigError, DataError
from metastructure.label import IGNORE, LabelArray
from metastructure.noise import NoiseModel, corrupt
from metastructure.structure.density import check_image
from metastructure.structure.pairs import Pair
from metastructure.transition import TransitionMatrix

MAX_SIDE_PX = 512
GENERATED_SIDE_PX = 256


@dataclass(frozen=True, eq=False)
class TheoryLabels:
    """Clean labels to draw noise on.

    Attributes
    ----------
    description : str
    num_found : int
        How many there were to choose from.
    ids : tuple of N str
        What the noise of each is drawn for.
    labels : tuple of N (H, W) arrays
    num_classes : int
        C.
    seed : int
        Of the noise.
    """

    description: str
    num_found: int
    ids: tuple[str, ...]
    labels: tuple[LabelArray, ...]
    num_classes: int
    seed: int

    @property
    def shorter_side_px(self) -> int:
        """The shortest side of any image."""
        return int(min(min(label.shape) for label in self.labels))

    def draw(self, model: NoiseModel) -> Sequence[Pair]:
        """Return pairs of clean and noisy label; each noisy label is drawn when it is read, the same every time."""
        return _Drawn(self, model)

    def count_present(self) -> int:
        """Return how many classes occur."""
        classes: set[int] = set()
        for label in self.labels:
            classes.update(np.unique(label[label != IGNORE]).tolist())
        return len(classes)

    def object_width_px(self) -> float:
        """Return the mean chord of the class whose mean chord is the shortest, along rows and columns.

        Notes
        -----
        Pixels of the class over its runs, in all images together. No class is taken for the background: objects and
        what lies between them count alike. Underwood, "Quantitative Stereology", 1970, chapter 4 (mean intercept
        length).
        """
        pixels, runs = np.zeros((2, IGNORE), dtype=np.int64)
        for label in self.labels:
            for lines in (label, label.T):
                is_start = lines != IGNORE
                pixels += np.bincount(lines[is_start], minlength=IGNORE)
                is_start[:, 1:] &= lines[:, 1:] != lines[:, :-1]
                runs += np.bincount(lines[is_start], minlength=IGNORE)
        return float((pixels[runs > 0] / runs[runs > 0]).min())

    def window_share(self, half_width_px: int) -> float:
        """Return which share of its image a box holds: 1 over the mean of 1 / share, averaged over images."""
        shares = []
        for height, width in (label.shape for label in self.labels):
            inverse = [float((1 / _span(side, half_width_px)).mean()) * side for side in (height, width)]
            shares.append(1 / (inverse[0] * inverse[1]))
        return float(np.mean(shares))


class _Drawn(Sequence[Pair]):
    def __init__(self, clean: TheoryLabels, model: NoiseModel) -> None:
        self._clean, self._model = clean, model

    def __len__(self) -> int:
        return len(self._clean.labels)

    def __getitem__(self, index: int) -> Pair:  # type: ignore[override]
        clean, item = self._clean.labels[index], self._clean.ids[index]
        return clean, corrupt(clean, self._model, seed=self._clean.seed, item=item, num_classes=self._clean.num_classes)


def realised_transition(pairs: Sequence[Pair], num_classes: int) -> TransitionMatrix:
    """Return the matrix of what became of each class; one that does not occur keeps itself."""
    table = np.sum([contingency_table(clean, noisy, num_classes) for clean, noisy in pairs], axis=0)
    absent = table.sum(axis=1) == 0
    table[absent] = np.eye(num_classes, dtype=table.dtype)[absent]
    return TransitionMatrix.from_counts(table)


def choose_labels(
    labels: Path | str | Sequence[LabelArray], num_images: int, num_classes: int | None, seed: int
) -> TheoryLabels:
    """Return at most `num_images` labels, evenly spaced, checked; parameters and errors as for `check_theory`."""
    if seed < 0 or num_images < 1:
        raise ConfigError(f"seed must be at least 0, the images at least 1; got seed {seed}, {num_images} images.")
    if isinstance(labels, str):
        chosen = _generate(labels, num_images, num_classes, seed)
    elif isinstance(labels, Path):
        chosen = _read(labels, num_images, num_classes, seed)
    else:
        places = pick_evenly(len(labels), num_images)
        if not places:
            raise DataError("There are no labels to check; give at least one.")
        held = [labels[place] for place in places]
        try:
            found = max(check_image(label, num_classes, f"Label {k}") for k, label in zip(places, held, strict=True))
        except (TypeError, ValueError) as error:
            raise DataError(str(error)) from None
        chosen = TheoryLabels("given labels", len(labels), tuple(map(str, places)), tuple(held), found, seed)
    chosen = replace(chosen, labels=tuple(map(_middle, chosen.labels)))
    _check_content(chosen)
    return chosen


def _generate(kind: str, num_images: int, num_classes: int | None, seed: int) -> TheoryLabels:
    if kind not in KINDS:
        raise ConfigError(f"The kind of generated labels must be one of {', '.join(KINDS)}; got {kind!r}.")
    C = len(CLASS_NAMES[kind])
    if num_classes not in (None, C):
        raise ConfigError(f"Generated labels of kind {kind} have {C} classes; got {num_classes}. Leave it out.")
    side = GENERATED_SIDE_PX
    labels = tuple(generate(kind, seed=seed, index=k, height=side, width=side)[1] for k in range(num_images))
    ids = tuple(f"{kind}_{index:05d}" for index in range(num_images))
    return TheoryLabels(f"generated labels of kind {kind}, {side} x {side}", num_images, ids, labels, C, seed)


def _read(folder: Path, num_images: int, num_classes: int | None, seed: int) -> TheoryLabels:
    found = scan_labels(folder, num_classes)
    places = pick_evenly(len(found), num_images)
    ids = tuple(found.entries[place].id for place in places)
    labels = tuple(found.load(place) for place in places)
    return TheoryLabels(str(folder), len(found), ids, labels, num_classes or found.count_classes(), seed)


def _middle(label: LabelArray) -> LabelArray:
    top, left = (max(side - MAX_SIDE_PX, 0) // 2 for side in label.shape)
    return label[top : top + MAX_SIDE_PX, left : left + MAX_SIDE_PX]


def _check_content(chosen: TheoryLabels) -> None:
    what = f"{chosen.description}: the {len(chosen.labels)} labels chosen of {chosen.num_found}"
    if all((label == IGNORE).all() for label in chosen.labels):
        raise DataError(f"{what} hold nothing but IGNORE (255); there is nothing to check. Choose others.")
    if chosen.count_present() < 2:
        known = next(int(label[label != IGNORE][0]) for label in chosen.labels if (label != IGNORE).any())
        raise DataError(
            f"{what} hold class {known} alone, which has no structure to check. Use more images, or other labels; if "
            "255 marks your objects, write them as 1."
        )


def _span(side: int, half_width_px: int) -> npt.NDArray[np.int64]:
    """Return how many pixels of a line each window of it holds."""
    place = np.arange(side)
    return np.minimum(place + half_width_px, side - 1) - np.maximum(place - half_width_px, 0) + 1
