"""Where two labels of one image draw the boundaries of their objects, and which objects only one of them holds.

`H` rows, `W` columns, `C` classes, `B` places on a boundary. Objects are the classes 1..C-1 together against class 0; a
place on a boundary lies between an object's pixel and one of class 0 beside it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from metastructure.audit.label_band import HALF_PIXEL, FloatArray, Index
from metastructure.audit.object_table import ObjectTable, find_object_table
from metastructure.audit.speckle import remove_speckle
from metastructure.label import IGNORE, LabelArray

REACH_PX = 8.0
"""Boundaries further apart than this belong to different objects."""

MATCHED_SHARE = 0.1
"""Share of an object's pixels that the other label must hold of its class: an object of 3 x 3 eroded to its centre is
still there."""


class Outline(NamedTuple):
    """One label without random pixels, seen by its boundaries.

    Attributes
    ----------
    label : (H, W)
    depth_px : (H, W) array of float
        Signed distance to the boundary, above 0 in objects; NaN where the label is IGNORE, or holds no boundary.
    inside, outside : (B,) arrays of int
        Flat places of the two pixels at each place of the boundary.
    objects : ObjectTable
    """

    label: LabelArray
    depth_px: FloatArray
    inside: Index
    outside: Index
    objects: ObjectTable


class Difference(NamedTuple):
    """One label against another.

    Attributes
    ----------
    shift_px, num_shifted : float
        Mean distance by which the boundaries of the first lie outside those of the second, 0 without any, and the
        places that say so.
    distance_px, num_places : float
        Mean distance of all boundaries, both ways, 0 without any, and their number.
    num_missed, num_expected : int
        Objects of the second that the first left out, of how many.
    num_added, num_drawn : int
        Objects of the first that the second does not hold, of how many.
    """

    shift_px: float
    num_shifted: float
    distance_px: float
    num_places: float
    num_missed: int
    num_expected: int
    num_added: int
    num_drawn: int


def find_outline(label: LabelArray, num_classes: int) -> Outline | None:
    """Return the boundaries and objects of an (H, W) label; None if too many of its pixels are random."""
    calm, smoothing_px = remove_speckle(label, num_classes)
    if np.isinf(smoothing_px):
        return None
    known = calm != IGNORE
    is_object, is_background = (calm > 0) & known, calm == 0
    depth: FloatArray = np.full(calm.shape, np.nan)
    if is_object.any() and is_background.any():
        depth[is_object] = ndimage.distance_transform_edt(~is_background)[is_object] - HALF_PIXEL
        depth[is_background] = HALF_PIXEL - ndimage.distance_transform_edt(~is_object)[is_background]
    inside, outside = _find_places(is_object, is_background)
    return Outline(calm, depth, inside, outside, find_object_table(calm, num_classes))


def compare_outlines(first: Outline, second: Outline) -> Difference:
    """Return how the first differs from the second; what either holds as IGNORE has no say.

    Examples
    --------
    The first draws the left object larger by a pixel on each side, and leaves the right one out.

    >>> first, second = np.zeros((2, 40, 60), dtype=np.uint8)
    >>> first[9:21, 9:21] = 1
    >>> second[10:20, 10:20] = second[10:20, 40:50] = 1
    >>> found = compare_outlines(find_outline(first, 2), find_outline(second, 2))
    >>> round(found.shift_px, 1), found.num_missed, found.num_expected, found.num_added, found.num_drawn
    (1.0, 1, 2, 0, 1)
    """
    missed, num_expected = _find_unmatched(second, first)
    added, num_drawn = _find_unmatched(first, second)
    shifts, distances = [], []
    for here, there, unmatched, sign in ((first, second, added, -1), (second, first, missed, 1)):
        depth = _depth_at(here, there)
        distances.append(np.abs(depth[~np.isnan(depth)]))
        number = here.objects.number.reshape(-1)[here.inside]
        paired = (np.abs(depth) <= REACH_PX) & (number > 0) & ~np.isin(number, unmatched)
        shifts.append(sign * depth[paired])
    every = np.concatenate(distances)
    return Difference(
        shift_px=sum(float(part.mean()) for part in shifts) / 2 if all(map(len, shifts)) else 0.0,
        num_shifted=sum(map(len, shifts)) / 2 if all(map(len, shifts)) else 0.0,
        distance_px=float(every.mean()) if len(every) else 0.0,
        num_places=len(every) / 2,
        num_missed=len(missed),
        num_expected=num_expected,
        num_added=len(added),
        num_drawn=num_drawn,
    )


def _find_places(is_object: npt.NDArray[np.bool_], is_background: npt.NDArray[np.bool_]) -> tuple[Index, Index]:
    place = np.arange(is_object.size).reshape(is_object.shape)
    inside, outside = [], []
    for axis in (0, 1):
        size = is_object.shape[axis]
        before, after = (np.take(place, range(*part), axis=axis).ravel() for part in ((0, size - 1), (1, size)))
        for here, there in ((before, after), (after, before)):
            meets = is_object.reshape(-1)[here] & is_background.reshape(-1)[there]
            inside.append(here[meets])
            outside.append(there[meets])
    return np.concatenate(inside), np.concatenate(outside)


def _depth_at(here: Outline, there: Outline) -> FloatArray:
    """Return the depth in `there` of the places on the boundary of `here`, (B,); NaN where it is not known."""
    depth = there.depth_px.reshape(-1)
    return np.asarray((depth[here.inside] + depth[here.outside]) / 2)


def _find_unmatched(here: Outline, there: Outline) -> tuple[Index, int]:
    """Return the numbers of the objects of `here` that `there` does not hold, and how many it could hold."""
    table = here.objects
    known = there.label != IGNORE
    own_class = np.concatenate([[-1], table.klass])[table.number]
    share = table.mean((there.label == own_class).astype(np.float64), known)
    seen = ~np.isnan(share)
    return np.flatnonzero(seen & (np.nan_to_num(share) < MATCHED_SHARE)) + 1, int(seen.sum())
