"""Neighbouring objects annotated as one."""

from collections.abc import Iterator
from math import prod
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.flipping import Rate
from metastructure.noise.geometry import BAND_PIXELS, is_within, squared_distance
from metastructure.noise.objects import find_objects

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
        objects = find_objects(label, num_classes)
        boxes = objects.boxes().astype(np.int32)
        numbers = np.arange(1, len(objects) + 1, dtype=np.min_scalar_type(len(objects)))
        pieces, reach_px = objects.paint(numbers), self.gap_px + 1
        near = (pair for pair in _near_pairs(pieces, boxes, reach_px) if rng.random() < self.rate)
        merged = np.array(list(near), dtype=np.int32).reshape(-1, 2)
        colour = objects.classes[_largest(objects.sizes(), merged)]
        noisy = objects.paint(colour)
        for one, other in merged:
            for box, core in _bands(boxes[one - 1], label.shape, reach_px):
                first, second = (np.sqrt(squared_distance(pieces[box] == n, reach_px)) for n in (one, other))
                gap = (label[box] == 0) & (first + second <= reach_px)
                noisy[box][core][gap[core]] = colour[one - 1]
        return noisy


def _near_pairs(pieces: Pieces, boxes: npt.NDArray[np.int32], reach_px: int) -> Iterator[tuple[int, int]]:
    """Give the pairs of object numbers, smaller first, whose pixels come within reach (touching corners count)."""
    for number, tight in enumerate(boxes, start=1):
        beside: set[int] = set()
        for box, core in _bands(tight, pieces.shape, max(reach_px, 2)):
            near = is_within(pieces[box] == number, max(reach_px, 2**0.5))
            beside.update(np.unique(pieces[box][core][near[core]]).tolist())
        yield from ((number, other) for other in sorted(beside) if other > number)


def _bands(
    tight: npt.NDArray[np.int32], shape: tuple[int, ...], margin: int
) -> Iterator[tuple[tuple[slice, ...], slice]]:
    """Give parts of the box with a margin around it: rows that see `margin` rows more, and which of them to answer for.

    A large object is worked in bounded memory so.
    """
    rows, *others = (
        slice(max(low - margin, 0), min(high + margin, length))
        for (low, high), length in zip(tight.tolist(), shape, strict=True)
    )
    line_pixels = prod(side.stop - side.start for side in others)
    height = max(BAND_PIXELS // line_pixels, 2 * margin)
    for start in range(rows.start, rows.stop, height):
        stop = min(start + height, rows.stop)
        first, last = max(start - margin, rows.start), min(stop + margin, rows.stop)
        yield (slice(first, last), *others), slice(start - first, stop - first)


def _largest(sizes: npt.NDArray[np.intp], pairs: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
    """Return for each object, from 0, the largest of those it is linked to by pairs of numbers from 1."""
    num = len(sizes)
    links = pairs.T - 1
    if not links.size:
        return np.arange(num)
    graph = csr_array((np.ones(links.shape[1], dtype=np.int8), tuple(links)), shape=(num, num))
    group = connected_components(graph, directed=False)[1]
    order = np.lexsort((np.arange(num), -sizes, group))
    groups = np.flatnonzero(np.diff(group[order], prepend=-1))
    largest: npt.NDArray[np.intp] = order[groups][group]
    return largest
