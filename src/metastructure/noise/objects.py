"""Objects of a label: the connected pieces of each class, shared by the object and weak-annotation families.

Pieces are connected over edges and corners. Touching pieces of two classes are two objects; IGNORE is nobody's.
Objects are kept as runs, the stretches of one class within a row: a few bytes per run, whatever its length.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from metastructure.label import LabelArray
from metastructure.noise.geometry import BAND_PIXELS, Mask

PIECE_RUNS = 1 << 14
"""Runs compared with their neighbours at a time."""

FlatIndex = npt.NDArray[np.signedinteger[Any]]


class LabelObject(NamedTuple):
    """One object: its class, the box around it, and which pixels of the box it holds."""

    klass: int
    box: tuple[slice, ...]
    inside: Mask

    def centre(self) -> npt.NDArray[np.float64]:
        """Return the mean position of its pixels, in rows and columns of the whole label."""
        axes = range(self.inside.ndim)
        counts = [self.inside.sum(axis=tuple(other for other in axes if other != axis)) for axis in axes]
        return np.array(
            [
                count @ np.arange(len(count)) / count.sum() + side.start
                for count, side in zip(counts, self.box, strict=True)
            ]
        )

    def positions(self) -> npt.NDArray[np.intp]:
        """Return the positions (N, axes) of its pixels in the whole label, in row order."""
        found: npt.NDArray[np.intp] = np.argwhere(self.inside) + np.array([side.start for side in self.box])
        return found


@dataclass(frozen=True)
class LabelObjects:
    """The objects of a label in the order in which a scan row by row meets them, each made when it is asked for.

    Attributes
    ----------
    shape : tuple of int
        Shape of the label.
    classes : (N,) array
        Class of each object.
    start, stop : (R,) arrays
        Flat positions of the first pixel of each run and of the pixel after its last; object by object, in row order.
    first_run : (N + 1,) array
        Object i holds the runs ``first_run[i]`` to ``first_run[i + 1] - 1``.
    """

    shape: tuple[int, ...]
    classes: LabelArray
    start: FlatIndex
    stop: FlatIndex
    first_run: npt.NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[LabelObject]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> LabelObject:
        runs = slice(*self.first_run[[number, number + 1]])
        start, stop = self.start[runs], self.stop[runs]
        column = start % self.shape[-1]
        lines = np.unravel_index(start // self.shape[-1], self.shape[:-1])
        ends = [(int(line.min()), int(line.max()) + 1) for line in lines]
        left, right = int(column.min()), int((column + stop - start).max())
        sizes = [high - low for low, high in ends]
        line = np.ravel_multi_index(tuple(line - low for line, (low, _) in zip(lines, ends, strict=True)), tuple(sizes))
        width = right - left + 1  # one more than the box, so that no run begins where another ends
        steps = np.zeros(int(np.prod(sizes)) * width, dtype=np.int8)
        begin = line * width + column - left
        steps[begin] = 1
        steps[begin + stop - start] = -1
        inside: Mask = np.cumsum(steps, dtype=np.int8, out=steps).view(np.bool_).reshape(*sizes, width)[..., :-1]
        return LabelObject(int(self.classes[number]), tuple(slice(*end) for end in [*ends, (left, right)]), inside)

    def sizes(self) -> npt.NDArray[np.intp]:
        """Return the number of pixels of each object."""
        pixels = np.concatenate([[0], np.cumsum(self.stop - self.start, dtype=np.intp)])
        size: npt.NDArray[np.intp] = np.diff(pixels[self.first_run])
        return size

    def boxes(self) -> npt.NDArray[np.intp]:
        """Return the first row and column of each object and those after its last, as (N, axes, 2)."""
        if not len(self):
            return np.empty((0, len(self.shape), 2), dtype=np.intp)
        first = self.first_run[:-1]
        column = self.start % self.shape[-1]
        low = [*np.unravel_index(self.start // self.shape[-1], self.shape[:-1]), column]
        high = [*low[:-1], column + (self.stop - self.start) - 1]
        ends = [
            (np.minimum.reduceat(one, first), np.maximum.reduceat(other, first) + 1)
            for one, other in zip(low, high, strict=True)
        ]
        return np.array(ends, dtype=np.intp).transpose(2, 0, 1)

    def paint(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return an image with one value per object, and 0 where there is none."""
        colours = np.repeat(values, np.diff(self.first_run))
        order = np.argsort(self.start)
        image = np.zeros(self.shape, dtype=values.dtype)
        for first in range(0, len(order), PIECE_RUNS):
            runs = order[first : first + PIECE_RUNS]
            ends = np.stack([self.start[runs], self.stop[runs]], axis=1).reshape(-1)
            painted = np.zeros(len(ends) - 1, dtype=values.dtype)
            painted[::2] = colours[runs]  # and 0 between the runs
            image.reshape(-1)[ends[0] : ends[-1]] = np.repeat(painted, np.diff(ends))
        return image


