"""Objects of a label: the connected pieces of each class, shared by the object and weak-annotation families.

Pieces are connected over edges and corners. Touching pieces of two classes are two objects; IGNORE is nobody's.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import label as label_pieces

from metastructure.label import LabelArray
from metastructure.noise.geometry import Mask


class LabelObject(NamedTuple):
    """One object: its class, the box around it, and which pixels of the box it holds."""

    klass: int
    box: tuple[slice, ...]
    inside: Mask

    def centre(self) -> npt.NDArray[np.float64]:
        """Return the mean position of its pixels, in rows and columns of the whole label."""
        corner = np.array([side.start for side in self.box])
        mean: npt.NDArray[np.float64] = np.argwhere(self.inside).mean(axis=0) + corner
        return mean

    def positions(self) -> npt.NDArray[np.intp]:
        """Return the positions (N, axes) of its pixels in the whole label, in row order."""
        found: npt.NDArray[np.intp] = np.argwhere(self.inside) + np.array([side.start for side in self.box])
        return found


def find_objects(label: LabelArray, num_classes: int, background: bool = False) -> list[LabelObject]:
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
    pieces, classes = number_objects(label, num_classes, background)
    boxes = ndimage.find_objects(pieces)
    return [
        LabelObject(int(klass), box, pieces[box] == number)
        for number, (klass, box) in enumerate(zip(classes[1:], boxes, strict=True), start=1)
    ]


def number_objects(
    label: LabelArray, num_classes: int, background: bool = False
) -> tuple[npt.NDArray[np.integer], LabelArray]:
    """Return an image of object numbers from 1 (0: no object), and the class of each number."""
    if num_classes == 2 and not background:  # the same numbers in a third of the time and a quarter of the memory
        pieces, num = ndimage.label(label == 1, np.ones((3,) * label.ndim))
        return pieces, np.array([0, *[1] * num], dtype=label.dtype)
    lift = 1 if background else 0
    known = np.where(label < num_classes, label.astype(np.int32) + lift, 0)
    pieces = label_pieces(known, background=0, connectivity=label.ndim)
    first = np.zeros(int(pieces.max()) + 1, dtype=label.dtype)
    first[pieces.reshape(-1)] = label.reshape(-1)
    return pieces, first
