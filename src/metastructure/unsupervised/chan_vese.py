"""Chan and Vese's active contour without edges: two flat regions with a short boundary between them."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field
from skimage.filters import threshold_otsu
from skimage.segmentation import chan_vese

from metastructure.data.files import ImageArray
from metastructure.unsupervised.base import Grey, Method, Predictor, Score, Work, score_around, to_grey
from metastructure.unsupervised.shrink import shrink_and_back

STEPS_AT_ONCE, SMALLEST_CHANGE = 10, 1e-4


class ChanVese(Method):
    """The two-valued image nearest to the given one, at a price for each pixel of boundary.

    Attributes
    ----------
    smoothness : float
        Price of a pixel of boundary, in units of the squared difference of the two grey values (mu in the paper, for
        an image whose regions are 0 and 1).
    num_steps : int
        Of the level set, at most; it stops when ten steps change fewer than one pixel in ten thousand.
    max_side_px : int
        An image with a longer side is made smaller first, and the score enlarged again.

    Notes
    -----
    The start is Otsu's split. The score rises with the level set, whose zero is the boundary. Both the mean of a region
    and its area are global, so uneven lighting is not followed.

    References
    ----------
    Chan and Vese, "Active contours without edges", IEEE Transactions on Image Processing 10 (2001).
    """

    name: ClassVar[str] = "chan_vese"

    smoothness: float = Field(default=0.25, gt=0, le=10)
    num_steps: int = Field(default=200, ge=10, le=10_000)
    max_side_px: int = Field(default=1024, ge=16)

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return the method itself: it learns nothing from other images."""
        return lambda image: shrink_and_back(self._score, to_grey(image, work.side), self.max_side_px)

    def _score(self, grey: Grey) -> Score:
        threshold = threshold_otsu(grey)
        start = grey > threshold
        difference = float(grey[start].mean() - grey[~start].mean())
        weight = 1 / difference**2
        level = 2.0 * score_around(grey, threshold) - 1.0
        for _ in range(0, self.num_steps, STEPS_AT_ONCE):
            before = level > 0
            _, level, _ = chan_vese(
                grey,
                mu=self.smoothness,
                lambda1=weight,
                lambda2=weight,
                tol=0,
                max_num_iter=STEPS_AT_ONCE,
                init_level_set=level,
                extended_output=True,
            )
            if np.mean(before != (level > 0)) < SMALLEST_CHANGE:
                break
        return score_around(level, 0.0)
