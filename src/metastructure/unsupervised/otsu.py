"""Otsu's threshold: the grey value that splits an image into the two classes of least variance within."""

from collections.abc import Sequence
from typing import ClassVar

from skimage.filters import threshold_otsu

from metastructure.data.files import ImageArray
from metastructure.unsupervised.base import Method, Predictor, Score, Work, score_around, to_grey


class Otsu(Method):
    """One threshold an image, which makes the variance within the two classes least.

    References
    ----------
    Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and Cybernetics
    9 (1979).
    """

    name: ClassVar[str] = "otsu"

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return the method itself: it learns nothing from other images."""

        def predict(image: ImageArray) -> Score:
            grey = to_grey(image, work.side)
            return score_around(grey, threshold_otsu(grey))

        return predict
