"""A local threshold: objects are brighter than the mean around them by more than noise would make them."""

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field, field_validator
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_local

from metastructure.data.files import ImageArray
from metastructure.unsupervised.base import Grey, Method, Predictor, Score, Work, score_around, to_grey
from metastructure.unsupervised.scale import BAND, estimate_noise, estimate_scale

SIGMAS_PER_WINDOW = 6
"""scikit-image's window is six standard deviations of its Gaussian wide, and one pixel."""

SMALLEST_OFFSET = 0.5 / 255
"""Of the image's range: half a step of 8 bits, so that an image without noise is not split by rounding."""


class Adaptive(Method):
    """A threshold at every pixel: the mean of a window around it, and an offset.

    Attributes
    ----------
    kind : "gaussian" or "mean"
        Whether the window's pixels count less the further away they are, or all alike.
    window_px : int, optional
        Side of the window, odd. By default that of a Gaussian of twice the scale at which the image varies most
        (`estimate_scale`).
    offset : float, optional
        What a pixel must have above the mean, in shares of the image's range. By default what the noise of a flat
        area of the image's size would not reach, ``s sqrt(2 ln(H W))``, with s the noise left after `smooth_px`, and at
        least half a step of 8 bits.
    smooth_px : float
        Standard deviation of the Gaussian that takes off pixel noise beforehand.

    Notes
    -----
    The image is mirrored at its edges. Where lighting changes steeply towards an edge, the window's mean lags behind,
    and a margin of half a window at the bright edge can be taken for object.

    References
    ----------
    Bradley and Roth, "Adaptive thresholding using the integral image", Journal of Graphics Tools 12 (2007), for the
    mean of a window. Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81 (1994), for
    the level that white noise stays below.
    """

    name: ClassVar[str] = "adaptive"

    kind: Literal["gaussian", "mean"] = "gaussian"
    window_px: int | None = Field(default=None, ge=3, le=4001)
    offset: float | None = Field(default=None, ge=-1, le=1)
    smooth_px: float = Field(default=1.0, ge=0, le=100)

    @field_validator("window_px")
    @classmethod
    def _check_odd(cls, window_px: int | None) -> int | None:
        if window_px is not None and window_px % 2 == 0:
            raise ValueError(f"a window has a middle pixel, so its side is odd; got {window_px}")
        return window_px

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return the method itself: it learns nothing from other images."""
        return lambda image: self._score(to_grey(image, work.side))

    def _score(self, grey: Grey) -> Score:
        window_px = self.window_px or 2 * math.ceil(SIGMAS_PER_WINDOW * BAND * estimate_scale(grey) / 2) + 1
        offset = self._noise_offset(grey) if self.offset is None else self.offset
        smooth = gaussian_filter(grey, self.smooth_px)
        return score_around(smooth, threshold_local(smooth, window_px, method=self.kind) + offset)

    def _noise_offset(self, grey: Grey) -> float:
        # A Gaussian of s px leaves 1 / (2 s sqrt(pi)) of white noise, as long as that is less than all of it.
        left = min(1.0, 1 / (2 * self.smooth_px * math.sqrt(math.pi))) if self.smooth_px else 1.0
        return max(SMALLEST_OFFSET, left * estimate_noise(grey) * math.sqrt(2 * math.log(grey.size)))
