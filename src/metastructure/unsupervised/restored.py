"""Another method, on images without uneven light, without noise and, where classes get more compact, without blur."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import field_validator

from metastructure.data.files import ImageArray
from metastructure.unsupervised.base import Grey, Method, Predictor, Score, Work, middle, to_grey
from metastructure.unsupervised.light import even_out
from metastructure.unsupervised.local_fitting import LocalFitting
from metastructure.unsupervised.methods import parse_method, parse_untrained
from metastructure.unsupervised.restore import restore_at_gains

MAX_GAINS = (1.0, 1.5, 2.0)
"""How much a frequency may be amplified to undo blur."""


class Restored(Method):
    """A method that needs no training, given each image as it probably was before uneven light, noise and blur.

    Boundaries of small objects gain most: blurred, a thin line is as wide as the blur at any threshold.

    Parameters
    ----------
    method : str
        It sees the mean over the channels, with the objects bright.

    Notes
    -----
    Light is taken off by `metastructure.unsupervised.light`, where that shows the objects better.
    `metastructure.unsupervised.restore` tells blur and noise from the image's spectrum. Noise that is not white, such
    as a camera's or a codec's smoothed noise, passes for blurred detail there, and undoing its blur would bring it
    out; texture passes for it too, and would be smoothed. So each image takes, of itself and the filtered ones of
    MAX_GAINS, the one whose pixels lie nearest to the two grey values of object and background around them
    (`dispersion`): less noise and less blur draw pixels to these two, more of either drives them away.
    """

    name: ClassVar[str] = "restored"

    method: str = "local_fitting"

    @field_validator("method")
    @classmethod
    def _check(cls, method: str) -> str:
        if isinstance(parse_untrained("method", method), Restored):
            raise ValueError(f"method must be another one than restored; got {method!r}")
        return method

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return the inner method on restored images: neither learns anything from other images."""
        inner = parse_method(self.method).fit(images, replace(work, side="bright"))

        def predict(image: ImageArray) -> Score:
            return inner(choose_restored(even_out(to_grey(image, work.side))))

        return predict


def choose_restored(grey: Grey) -> Grey:
    """Return, of an image and its restored versions, the one of least `dispersion`; (H, W), objects bright."""
    return min([grey, *restore_at_gains(grey, MAX_GAINS)], key=lambda image: dispersion(middle(image)))


def dispersion(grey: Grey) -> float:
    """Return the mean squared distance of pixels to the nearer of two local grey values, in units of their distance.

    Parameters
    ----------
    grey : (H, W) array
        Objects bright. One value only has no dispersion: infinite.

    Notes
    -----
    The two values are those of `LocalFitting` without smoothing, which lie at +0.5 and -0.5 of its evidence.
    """
    if grey.min() == grey.max():
        return float("inf")
    distance = np.abs(LocalFitting(smoothing_px=0).evidence(grey, "bright")) - 0.5
    return float(np.square(distance, dtype=np.float64).mean())
