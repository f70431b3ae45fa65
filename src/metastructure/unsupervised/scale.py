"""What an image says of itself: how much noise is in its pixels, how wide the things in it are.

`H` rows, `W` columns. All rules see one grey image and nothing else: no label, no data set, no other image.
"""

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage
from skimage.filters import threshold_otsu

from metastructure.unsupervised.base import Grey

MAX_NOISE = 0.1
"""Noise that smoothing leaves, as a part of the contrast between object and background."""

SMOOTHING_PX = (0.0, 0.7, 1.0, 1.4, 2.0, 2.8)

STEPS_PER_OCTAVE = 4
LARGEST_SHARE = 1 / 16
"""Of the shorter side: the largest scale looked for. Wider things can hardly be told from uneven lighting."""

BAND = 2.0
"""The band of a scale s reaches from s / BAND to s * BAND: two octaves. A Gaussian of s * BAND
takes in the surroundings of things of that scale."""

_ROUGHNESS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float64)
_NORMAL_QUARTILE = 0.6745


def estimate_noise(grey: Grey) -> float:
    """Return the standard deviation of the white noise in an image, in its own units.

    Parameters
    ----------
    grey : (H, W) array

    Notes
    -----
    The median of ``|image * N| / 6`` over the pixels, divided by the third quartile of a standard normal, with N the
    difference of two Laplacians, which sees no plane and no straight edge along an axis. Immerkær takes the mean; the
    median is not moved by the few pixels at edges. Noise blurred by the optics or by compression is under-estimated,
    and an image less than 3 px wide gives 0.

    References
    ----------
    Immerkær, "Fast noise variance estimation", Computer Vision and Image Understanding 64 (1996).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> round(estimate_noise(np.arange(100.0) + rng.normal(0, 3, (100, 100))))
    3
    """
    if min(grey.shape) < 3:
        return 0.0
    rough = ndimage.convolve(np.asarray(grey, dtype=np.float64), _ROUGHNESS)[1:-1, 1:-1] / 6
    return float(np.median(np.abs(rough)) / _NORMAL_QUARTILE)


def choose_smoothing(grey: Grey) -> float:
    """Return the least of SMOOTHING_PX that brings the noise of an image under MAX_NOISE of its contrast.

    Parameters
    ----------
    grey : (H, W) array of more than one value
        Contrast is the distance between the means on both sides of its Otsu threshold.
    """
    inside = grey > threshold_otsu(grey)
    contrast = float(grey[inside].mean() - grey[~inside].mean())
    noise = estimate_noise(grey)
    for smoothing_px in SMOOTHING_PX:
        left = noise if smoothing_px == 0 else noise * min(1.0, 1 / (2 * np.sqrt(np.pi) * smoothing_px))
        if left < MAX_NOISE * contrast:
            return smoothing_px
    return SMOOTHING_PX[-1]


def estimate_scale(grey: Grey) -> float:
    """Return the scale, in px, at which an image varies most: about a blob's radius / 1.4 or half a tube's width.

    Parameters
    ----------
    grey : (H, W) array

    Returns
    -------
    float
        A standard deviation of a Gaussian, between 1 and a sixteenth of the shorter side (1 for smaller images).

    Notes
    -----
    The scale whose band, the difference of Gaussians of standard deviations ``scale / 2`` and ``2 scale``, holds the
    most energy once that of white noise (see `estimate_noise`) is taken off. The largest response over scales, as
    proposed by Lindeberg, for the image as a whole instead of pixel by pixel. All bands come from one cosine transform,
    in which Gaussians are products (images mirrored at their edges).

    References
    ----------
    Lindeberg, "Feature detection with automatic scale selection", International Journal of Computer Vision 30 (1998).
    """
    largest = max(1.0, LARGEST_SHARE * min(grey.shape))
    scales = 2 ** np.arange(0, np.log2(largest) + 1e-9, 1 / STEPS_PER_OCTAVE)
    power = fft.dctn(np.asarray(grey, dtype=np.float64), norm="ortho") ** 2 / grey.size
    noise = estimate_noise(grey) ** 2 / grey.size
    gains = (gaussian_gain(grey.shape, s / BAND) - gaussian_gain(grey.shape, s * BAND) for s in scales)
    energies = [float((gain**2 * (power - noise)).sum()) for gain in gains]
    return float(scales[int(np.argmax(energies))])


def gaussian_gain(shape: tuple[int, ...], sigma_px: float) -> npt.NDArray[np.float64]:
    """Return what a Gaussian multiplies each coefficient of the cosine transform with, (H, W) in (0, 1]."""
    rows, columns = (np.exp(-0.5 * (sigma_px * np.pi * np.arange(n) / n) ** 2) for n in shape)
    return np.asarray(rows[:, None] * columns)


def between_gaussians(grey: Grey, small_px: float, large_px: float) -> npt.NDArray[np.float64]:
    """Return the difference of two Gaussians of an image mirrored at its edges, (H, W)."""
    gain = gaussian_gain(grey.shape, small_px) - gaussian_gain(grey.shape, large_px)
    coefficients = fft.dctn(np.asarray(grey, dtype=np.float64), norm="ortho")
    return np.asarray(fft.idctn(coefficients * gain, norm="ortho"))
