"""Means with a Gaussian window around every pixel, by the cosine transform: one that costs the same at any width."""

import numpy as np
import numpy.typing as npt
from scipy import fft

from metastructure.unsupervised.base import Grey
from metastructure.unsupervised.scale import gaussian_gain


class GaussianWindow:
    """Gaussian filter of images of one size, mirrored at their edges.

    Parameters
    ----------
    shape : (H, W)
    scale_px : float
        Standard deviation. Below about 1.5 the window differs from a Gaussian sampled at the pixels.

    Notes
    -----
    An image mirrored at its edges is a sum of cosines, each of which a symmetric window only multiplies. In float32,
    so values should be of the order of one.

    Examples
    --------
    >>> mean = GaussianWindow((1, 3), 0.8)
    >>> [f"{value:.3f}" for value in mean(np.array([[0, 1, 0]]))[0]]
    ['0.251', '0.497', '0.251']
    """

    def __init__(self, shape: tuple[int, ...], scale_px: float) -> None:
        self.gain = gaussian_gain(shape, scale_px).astype(np.float32)

    def __call__(self, values: npt.ArrayLike) -> Grey:
        """Return the mean around every pixel of (H, W) values, float32."""
        coefficients = fft.dctn(np.asarray(values, dtype=np.float32))
        return np.asarray(fft.idctn(coefficients * self.gain, overwrite_x=True))
