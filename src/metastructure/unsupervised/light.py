"""Take uneven light off an image, if there is any: what the split into object and background shows of it."""

from collections.abc import Sequence

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
    steepest outline counts, measured after smoothing. Objects wider than a window lose their inside with its mean; the
    outline then runs through flat noise. A black frame around a round field of view is an object by this rule.

    Examples
    --------
    How far the ground reaches between bars, on a ramp of light and without it:

    >>> rows, columns = np.mgrid[:64, :64]
    >>> bars = rows % 16 < 4
    >>> grey = np.asarray(columns / 80 + 0.2 * bars, dtype=np.float32)
    >>> [f"{np.ptp(image[~bars]):.1f}" for image in (grey, even_out(grey))]
    ['0.8', '0.3']
    """
    found, steepest, smoothing_px = grey, 0.0, None
    for light_px in lights_px:
        light = GaussianWindow(grey.shape, light_px)(grey)
        even = grey - light + light.mean()
        if not np.ptp(even):
            continue
        if smoothing_px is None:
            smoothing_px = choose_smoothing(even)
            steepest = BENEFIT * steepness(_smooth(grey, smoothing_px))
        now = steepness(_smooth(even, smoothing_px))
        if now > steepest:
            found, steepest = even, now
    return found


def _smooth(grey: Grey, smoothing_px: float) -> Grey:
    return np.asarray(gaussian_filter(grey, smoothing_px)) if smoothing_px else grey


def steepness(grey: Grey) -> float:
    """Return how much an image rises from pixel to pixel across the outline of its bright part, on average.

    Parameters
    ----------
    grey : (H, W) array

    Examples
    --------
    >>> steepness(np.array([[0.0, 0, 8, 8], [0, 0, 8, 9]], dtype=np.float32))
    8.0
    """
    if not np.ptp(grey):
        return 0.0
    inside = grey > threshold_otsu(grey)
    rises = [np.abs(np.diff(grey, axis=axis))[np.diff(inside, axis=axis)] for axis in (0, 1)]
    return float(np.concatenate(rises).mean(dtype=np.float64))
