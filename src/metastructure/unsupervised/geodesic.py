"""A morphological geodesic active contour: from around Otsu's objects it shrinks until edges stop it."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy.ndimage import binary_dilation, distance_transform_edt
from skimage.filters import threshold_otsu
from skimage.morphology import disk
from skimage.segmentation import inverse_gaussian_gradient, morphological_geodesic_active_contour

from metastructure.data.files import ImageArray
from metastructure.unsupervised.base import Grey, Method, Predictor, Score, Work, score_around, to_grey


class Geodesic(Method):
    """A contour drawn to edges of the image, by dilations and erosions instead of a level set.

    Attributes
    ----------
    margin_px : int
        How far outside Otsu's objects the contour starts; it may then shrink by up to twice as much.
    smooth_px : float
        Standard deviation of the Gaussian whose gradient tells edges.
    smoothing : int
        Steps of curve smoothing a round.

    Notes
    -----
    A contour stops where the edge measure is below its 40th percentile, the rule of scikit-image. The result is two
    regions; the score is the distance to their boundary. Where a contour finds no edge and vanishes altogether, the
    score is 0. An image narrower than 2 px has no gradient and keeps Otsu's split.

    References
    ----------
    Márquez-Neila, Baumela and Alvarez, "A morphological approach to curvature-based evolution of curves and surfaces",
    IEEE Transactions on Pattern Analysis and Machine Intelligence 36 (2014). Caselles, Kimmel and Sapiro, "Geodesic
    active contours", International Journal of Computer Vision 22 (1997).
    """

    name: ClassVar[str] = "geodesic"

    margin_px: int = Field(default=2, ge=1, le=100)
    smooth_px: float = Field(default=1.0, gt=0, le=100)
    smoothing: int = Field(default=1, ge=0, le=4)

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return the method itself: it learns nothing from other images."""
        return lambda image: self._score(to_grey(image, work.side))

    def _score(self, grey: Grey) -> Score:
        threshold = threshold_otsu(grey)
        if min(grey.shape) < 2:
            return score_around(grey, threshold)
        label = morphological_geodesic_active_contour(
            inverse_gaussian_gradient(np.asarray(grey, dtype=np.float64), sigma=self.smooth_px),
            2 * self.margin_px,
            init_level_set=binary_dilation(grey > threshold, disk(self.margin_px)),
            smoothing=self.smoothing,
            balloon=-1,
        ).astype(bool)
        if label.all() or not label.any():
            return np.asarray(label, dtype=np.float32)
        return score_around(distance_transform_edt(label) - distance_transform_edt(~label), 0.0)
