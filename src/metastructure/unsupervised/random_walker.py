"""The random walker from automatic seeds: a pixel is what a walk from it, which shuns edges, reaches first."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu
from skimage.segmentation import random_walker

from metastructure.data.files import ImageArray
from metastructure.unsupervised.base import Grey, Method, Predictor, Score, Work, to_grey
from metastructure.unsupervised.shrink import shrink_and_back

BACKGROUND, OBJECT = 1, 2


class RandomWalker(Method):
    """The probability that a random walk reaches a seed of the object before one of the background.

    Attributes
    ----------
    doubt : float
        Which pixels are no seeds: those nearer to Otsu's threshold than this share of the way to the mean of their
        side. 0 makes all pixels seeds and leaves Otsu's split; at 1 only pixels beyond the two means are seeds.
    beta : float
        How much a difference of grey values hinders a step.
    smooth_px : float
        Standard deviation of the Gaussian before seeds are chosen and walks are walked: noise would make seeds, and
        walls that no walk passes.
    max_side_px : int
        An image with a longer side is made smaller first, and the score enlarged again.

    Notes
    -----
    The default of `beta` is that of scikit-image, which divides it by the image's standard deviation. Solved by
    conjugate gradients; rounding beyond [0, 1] is cut off.

    References
    ----------
    Grady, "Random walks for image segmentation", IEEE Transactions on Pattern Analysis and Machine Intelligence 28
    (2006).
    """

    name: ClassVar[str] = "random_walker"

    doubt: float = Field(default=0.5, ge=0, le=1)
    beta: float = Field(default=130.0, gt=0, le=1e5)
    smooth_px: float = Field(default=1.0, ge=0.5, le=100)
    max_side_px: int = Field(default=1024, ge=16)

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return the method itself: it learns nothing from other images."""
        return lambda image: shrink_and_back(self._score, to_grey(image, work.side), self.max_side_px)

    def _score(self, grey: Grey) -> Score:
        smooth = gaussian_filter(grey, self.smooth_px)
        smooth = grey if smooth.min() == smooth.max() else smooth
        seeds = np.zeros(grey.shape, dtype=np.int32)
        threshold = threshold_otsu(smooth)
        bright = smooth > threshold
        seeds[~bright & (smooth <= threshold + self.doubt * (smooth[~bright].mean() - threshold))] = BACKGROUND
        seeds[bright & (smooth >= threshold + self.doubt * (smooth[bright].mean() - threshold))] = OBJECT
        if seeds.all():
            return np.asarray(seeds == OBJECT, dtype=np.float32)
        probability = random_walker(
            np.asarray(smooth, dtype=np.float64),
            seeds,
            beta=self.beta,
            mode="cg_j",
            tol=1e-5,
            return_full_prob=True,
            prob_tol=0.01,
        )[1]
        return np.asarray(np.clip(probability, 0, 1), dtype=np.float32)
