"""Li's threshold: the grey value whose two class means tell the image with the least cross-entropy."""

from collections.abc import Sequence
from typing import ClassVar

from skimage.filters import threshold_li, threshold_otsu

from metastructure.data.files import ImageArray
from metastructure.unsupervised.base import Method, Predictor, Score, Work, score_around, to_grey


class Li(Method):
    """One threshold an image, which makes the cross-entropy between the image and its two-valued version least.

    Notes
    -----
    The search goes down to the nearest minimum. It starts at Otsu's threshold: from the image's mean, scikit-image's
    start, it ends within the background's noise where objects are rare.

    References
    ----------
    Li and Lee, "Minimum cross entropy thresholding", Pattern Recognition 26 (1993). Li and Tam, "An iterative algorithm
    for minimum cross entropy thresholding", Pattern Recognition Letters 19 (1998), is the search.
    """

    name: ClassVar[str] = "li"

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return the method itself: it learns nothing from other images."""

        def predict(image: ImageArray) -> Score:
            grey = to_grey(image, work.side)
            return score_around(grey, threshold_li(grey, initial_guess=threshold_otsu(grey)))

        return predict
