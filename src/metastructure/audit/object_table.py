"""The objects of one label in arrays: where they are, how large, how they fill their boxes.

`H` rows, `W` columns, `C` classes, `J` objects: connected pieces, over edges and corners, of the classes 1..C-1.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from metastructure.audit.label_band import FloatArray, Index
from metastructure.label import IGNORE, LabelArray

LEAST_AREA_PX = 9
"""Smaller pieces are not called objects: three by three pixels are the least that has an inside."""

MOST_OBJECTS = 2000
"""Of one label; the largest are kept. It bounds what is remembered of an image."""

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=np.int8)


class ObjectTable(NamedTuple):
    """The objects of a label.

    Attributes
    ----------
    number : (H, W) array of int
        0 where there is no object, else 1..J.
    klass, area : (J,) arrays of int
    box : (J, 4) array of int
        First row, first column, last row + 1, last column + 1.
    centre : (J, 2) array of float
    """

    number: Index
    klass: Index
    area: Index
    box: Index
    centre: FloatArray

    def mean(self, values: FloatArray, where: npt.NDArray[np.bool_] | None = None) -> FloatArray:
        """Return the mean of an (H, W) array over each object, (J,); NaN where `where` leaves nothing."""
        inside = self.number > 0 if where is None else (self.number > 0) & where
        return mean_by_number(self.number[inside], values[inside], len(self.klass))


def find_object_table(label: LabelArray, num_classes: int) -> ObjectTable:
    """Return the objects of an (H, W) label with at least `LEAST_AREA_PX` pixels.

    Examples
    --------
    >>> table = find_object_table(np.pad(np.full((3, 4), 2), 1), 3)
    >>> table.klass.tolist(), table.area.tolist(), table.box.tolist(), table.centre.tolist()
    ([2], [12], [[1, 1, 4, 5]], [[2.0, 2.5]])
    """
    pieces, klass = np.zeros(label.shape, dtype=np.intp), list[int]()
    for one in range(1, num_classes):
        marked, num = ndimage.label(label == one, EIGHT_NEIGHBOURS)
        inside = marked > 0
        pieces[inside] = marked[inside] + len(klass)
        klass += [one] * num
    return table_of(pieces, np.array(klass, dtype=np.intp))


def table_of(pieces: Index, klass: Index) -> ObjectTable:
    """Return the table of the numbered pieces that are large enough."""
    sizes = np.bincount(pieces.reshape(-1), minlength=len(klass) + 1)
    kept = np.flatnonzero(sizes[1:] >= LEAST_AREA_PX) + 1
    if len(kept) > MOST_OBJECTS:
        kept = np.sort(kept[np.argsort(-sizes[kept], kind="stable")[:MOST_OBJECTS]])
    renumber = np.zeros(len(klass) + 1, dtype=np.intp)
    renumber[kept] = np.arange(1, len(kept) + 1)
    number: Index = renumber[pieces]
    found = ndimage.find_objects(number, max_label=len(kept))
    box = np.array([[r.start, c.start, r.stop, c.stop] for r, c in found], dtype=np.intp).reshape(-1, 4)
    row, column = np.nonzero(number)
    of = number[row, column]
    centre = np.stack([mean_by_number(of, part.astype(np.float64), len(kept)) for part in (row, column)], axis=1)
    return ObjectTable(number, klass[kept - 1], sizes[kept], box, centre)


def mean_by_number(number: Index, values: FloatArray, num: int) -> FloatArray:
    """Return the mean of the values of each number 1..num, NaN where there is none."""
    count = np.bincount(number, minlength=num + 1)[1:]
    total = np.bincount(number, values, minlength=num + 1)[1:]
    mean: FloatArray = np.divide(total, count, out=np.full(num, np.nan), where=count > 0)
    return mean


def is_inner(label: LabelArray) -> npt.NDArray[np.bool_]:
    """Return True for pixels whose four neighbours hold their class, or are unknown or outside the image.

    Examples
    --------
    >>> is_inner(np.array([[1, 1, 0], [1, 1, 0]])).astype(int).tolist()
    [[1, 0, 0], [1, 0, 0]]
    """
    inner = np.ones(label.shape, dtype=bool)
    for axis in (0, 1):
        size = label.shape[axis]
        first, second = (np.take(label, range(*part), axis=axis) for part in ((0, size - 1), (1, size)))
        apart = (first != second) & (first != IGNORE) & (second != IGNORE)
        before: list[slice] = [slice(None), slice(None)]
        after = before.copy()
        before[axis], after[axis] = slice(0, size - 1), slice(1, size)
        inner[tuple(before)] &= ~apart
        inner[tuple(after)] &= ~apart
    return inner
