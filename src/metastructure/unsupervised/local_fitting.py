"""Local binary fitting: each pixel goes to the nearer of the two grey values that fit its own neighbourhood."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu

from metastructure.data.files import ImageArray
from metastructure.unsupervised.base import Grey, Method, Predictor, Score, Side, Work, to_grey
from metastructure.unsupervised.light import even_out
from metastructure.unsupervised.scale import choose_smoothing
from metastructure.unsupervised.window import GaussianWindow

LIGHTS = (2.0, 4.0, 8.0)
"""Standard deviations of the windows whose mean may be uneven light, in that of the fit."""

MAX_ITERATIONS = 30
MIN_CONTRAST = 0.3
"""Local contrast below this part of the contrast of the whole image counts as that much."""


class LocalFitting(Method):
    """Two grey values that vary over the image, one of the objects and one of the background.

    Beginning from Otsu's threshold, the mean of the objects and that of the background are taken with a Gaussian window
    around each pixel, and the pixel joins the nearer one, until nothing changes. Uneven light, where there is any, is
    taken off before (`metastructure.unsupervised.light`).

    Parameters
    ----------
    scale_px : float
        Standard deviation of the window.
    smoothing_px : float, optional
        Standard deviation of a Gaussian smoothing before; without it the least of SMOOTHING_PX that brings the image's
        noise under MAX_NOISE of its contrast.
    pull : float
        Share of the window that the means over the whole image count for, which decides where a window holds one class
        only: flat ground then stays ground.

    References
    ----------
    Li, Kao, Gore and Ding, "Implicit active contours driven by local binary fitting energy", CVPR 2007; its energy
    without the length of the contour, minimised in turn over the two means and the label.
    """

    name: ClassVar[str] = "local_fitting"

    scale_px: Annotated[float, Field(gt=0, le=1000)] = 8.0
    smoothing_px: Annotated[float, Field(ge=0, le=100)] | None = None
    pull: Annotated[float, Field(gt=0, le=1)] = 0.02

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return the method itself: it learns nothing from other images."""

        def predict(image: ImageArray) -> Score:
            return np.asarray(0.5 + 0.5 * np.clip(self.evidence(image, work.side), -1, 1), dtype=np.float32)

        return predict

    def evidence(self, image: ImageArray, side: Side) -> Grey:
        """Return how far each pixel lies on the object's side of the local midpoint, in units of the local contrast.

        About 0.5 in objects and -0.5 in the background; (H, W) float32.
        """
        grey = even_out(to_grey(image, side), [width * self.scale_px for width in LIGHTS])
        smoothing_px = self.smoothing_px
        if smoothing_px is None:
            smoothing_px = choose_smoothing(grey)
        grey = gaussian_filter(grey, smoothing_px)
        inside = grey > threshold_otsu(grey)
        bright, dark = float(grey[inside].mean()), float(grey[~inside].mean())
        grey = np.asarray((grey - dark) / (bright - dark), dtype=np.float32)
        mean = GaussianWindow(grey.shape, self.scale_px)
        light = mean(grey)
        for _ in range(MAX_ITERATIONS):
            share, light_inside = mean(inside), mean(grey * inside)
            above = (light_inside + self.pull) / (share + self.pull)
            below = (light - light_inside) / (1 - share + self.pull)
            middle = (above + below) / 2
            before, inside = inside, grey > middle
            if np.array_equal(before, inside) or not inside.any() or inside.all():
                break
        return np.asarray((grey - middle) / np.maximum(above - below, MIN_CONTRAST), dtype=np.float32)
