"""A ridge filter for tubular structures: bright lines of about one width, split by Otsu's threshold."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from skimage.filters import frangi, sato, threshold_otsu
from skimage.measure import perimeter

from metastructure.data.files import ImageArray
from metastructure.unsupervised.base import Grey, Method, Predictor, Score, Work, score_around, to_grey
from metastructure.unsupervised.scale import BAND, between_gaussians, estimate_scale

SCALE_STEPS = (2**-0.5, 1.0, 2**0.5)


class Ridge(Method):
    """How much a place looks like a bright line, from the second derivatives across it.

    Attributes
    ----------
    kind : "sato" or "frangi"
        Sato's filter takes the curvature across a line; Frangi's also weighs it against that along the line.
    half_width_px : float, optional
        Half the width of the lines, which is the standard deviation of the filter; responses at it, and at 0.7 and 1.4
        times it, compete. By default `estimate_half_width`.

    Notes
    -----
    Blobs much wider than the lines are told only by their edges; nothing here makes a round object whole.

    References
    ----------
    Sato et al., "Three-dimensional multi-scale line filter for segmentation and visualization of curvilinear structures
    in medical images", Medical Image Analysis 2 (1998). Frangi et al., "Multiscale vessel enhancement filtering",
    Medical Image Computing and Computer-Assisted Intervention (1998).
    """

    name: ClassVar[str] = "ridge"

    kind: Literal["sato", "frangi"] = "sato"
    half_width_px: float | None = Field(default=None, ge=0.5, le=100)

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return the method itself: it learns nothing from other images."""
        return lambda image: self._score(to_grey(image, work.side))

    def _score(self, grey: Grey) -> Score:
        half_width_px = self.half_width_px or estimate_half_width(grey)
        scales = [half_width_px * step for step in SCALE_STEPS]
        filter_ = sato if self.kind == "sato" else frangi
        response = filter_(np.asarray(grey, dtype=np.float64), scales, black_ridges=False, mode="reflect")
        if response.min() == response.max():
            return score_around(grey, threshold_otsu(grey))
        return score_around(response, threshold_otsu(response))


def estimate_half_width(grey: Grey) -> float:
    """Return half the mean width, in px, of what is brighter than its surroundings, at least 1.

    Parameters
    ----------
    grey : (H, W) array

    Notes
    -----
    Area over length of boundary, which for a long line is half its width and for a disc half its radius. The label is
    Otsu's on the difference of Gaussians of 1 px and of twice the `estimate_scale`; only the order of its size matters.

    Examples
    --------
    >>> image = np.zeros((60, 80), dtype=np.float32)
    >>> image[20:26] = 1
    >>> round(estimate_half_width(image))
    3
    """
    difference = between_gaussians(grey, 1.0, BAND * estimate_scale(grey))
    if difference.min() == difference.max():
        return 1.0
    label = np.pad(difference > max(0.0, float(threshold_otsu(difference))), 1, mode="edge")
    length = float(perimeter(label))
    return max(1.0, float(label.sum()) / length) if length else 1.0
