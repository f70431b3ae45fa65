"""Contrast with the surroundings: a difference of two Gaussians, split by Otsu's threshold."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field, model_validator
from skimage.filters import threshold_otsu

from metastructure.data.files import ImageArray
from metastructure.unsupervised.base import Grey, Method, Predictor, Score, Work, score_around, to_grey
from metastructure.unsupervised.scale import BAND, between_gaussians, estimate_scale


class Contrast(Method):
    """How much brighter a place is than what surrounds it, which uneven lighting does not change.

    Attributes
    ----------
    small_px : float
        Standard deviation of the Gaussian that takes off pixel noise.
    large_px : float, optional
        Of the Gaussian that is the surroundings; by default twice the scale at which the image varies most
        (`estimate_scale`), and no less than twice `small_px`.

    Notes
    -----
    The threshold is Otsu's on the difference, and at least 0: an object is brighter than its surroundings. Objects
    much wider than `large_px` come out hollow.

    References
    ----------
    Marr and Hildreth, "Theory of edge detection", Proceedings of the Royal Society of London B 207 (1980), for the
    difference of Gaussians. Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on
    Systems, Man, and Cybernetics 9 (1979).
    """

    name: ClassVar[str] = "contrast"

    small_px: float = Field(default=1.0, ge=0, le=100)
    large_px: float | None = Field(default=None, gt=0, le=1000)

    @model_validator(mode="after")
    def _check_order(self) -> "Contrast":
        if self.large_px is not None and self.large_px <= self.small_px:
            raise ValueError(f"large_px must be above small_px, {self.small_px:g}; got {self.large_px:g}")
        return self

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return the method itself: it learns nothing from other images."""
        return lambda image: self._score(to_grey(image, work.side))

    def _score(self, grey: Grey) -> Score:
        large_px = self.large_px or BAND * max(self.small_px, estimate_scale(grey))
        difference = between_gaussians(grey, self.small_px, large_px)
        if difference.min() == difference.max():
            return score_around(grey, threshold_otsu(grey))
        return score_around(difference, max(0.0, float(threshold_otsu(difference))))
