"""How much each pixel of an image looks like the inside of its label's objects, and how objects stand out around them.

`H` rows, `W` columns, `A` channels, `J` objects. Likeness is 0 at the median of class 0 and 1 at that of the objects.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from metastructure.audit.label_band import FloatArray, Index
from metastructure.audit.object_table import ObjectTable, mean_by_number
from metastructure.data.files import ImageArray
from metastructure.label import IGNORE, LabelArray

SIGMA_PX = 1.0
"""Of the smoothing that takes the noise of single pixels off the image."""

RING_PX = (1.5, 5.5)
"""From and to how far around an object its surroundings are taken: past the blurred edge, and near."""

LEAST_RING_PIXELS = 8
TINY = 1e-9


class Likeness(NamedTuple):
    """An image seen through its label.

    Attributes
    ----------
    value : (H, W) array
    distance : (H, W) array
        From each pixel to the nearest object, in pixels.
    nearest : (H, W) array of int
        Number of that object.
    """

    value: FloatArray
    distance: FloatArray
    nearest: Index


def measure_likeness(image: ImageArray, label: LabelArray, objects: ObjectTable) -> Likeness | None:
    """Return the likeness of each pixel; None if the label lacks class 0 or objects, or the two look the same.

    Notes
    -----
    Of colour the direction is Fisher's, of grey values the sign. Medians make it robust against objects that are
    missing from the label, as long as most are not.

    References
    ----------
    Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 1936.
    """
    inside, outside = (label > 0) & (label != IGNORE), label == 0
    if not outside.any() or not len(objects.klass):
        return None
    channels = np.atleast_3d(image).astype(np.float64)
    smooth = np.stack([ndimage.gaussian_filter(part, SIGMA_PX) for part in np.moveaxis(channels, -1, 0)], axis=-1)
    value = smooth @ _direction(smooth[inside], smooth[outside])
    low, high = float(np.median(value[outside])), float(np.median(value[inside]))
    if high - low <= TINY * max(1.0, float(np.abs(value).max())):
        return None
    distance, at = ndimage.distance_transform_edt(objects.number == 0, return_indices=True)
    return Likeness((value - low) / (high - low), distance, objects.number[tuple(at)])


def _direction(inside: FloatArray, outside: FloatArray) -> FloatArray:
    between = np.median(inside, axis=0) - np.median(outside, axis=0)
    if len(between) == 1:
        return np.sign(between)
    within = np.cov(inside.T) + np.cov(outside.T)
    within += np.eye(len(between)) * (TINY + 1e-6 * np.trace(within))
    direction: FloatArray = np.linalg.solve(within, inside.mean(axis=0) - outside.mean(axis=0))
    return direction


def contrasts(likeness: Likeness, label: LabelArray, objects: ObjectTable) -> FloatArray:
    """Return the mean likeness inside each object less that of class 0 around it, (J,); NaN where little is around."""
    inside = objects.mean(likeness.value)
    ring = (label == 0) & (likeness.distance > RING_PX[0]) & (likeness.distance <= RING_PX[1])
    near = likeness.nearest[ring]
    around = mean_by_number(near, likeness.value[ring], len(inside))
    around[np.bincount(near, minlength=len(inside) + 1)[1:] < LEAST_RING_PIXELS] = np.nan
    return inside - around
