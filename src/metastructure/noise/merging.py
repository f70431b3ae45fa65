"""Neighbouring objects annotated as one."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.flipping import Rate
from metastructure.noise.geometry import is_within, squared_distance
from metastructure.noise.objects import number_objects

Pieces = npt.NDArray[np.integer]


class Merging(NoiseModel):
    """Fuse objects that touch or nearly touch: the gap is filled and the smaller takes the larger's class.

    Parameters
    ----------
    gap_px : int, at least 0
        Objects with at most this many pixels between them (along a row; Euclidean otherwise) are a pair. 0 means
        objects that touch over an edge or a corner, which only those of two classes do.
    rate : float in [0, 1]
        Probability that a pair is merged.

    Notes
    -----
    The gap between two objects is the background whose distances to both sum to at most gap_px + 1. In a chain of
    merged objects all take the class of the largest (of equals, the first in row order).

    References
    ----------
    Zlateski, Jaroensri, Sharma, Durand, "On the Importance of Label Quality for Semantic Segmentation", CVPR 2018:
    coarse annotation as the cheap alternative, in which neighbouring objects run together.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> label = np.array([[1, 1, 0, 2, 0, 0, 1]])
    >>> Merging(gap_px=1)(label, generator(0, "a", "noise")).tolist()
    [[1, 1, 1, 1, 0, 0, 1]]
    """

    family: ClassVar[str] = "merge"
    main_field: ClassVar[str | None] = "gap_px"

    gap_px: Annotated[int, Field(ge=0, strict=True)]
    rate: Rate = 1.0

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        pieces, classes = number_objects(label, num_classes)
        boxes = ndimage.find_objects(pieces)
        sizes = np.bincount(pieces.reshape(-1), minlength=len(classes))
        merged = [pair for pair in _near_pairs(pieces, boxes, self.gap_px + 1) if rng.random() < self.rate]
        group = _join(len(classes), merged)
        largest = {root: max(np.flatnonzero(group == root), key=lambda n: (sizes[n], -n)) for root in set(group[1:])}
        colour = np.array([0, *(classes[largest[root]] for root in group[1:])], dtype=label.dtype)
        noisy = np.where(pieces > 0, colour[pieces], label)
        for one, other in merged:
            box = _padded(boxes[one - 1], label.shape, self.gap_px + 1)
            first, second = (
                np.sqrt(squared_distance(pieces[box] == number, self.gap_px + 1)) for number in (one, other)
            )
            noisy[box][(label[box] == 0) & (first + second <= self.gap_px + 1)] = colour[one]
        return noisy


def _near_pairs(pieces: Pieces, boxes: list[tuple[slice, ...]], reach_px: int) -> Iterator[tuple[int, int]]:
    """Give the pairs of object numbers, smaller first, whose pixels come within reach (touching corners count)."""
    for number, tight in enumerate(boxes, start=1):
        box = _padded(tight, pieces.shape, max(reach_px, 2))
        near = is_within(pieces[box] == number, max(reach_px, 2**0.5))
        yield from ((number, int(other)) for other in np.unique(pieces[box][near]) if other > number)


def _padded(box: tuple[slice, ...], shape: tuple[int, ...], margin: int) -> tuple[slice, ...]:
    return tuple(
        slice(max(side.start - margin, 0), min(side.stop + margin, length))
        for side, length in zip(box, shape, strict=True)
    )


def _join(num: int, pairs: list[tuple[int, int]]) -> npt.NDArray[np.intp]:
    """Return for each of `num` objects the smallest number of those it is linked to."""
    group = np.arange(num)
    for one, other in pairs:
        low, high = sorted((group[one], group[other]))
        group[group == high] = low
    return group
