"""A mixture of two Gaussians whose classes are a Markov random field: neighbours tend to be alike."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.ndimage import convolve
from scipy.special import expit
from skimage.filters import threshold_otsu

from metastructure.data.files import ImageArray
from metastructure.unsupervised.base import Grey, Method, Predictor, Score, Work, to_grey

NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=np.float64)
SMALLEST_SD = 0.5 / 255
"""Of the image's range: half a step of 8 bits."""

Plane = npt.NDArray[np.float64]


class GaussianMixture(Method):
    """The probability of the bright class, from a pixel's grey value and what its neighbours are.

    Attributes
    ----------
    beta : float
        How much a neighbour counts: each of the eight that is object adds `beta` to the log odds, each that is
        background takes it off. 0 leaves a plain mixture with equal weights. The default is Besag's.
    num_rounds : int
        Of expectation (class probabilities in the mean field of the neighbours') and maximisation (the two means and
        variances), at most; it stops when no probability moves by 0.001.

    Notes
    -----
    The start is Otsu's split. Each round moves probabilities half way to where the mean field calls them, without which
    neighbours that are updated together can swing to and fro. Variances are free, so one Gaussian alone would win again
    at both ends of the grey values; a value beyond either mean is judged as that mean.

    References
    ----------
    Zhang, Brady and Smith, "Segmentation of brain MR images through a hidden Markov random field model and the
    expectation-maximization algorithm", IEEE Transactions on Medical Imaging 20 (2001). J. Zhang, "The mean field
    theory in EM procedures for Markov random fields", IEEE Transactions on Signal Processing 40 (1992). Besag, "On the
    statistical analysis of dirty pictures", Journal of the Royal Statistical Society B 48 (1986), for beta = 1.5.
    """

    name: ClassVar[str] = "gaussian_mixture"

    beta: float = Field(default=1.5, ge=0, le=20)
    num_rounds: int = Field(default=60, ge=1, le=1000)

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return the method itself: it learns nothing from other images."""
        return lambda image: self._score(to_grey(image, work.side))

    def _score(self, grey: Grey) -> Score:
        values = np.asarray(grey, dtype=np.float64)
        object_ = (values > threshold_otsu(grey)).astype(np.float64)
        for _ in range(self.num_rounds):
            field = self.beta * convolve(2 * object_ - 1, NEIGHBOURS, mode="constant")
            called = expit(_log_ratio(values, object_) + field)
            moved = 0.5 * (called - object_)
            object_ = object_ + moved
            if np.abs(moved).max() < 1e-3:
                break
        return np.asarray(called, dtype=np.float32)


def _log_ratio(values: Plane, object_: Plane) -> Plane:
    """Return the log density of the object's Gaussian less that of the background's, both fitted by weight."""
    (low, low_sd), (high, high_sd) = (_fit(values, weight) for weight in (1 - object_, object_))
    if high <= low:
        return np.zeros(values.shape)
    between = np.clip(values, low, high)
    from_low, from_high = (between - low) / low_sd, (between - high) / high_sd
    return np.asarray(0.5 * (from_low**2 - from_high**2) + np.log(low_sd / high_sd))


def _fit(values: Plane, weight: Plane) -> tuple[float, float]:
    total = max(float(weight.sum()), 1e-12)
    mean = float((weight * values).sum()) / total
    return mean, max(SMALLEST_SD, (float((weight * (values - mean) ** 2).sum()) / total) ** 0.5)
