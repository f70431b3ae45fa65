"""The triangle threshold: the grey value furthest below the line from the histogram's peak to its far end."""

from collections.abc import Sequence
from typing import ClassVar

from skimage.filters import threshold_triangle

from metastructure.data.files import ImageArray
from metastructure.unsupervised.base import Method, Predictor, Score, Work, score_around, to_grey


class Triangle(Method):
    """One threshold an image, for a histogram of one peak (the background) with a long tail (the objects).

    Notes
    -----
    The tail is the longer side of the peak. Where that is the dark side, the threshold lies below the peak, and most of
    the image is taken for object.

    References
    ----------
    Zack, Rogers and Latt, "Automatic measurement of sister chromatid exchange frequency", Journal of Histochemistry and
    Cytochemistry 25 (1977).
    """

    name: ClassVar[str] = "triangle"

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return the method itself: it learns nothing from other images."""

        def predict(image: ImageArray) -> Score:
            grey = to_grey(image, work.side)
            return score_around(grey, threshold_triangle(grey))

        return predict
