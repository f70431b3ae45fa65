"""The answers of several annotators to each pixel, counted: all that agreement rests on, a few numbers for each image.

`A` annotators, `C` classes, `H` rows, `W` columns, `P` patterns of answers, `N` images.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse

from metastructure.audit.object_table import is_inner
from metastructure.audit.speckle import remove_speckle
from metastructure.label import IGNORE, LabelArray
from metastructure.noise.annotators import majority_label
from metastructure.structure.dawid_skene import NO_ANSWER

INNER_PX = 4.0
"""Pixels further than this from every boundary of the calm majority are away from boundaries."""

MOST_PATTERNS = 2**62

Codes = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]


def check_codes(num_annotators: int, num_classes: int) -> None:
    """Raise if the answers to a pixel do not fit one number."""
    if (num_classes + 1) ** num_annotators > MOST_PATTERNS:
        raise ValueError(
            f"{num_annotators} annotators and {num_classes} classes are too many to be compared at once; leave some "
            "annotators out."
        )


def encode_answers(labels: Sequence[LabelArray | None], num_classes: int) -> Codes:
    """Return one number for what all annotators gave a pixel, (H, W); at least one has labelled the image.

    Examples
    --------
    >>> codes = encode_answers([np.array([[0, 1]]), None, np.array([[1, 255]])], 2)
    >>> decode_answers(codes.ravel(), 3, 2).tolist()
    [[0, -1, 1], [1, -1, -1]]
    """
    codes: Codes = np.zeros(next(label.shape for label in labels if label is not None), dtype=np.int64)
    for label in reversed(labels):
        codes *= num_classes + 1
        codes += num_classes if label is None else np.where(label == IGNORE, num_classes, label)
    return codes


def decode_answers(codes: Codes, num_annotators: int, num_classes: int) -> npt.NDArray[np.intp]:
    """Return the answers behind codes (P,), (P, A), `NO_ANSWER` where there is none."""
    answers = np.empty((len(codes), num_annotators), dtype=np.intp)
    left = codes
    for annotator in range(num_annotators):
        left, answers[:, annotator] = np.divmod(left, num_classes + 1)
    answers[answers == num_classes] = NO_ANSWER
    return answers


class Answers(NamedTuple):
    """The answers counted image by image.

    Attributes
    ----------
    patterns : (P, A) array of int
    counts, inner : (N, P) sparse arrays
        Pixels of each image with each pattern; those away from every boundary.
    """

    patterns: npt.NDArray[np.intp]
    counts: sparse.csr_array
    inner: sparse.csr_array


class AnswerCounter:
    """Counts the answers of one image after another.

    Parameters
    ----------
    num_annotators, num_classes : int
        A and C.
    """

    def __init__(self, num_annotators: int, num_classes: int) -> None:
        check_codes(num_annotators, num_classes)
        self._shape = num_annotators, num_classes
        self._place = dict[int, int]()
        self._all = list[tuple[Counts, Counts]]()
        self._inner = list[tuple[Counts, Counts]]()

    def add(self, labels: Sequence[LabelArray | None]) -> None:
        """Count one image; None where an annotator skipped it."""
        codes = encode_answers(labels, self._shape[1])
        inner = find_inner([label for label in labels if label is not None], self._shape[1])
        for pixels, rows in ((codes.ravel(), self._all), (codes[inner], self._inner)):
            found, num = np.unique(pixels, return_counts=True)
            places = [self._place.setdefault(code, len(self._place)) for code in found.tolist()]
            rows.append((np.array(places, dtype=np.int64), num))

    def answers(self) -> Answers:
        """Return all that was counted."""
        codes = np.fromiter(self._place, dtype=np.int64, count=len(self._place))
        return Answers(decode_answers(codes, *self._shape), self._stack(self._all), self._stack(self._inner))

    def _stack(self, rows: list[tuple[Counts, Counts]]) -> sparse.csr_array:
        image = np.repeat(np.arange(len(rows)), [len(places) for places, _ in rows])
        pattern, num = (np.concatenate(parts) for parts in zip(*rows, strict=True))
        return sparse.csr_array((num.astype(np.float64), (image, pattern)), shape=(len(rows), len(self._place)))


def find_inner(labels: Sequence[LabelArray], num_classes: int) -> npt.NDArray[np.bool_]:
    """Return True for pixels further than `INNER_PX` from every boundary of the majority, random pixels smoothed off.

    False throughout where random pixels leave no boundary to be found.
    """
    calm, smoothing_px = remove_speckle(majority_label(labels, num_classes), num_classes)
    edge = ~is_inner(calm)
    if np.isinf(smoothing_px):
        return np.zeros(calm.shape, dtype=bool)
    if not edge.any():
        return np.ones(calm.shape, dtype=bool)
    return np.asarray(ndimage.distance_transform_edt(~edge) > INNER_PX)
