"""Means with a Gaussian window around every pixel, by the cosine transform: one that costs the same at any width."""

import numpy as np
import numpy.typing as npt
from scipy import fft

from metastructure.unsupervised.base import Grey

TRUNCATE = 4.0
"""The window ends at so many standard deviations, as that of scipy.ndimage does."""


class GaussianWindow:
    """`scipy.ndimage.gaussian_filter` of images of one size, mirrored at their edges.

    Parameters
    ----------
    shape : (H, W)
    scale_px : float
        Standard deviation.

    Notes
    -----
    An image mirrored at its edges is a sum of cosines, each of which a symmetric window only multiplies, with its own
    transform: the even Fourier series of period 2 H and 2 W. In float32, so values should be of the order of one.

    Examples
    --------
    >>> mean = GaussianWindow((1, 3), 0.5)
    >>> [f"{value:.3f}" for value in mean(np.array([[0, 1, 0]]))[0]]
    ['0.107', '0.787', '0.107']
    """

    def __init__(self, shape: tuple[int, ...], scale_px: float) -> None:
        H, W = (_transform_of_window(side, scale_px) for side in shape)
        self.gain = np.asarray(H[:, np.newaxis] * W, dtype=np.float32)

    def __call__(self, values: npt.ArrayLike) -> Grey:
        """Return the mean around every pixel of (H, W) values, float32."""
        coefficients = fft.dctn(np.asarray(values, dtype=np.float32), overwrite_x=False)
        return np.asarray(fft.idctn(coefficients * self.gain, overwrite_x=True))


def _transform_of_window(side: int, scale_px: float) -> npt.NDArray[np.float64]:
    radius = int(TRUNCATE * scale_px + 0.5)
    places = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (places / scale_px) ** 2)
    wrapped = np.bincount(places % (2 * side), weights=weights / weights.sum(), minlength=2 * side)
    return np.asarray(fft.rfft(wrapped).real[:side])