def find_objects(label: LabelArray, num_classes: int, background: bool = False) -> LabelObjects:
    """Return the objects of a label, in the order in which a scan row by row meets them.

    Parameters
    ----------
    label : (H, W) or (D, H, W) array of integers
        Classes 0..C-1; IGNORE belongs to no object.
    num_classes : int
        C.
    background : bool
        True counts the pieces of class 0 as objects too.

    Examples
    --------
    >>> found = find_objects(np.array([[1, 0, 2], [1, 2, 0]]), 3)
    >>> [(piece.klass, int(piece.inside.sum())) for piece in found]
    [(1, 2), (2, 2)]
    """
    start, stop, classes = _find_runs(label, num_classes, 0 if background else 1)
    num, number = _connect_runs(start, stop, classes, label.shape)
    order = np.argsort(number, kind="stable")
    first_run = np.concatenate([[0], np.cumsum(np.bincount(number, minlength=num))])
    return LabelObjects(label.shape, classes[order[first_run[:-1]]], start[order], stop[order], first_run)


def number_objects(
    label: LabelArray, num_classes: int, background: bool = False
) -> tuple[npt.NDArray[np.integer], LabelArray]:
    """Return an image of object numbers from 1 (0: no object), and the class of each number."""
    objects = find_objects(label, num_classes, background)
    numbers = np.arange(1, len(objects) + 1, dtype=np.min_scalar_type(len(objects)))
    return objects.paint(numbers), np.concatenate([np.zeros(1, dtype=label.dtype), objects.classes])


def expand_runs(start: npt.NDArray[Any], length: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Return the numbers from each start on, as many as its length says, one run after another.

    Examples
    --------
    >>> expand_runs(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(length)
    positions: npt.NDArray[np.intp] = np.repeat(start - ends + length, length)
    positions += np.arange(len(positions))
    return positions


def _find_runs(label: LabelArray, num_classes: int, lowest: int) -> tuple[FlatIndex, FlatIndex, LabelArray]:
    """Return the flat start and stop of the runs of classes from `lowest` on, in row order, and their classes."""
    index_type = np.int32 if label.size < 1 << 31 else np.int64
    lines = label.reshape(-1, label.shape[-1])
    height = max(1, BAND_PIXELS // label.shape[-1])
    parts = []
    for top in range(0, len(lines), height):
        band = lines[top : top + height]
        begins = np.ones(band.shape, dtype=np.bool_)
        np.not_equal(band[:, 1:], band[:, :-1], out=begins[:, 1:])
        parts.append((np.flatnonzero(begins) + top * label.shape[-1]).astype(index_type))
    start = np.concatenate(parts)
    classes = label.reshape(-1)[start]
    kept = (classes >= lowest) & (classes < num_classes)
    return start[kept], np.append(start[1:], index_type(label.size))[kept], classes[kept]


def _connect_runs(
    start: FlatIndex, stop: FlatIndex, classes: LabelArray, shape: tuple[int, ...]
) -> tuple[int, npt.NDArray[np.int32]]:
    """Return how many objects the runs form over edges and corners, and the number of each run's object from 0."""
    if not len(start):
        return 0, np.empty(0, dtype=np.int32)
    pairs = [
        _pair_runs(start, stop, classes, shape, slice(first, first + PIECE_RUNS))
        for first in range(0, len(start), PIECE_RUNS)
    ]
    ones, others = (np.concatenate(side) for side in zip(*pairs, strict=True))
    graph = csr_array((np.ones(len(ones), dtype=np.int8), (ones, others)), shape=(len(start),) * 2)
    del pairs, ones, others
    num, number = connected_components(graph, directed=False)  # numbered in the order of their first run
    return int(num), number


def _pair_runs(
    start: FlatIndex, stop: FlatIndex, classes: LabelArray, shape: tuple[int, ...], chosen: slice
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return each chosen run with the runs of its class that it touches on lines before its own."""
    width = shape[-1]
    line = start[chosen] // width
    left, right = np.maximum(start[chosen] - 1, line * width), np.minimum(stop[chosen], (line + 1) * width - 1)
    axes = np.unravel_index(line, shape[:-1])
    steps = (1,) if len(shape) == 2 else (shape[1], 1)  # lines from one row, or slice, to the next
    run = np.arange(len(start), dtype=np.int32)[chosen]
    pairs = []
    for offset in product((-1, 0, 1), repeat=len(axes)):
        if offset >= (0,) * len(offset):
            continue  # these look back at this line
        exists = np.ones(len(run), dtype=np.bool_)
        for index, step, length in zip(axes, offset, shape[:-1], strict=True):
            exists &= (index + step >= 0) & (index + step < length)
        shift = width * sum(step * lines for step, lines in zip(offset, steps, strict=True))
        first = np.searchsorted(stop, left + shift, side="right")
        count = np.where(exists, np.searchsorted(start, right + shift, side="right") - first, 0)
        one, other = np.repeat(run, count), expand_runs(first, count).astype(np.int32)
        same = classes[one] == classes[other]
        pairs.append((one[same], other[same]))
    ones, others = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return ones, others
