"""Parts of the background that look like the objects of their image and are as large: objects nobody drew.

`H` rows, `W` columns, `J` objects. The count is held against its mirror image: parts of the background that differ from
it as much, the other way. What noise and texture give looks either way alike; objects that were left out do not.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from metastructure.audit.label_band import FloatArray
from metastructure.audit.likeness import RING_PX, Likeness
from metastructure.audit.object_table import LEAST_AREA_PX, ObjectTable, mean_by_number, table_of
from metastructure.label import LabelArray

HALF_WAY = 0.5
"""Pixels count as inside from half way between their surroundings and what faint objects of the image have."""

FAINT, SMALL, LARGE = 0.25, 0.1, 0.9
"""Quantiles over the objects of the image: of their level, and of their area and width."""

AREA_FACTOR, WIDTH_FACTOR = 2.0, 1.5
AWAY_PX, RIM_PX = 2.5, 4.5
"""Nearer than the first to an object, pixels belong to its blurred edge; a part that mostly lies nearer than the second
is a rim: the rest of an object whose boundary is drawn too far in."""

LEAST_SIGMA_PX = 6.0


class MissingObjects(NamedTuple):
    """What may be missing from a label, and how much is found by chance.

    Attributes
    ----------
    table : ObjectTable
        Of the candidates.
    score : (number of candidates,) array
        Level over the mean level of the image's objects, at most 1.
    num_mirrored : int
        Candidates of the opposite contrast.
    """

    table: ObjectTable
    score: FloatArray
    num_mirrored: int


def find_missing(
    likeness: Likeness, label: LabelArray, objects: ObjectTable, contrast: FloatArray
) -> MissingObjects | None:
    """Return the candidates of one image; None where no object stands out, so that nothing is known to look for.

    Parameters
    ----------
    contrast : (J,) array
        Of the objects, see `contrasts`. Those without any are not what missing objects look like.

    Notes
    -----
    The level of a pixel is its likeness less that of the plain background around it: class 0 without what has a level
    of its own at the first try.
    """
    background = label == 0
    sigma_px = max(LEAST_SIGMA_PX, float(np.sqrt(np.median(objects.area))))
    level, plain = likeness.value, background
    for _ in range(2):
        level = likeness.value - _smooth_over(likeness.value, plain, sigma_px)
        own = objects.mean(level)
        real = (contrast > 0) & (own > 0)
        if not real.any():
            return None
        threshold = HALF_WAY * float(np.quantile(own[real], FAINT))
        plain = background & (np.abs(level) <= threshold)
    least_contrast = HALF_WAY * float(np.quantile(contrast[real], FAINT))
    small, large = np.quantile(objects.area[real], [SMALL, LARGE])
    narrow, wide = np.quantile(_widths(objects)[real], [SMALL, LARGE])
    found = []
    for sign in (1, -1):
        pieces, num = ndimage.label((sign * level > threshold) & background & (likeness.distance > AWAY_PX))
        table = table_of(pieces.astype(np.intp), np.full(num, -1))
        stands_out = sign * _contrast_around(likeness.value, plain, table) >= least_contrast
        is_rim = table.mean((likeness.distance < RIM_PX).astype(np.float64)) > HALF_WAY
        width = _widths(table)
        fits = (width >= narrow / WIDTH_FACTOR) & (width <= wide * WIDTH_FACTOR)
        fits &= (table.area >= max(LEAST_AREA_PX, small / AREA_FACTOR)) & (table.area <= large * AREA_FACTOR)
        found.append((table, np.flatnonzero(stands_out & ~is_rim & fits)))
    (table, kept), (_, mirrored) = found
    score = np.minimum(1.0, table.mean(level)[kept] / float(np.mean(own[real])))
    chosen = ObjectTable(table.number, table.klass[kept], table.area[kept], table.box[kept], table.centre[kept])
    return MissingObjects(chosen, score, len(mirrored))


def _widths(table: ObjectTable) -> FloatArray:
    """Return the largest distance of a pixel of each object from outside it, in pixels."""
    depth = ndimage.distance_transform_edt(table.number > 0)
    return np.asarray(ndimage.maximum(depth, table.number, np.arange(1, len(table.klass) + 1)), dtype=np.float64)


def _contrast_around(value: FloatArray, plain: np.ndarray, table: ObjectTable) -> FloatArray:
    """Return the mean inside each candidate less that of the plain background around it; NaN if there is none."""
    if not len(table.klass):
        return np.zeros(0)
    distance, at = ndimage.distance_transform_edt(table.number == 0, return_indices=True)
    ring = plain & (distance > RING_PX[0]) & (distance <= RING_PX[1])
    around = mean_by_number(table.number[tuple(at)][ring], value[ring], len(table.klass))
    contrast: FloatArray = table.mean(value) - around
    return contrast


def _smooth_over(value: FloatArray, known: np.ndarray, sigma_px: float) -> FloatArray:
    """Return the Gaussian mean of the known pixels around each pixel; 0 far from all of them."""
    total, weight = (
        ndimage.gaussian_filter(part, sigma_px, mode="nearest", truncate=3.0)
        for part in (np.where(known, value, 0.0), known.astype(np.float64))
    )
    mean: FloatArray = np.divide(total, weight, out=np.zeros_like(total), where=weight > 1e-3)
    return mean
