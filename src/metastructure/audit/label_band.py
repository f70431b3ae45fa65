"""The pixels near the boundaries of a label: how far on which side, which way is inward, whose boundary it is.

`H` rows, `W` columns, `P` pixels of the band, `C` classes. A boundary lies between two classes; inward is into the
higher of them, so into the object where the lower one is the background 0.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from metastructure.label import IGNORE, LabelArray, is_ignored

FloatArray = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

HALF_PIXEL = 0.5
"""A boundary lies midway between the centres of the pixels that it parts."""

SQUARED_SLOPES = (0.5, 1.5)
"""A signed distance has slope 1; elsewhere two boundaries are equally near, and there is no inward."""

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=np.int8)


class LabelBand(NamedTuple):
    """Pixels within reach of a boundary of a label.

    Attributes
    ----------
    place : (P,) array of int
        Flat positions in the image.
    depth_px : (P,) array of float
        Signed distance to the nearest boundary, in pixels, above 0 on the side of the higher class.
    inward : (P, 2) array of float
        Unit vector (row, column) along which the depth grows.
    pair : (P,) array of int
        ``low * C + high`` of the two classes.
    edge : (P,) array of int
        Number of the object of the higher class, times C, plus the lower class: pixels whose contrast is shared.
    """

    place: Index
    depth_px: FloatArray
    inward: FloatArray
    pair: Index
    edge: Index


def label_band(label: LabelArray, num_classes: int, reach_px: int) -> LabelBand:
    """Return the pixels of a label within `reach_px` of a boundary.

    Parameters
    ----------
    label : (H, W) array of integers
        Classes 0..C-1. IGNORE pixels are in no band and part no classes.
    num_classes : int
        C.
    reach_px : int, at least 1

    Notes
    -----
    Distances are Euclidean, between pixel centres, less half a pixel. Left out are pixels that are nearer to the
    image's edge or to IGNORE than to the boundary, since another boundary may hide there; those in the middle between
    two boundaries; and objects of which only one side is left by then, as of single pixels.

    Examples
    --------
    >>> band = label_band(np.array([[0, 0, 0, 1, 1, 1]] * 5), 2, 1)
    >>> [(int(place), float(depth)) for place, depth in zip(band.place, band.depth_px) if place // 6 == 2]
    [(14, -0.5), (15, 0.5)]
    >>> band.inward[0].tolist()
    [0.0, 1.0]
    """
    depth, other, pieces = _signed_distance(label, num_classes)
    slope_down, slope_right = _slopes(depth)
    squared = slope_down**2 + slope_right**2
    with np.errstate(invalid="ignore"):
        inside = (np.abs(depth) <= reach_px) & (squared > SQUARED_SLOPES[0]) & (squared < SQUARED_SLOPES[1])
        inside &= np.abs(depth) <= _distance_to_unknown(label) - HALF_PIXEL
    place = np.flatnonzero(inside)
    steep = np.sqrt(squared.reshape(-1)[place])
    inward = np.stack([slope.reshape(-1)[place] / steep for slope in (slope_down, slope_right)], axis=1)
    flat, nearest, numbers = label.reshape(-1).astype(np.intp), other.reshape(-1)[place], pieces.reshape(-1)
    own, across = flat[place], flat[nearest]
    low, high = np.minimum(own, across), np.maximum(own, across)
    edge = np.where(own == high, numbers[place], numbers[nearest]) * num_classes + low
    near = depth.reshape(-1)[place]
    sides = [np.bincount(edge[side], minlength=int(edge.max(initial=0)) + 1) > 0 for side in (near > 0, near < 0)]
    seen = (sides[0] & sides[1])[edge]
    return LabelBand(place[seen], near[seen], inward[seen], (low * num_classes + high)[seen], edge[seen])


def _signed_distance(label: LabelArray, num_classes: int) -> tuple[FloatArray, Index, Index]:
    """Return the depth (NaN where there is none), the flat place of the nearest other class, the object's number."""
    depth = np.full(label.shape, np.nan)
    other = np.zeros(label.shape, dtype=np.intp)
    pieces = np.zeros(label.shape, dtype=np.intp)
    known, num_pieces = ~is_ignored(label), 0
    for klass in range(num_classes):
        of_class = label == klass
        if not of_class.any():
            continue
        marked, num = ndimage.label(of_class, _EIGHT_NEIGHBOURS)
        pieces[of_class] = marked[of_class] + num_pieces
        num_pieces += num
        if (of_class == known).all():
            continue
        distance, nearest = ndimage.distance_transform_edt(of_class | ~known, return_indices=True)
        where = np.ravel_multi_index(tuple(nearest[:, of_class]), label.shape)
        other[of_class] = where
        side = np.where(label.reshape(-1)[where] < klass, 1.0, -1.0)
        depth[of_class] = side * (distance[of_class] - HALF_PIXEL)
    return depth, other, pieces


def _slopes(depth: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return central differences along rows and columns; NaN at the image's edge."""
    down, right = np.full_like(depth, np.nan), np.full_like(depth, np.nan)
    down[1:-1] = (depth[2:] - depth[:-2]) / 2
    right[:, 1:-1] = (depth[:, 2:] - depth[:, :-2]) / 2
    return down, right


def _distance_to_unknown(label: LabelArray) -> FloatArray:
    """Return the distance to the nearest pixel that is IGNORE or outside the image."""
    if (label == IGNORE).any():
        distance: FloatArray = ndimage.distance_transform_edt(np.pad(label != IGNORE, 1))[1:-1, 1:-1]
        return distance
    down, right = (np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1)) for size in label.shape)
    return np.minimum(down[:, None], right[None, :]).astype(np.float64)
