"""Take uneven light off an image, if there is any: what the split into object and background shows of it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu

from metastructure.unsupervised.base import Grey
from metastructure.unsupervised.scale import choose_smoothing
from metastructure.unsupervised.window import GaussianWindow

LIGHTS_PX = (16.0, 32.0, 64.0)
"""Standard deviations of the windows whose mean may be the light."""

BENEFIT = 1.2
"""How much steeper outlines must be without the light: it is left where it makes no difference."""

LEAST_KEPT = 0.5
"""What must be left of the sum of all rises."""


def even_out(grey: Grey, lights_px: Sequence[float] = LIGHTS_PX) -> Grey:
    """Return an image without uneven light, or as it is where that shows its objects as well; (H, W) float32.

    Parameters
    ----------
    grey : (H, W) float32 array of more than one value, from 0 to 1
    lights_px : sequence of float
        Standard deviations of Gaussian windows. The mean around each pixel in one of them is taken for the light.

    Notes
    -----
    Each version of the image, as it is and without one of the lights, is split by Otsu's threshold. The outline of
    objects runs along steep slopes, that between lighter and darker ground over gentle ones, so the version of the
    steepest outline counts, measured after smoothing, unless it is much shorter: without light the brightest object may
    be all that is left above the threshold. Objects wider than a window lose their inside with its mean; the outline
    then runs through flat noise. A black frame around a round field of view is an object by this rule.

    Examples
    --------
    How far the ground reaches between bars, on a ramp of light and without it:

    >>> rows, columns = np.mgrid[:64, :64]
    >>> bars = rows % 16 < 4
    >>> grey = np.asarray(columns / 80 + 0.2 * bars, dtype=np.float32)
    >>> [f"{np.ptp(image[~bars]):.1f}" for image in (grey, even_out(grey))]
    ['0.8', '0.3']
    """
    found, smoothing_px, least = grey, None, Outline(0.0, 0.0)
    for light_px in lights_px:
        light = GaussianWindow(grey.shape, light_px)(grey)
        even = grey - light + light.mean()
        if not np.ptp(even):
            continue
        if smoothing_px is None:
            smoothing_px = choose_smoothing(even)
            before = measure_outline(gaussian_filter(grey, smoothing_px))
            least = Outline(BENEFIT * before.rise, LEAST_KEPT * before.total)
        now = measure_outline(gaussian_filter(even, smoothing_px))
        if now.rise > least.rise and now.total > least.total:
            found, least = even, least._replace(rise=now.rise)
    return found


class Outline(NamedTuple):
    """The outline of an image's bright part.

    Attributes
    ----------
    rise : float
        From pixel to pixel across it, on average.
    total : float
        The sum of all rises, which grows with the outline's length.
    """

    rise: float
    total: float


def measure_outline(grey: Grey) -> Outline:
    """Return how steep the outline between the two sides of an image's Otsu threshold is; 0 where there are no two.

    Parameters
    ----------
    grey : (H, W) array

    Examples
    --------
    >>> measure_outline(np.array([[0.0, 0, 8, 8], [0, 0, 8, 8]], dtype=np.float32))
    Outline(rise=8.0, total=16.0)
    """
    if not np.ptp(grey):
        return Outline(0.0, 0.0)
    inside = grey > threshold_otsu(grey)
    rises = [np.abs(np.diff(grey, axis=axis))[np.diff(inside, axis=axis)] for axis in (0, 1)]
    across = np.concatenate(rises).astype(np.float64)
    return Outline(float(across.mean()), float(across.sum()))
