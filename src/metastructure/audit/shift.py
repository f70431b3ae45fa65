"""Boundaries moved back by a known bias, with the objects counted before and after.

`C` classes, `H` rows, `W` columns, `D` slices. Objects are connected regions of the classes 1..C-1, class 0 is what
lies around them.
"""

from math import ceil, floor, sqrt
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from metastructure.label import LabelArray, check_label, count_classes
from metastructure.noise.boundary import grow_objects
from metastructure.noise.geometry import apply_in_bands, is_within


class ShiftedLabel(NamedTuple):
    """A label with moved boundaries, and what became of its objects.

    Attributes
    ----------
    label : array of the same shape and dtype
    radius_px : float
        The distance really used, signed; 0 if the shift was too small to reach a pixel.
    num_before, num_after : int
        Objects.
    num_vanished : int
        Objects of which no pixel is left.
    num_merged : int
        Objects that now share a region with another, less one for each such region.
    num_split : int
        Regions that objects fell apart into, beyond the first of each.
    """

    label: LabelArray
    radius_px: float
    num_before: int
    num_after: int
    num_vanished: int
    num_merged: int
    num_split: int


def shift_label(label: LabelArray, shift_px: float, num_classes: int | None = None) -> ShiftedLabel:
    """Return the label with the boundary of its objects moved outwards, or inwards where `shift_px` is negative.

    Parameters
    ----------
    label : (H, W) or (D, H, W) array of integers
        IGNORE stays, and neither grows nor eats.
    shift_px : float
        The negative of the bias: -1.5 for objects drawn 1.5 px too large.
    num_classes : int, optional
        C.

    Raises
    ------
    TypeError, ValueError
        If the label breaks the contract or the shift is not finite.

    Notes
    -----
    Outwards: pixels of class 0 within the distance of an object get the class of the nearest. Inwards: object pixels
    within the distance of class 0 become class 0. Boundaries between two objects that touch do not move. Pixel centres
    lie at distances 1, 1.41, 2, 2.24, ... only; the nearest of these to the shift is taken, 0 included: a shift of half
    a pixel or less changes nothing. In a volume the distance counts slices as pixels.

    A shift cannot know what was there: corners come back rounded, and what is thinner than the bias does not come back.

    Examples
    --------
    >>> shifted = shift_label(np.array([[1, 1, 1, 0, 0, 1, 0, 0, 1]]), -1)
    >>> shifted.label.tolist(), shifted.num_before, shifted.num_vanished
    ([[1, 1, 0, 0, 0, 0, 0, 0, 0]], 3, 2)
    """
    check_label(label, num_classes)
    if not np.isfinite(shift_px):
        raise ValueError(f"shift_px must be a finite number of pixels; got {shift_px:g}.")
    C = num_classes or count_classes(label)
    radius_px = nearest_distance_px(abs(shift_px), label.ndim)

    def move(band: LabelArray, _: int) -> LabelArray:
        if shift_px > 0:
            return grow_objects(band, C, radius_px)
        is_object = (band > 0) & (band < C)
        return np.where(is_object & is_within(band == 0, radius_px), 0, band).astype(band.dtype)

    moved = apply_in_bands(move, label, ceil(radius_px)) if radius_px else label.copy()
    return ShiftedLabel(moved, float(np.copysign(radius_px, shift_px)), *_count_objects(label, moved, C))


def nearest_distance_px(distance_px: float, num_axes: int = 2) -> float:
    """Return the distance between two pixel centres that is nearest to this one, the smaller of two; 0 is one too.

    Examples
    --------
    >>> [round(nearest_distance_px(distance), 2) for distance in (0.5, 0.6, 1.3, 2.0, 2.6)]
    [0.0, 1.0, 1.41, 2.0, 2.83]
    """
    squares = np.arange(floor(distance_px) + 2) ** 2
    sums = squares
    for _ in range(num_axes - 1):
        sums = np.unique(np.add.outer(sums, squares))
    return sqrt(min(sums.tolist(), key=lambda total: (abs(sqrt(total) - distance_px), total)))


def _count_objects(before: LabelArray, after: LabelArray, num_classes: int) -> tuple[int, int, int, int, int]:
    """Return the objects before and after, and how many vanished, merged and split, over the classes 1..C-1."""
    totals = np.zeros(5, dtype=np.int64)
    for klass in range(1, num_classes):
        old, num_old = ndimage.label(before == klass)
        new, num_new = ndimage.label(after == klass)
        both = (old > 0) & (new > 0)
        links = np.unique(old[both].astype(np.int64) * (num_new + 1) + new[both])
        into = np.bincount(links // (num_new + 1), minlength=num_old + 1)[1:]
        out_of = np.bincount(links % (num_new + 1), minlength=num_new + 1)[1:]
        merged, split = (int(np.maximum(counts - 1, 0).sum()) for counts in (out_of, into))
        totals += num_old, num_new, int((into == 0).sum()), merged, split
    num_before, num_after, vanished, merged, split = totals.tolist()
    return num_before, num_after, vanished, merged, split
