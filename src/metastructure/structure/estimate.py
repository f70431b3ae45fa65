"""A number with its bootstrap interval and, where it is undefined, the reason; resampling of whole images."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Counts = npt.NDArray[np.int64]

ONE_IMAGE = "one image only: no interval"


class Estimate(BaseModel):
    """A value with an interval; both NaN where `reason` says why, the interval alone for one image.

    Attributes
    ----------
    value, low, high : float
    reason : str or None
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    value: float
    low: float
    high: float
    reason: str | None = None

    def __str__(self) -> str:
        """Return ``0.95 (0.91 to 0.98)``, or ``undefined: `` and the reason.

        Examples
        --------
        >>> print(Estimate(value=0.5, low=0.25, high=0.75))
        0.500 (0.250 to 0.750)
        """
        if np.isnan(self.value):
            return f"undefined: {self.reason}"
        interval = "no interval" if np.isnan(self.low) else f"{self.low:.3f} to {self.high:.3f}"
        return f"{self.value:.3f} ({interval})"


def why_undefined(value: float, reason: str | None, num_images: int) -> str | None:
    """Return `reason` for a value that is NaN, that there is one image only for one without interval, else None.

    Examples
    --------
    >>> why_undefined(0.5, "no pixel", 1), why_undefined(float("nan"), "no pixel", 1), why_undefined(0.5, None, 2)
    ('one image only: no interval', 'no pixel', None)
    """
    if np.isnan(value):
        return reason
    return ONE_IMAGE if num_images < 2 else None


def bootstrap_images(
    statistic: Callable[[Counts], npt.NDArray[np.float64]],
    num_images: int,
    rng: np.random.Generator,
    confidence: float,
    num_resamples: int,
) -> npt.NDArray[np.float64]:
    """Return bootstrap intervals of K statistics over the images, (K, 2).

    Parameters
    ----------
    statistic : callable
        From how often each image counts, an array of N integers, to K numbers.
    num_images : int
        N; the intervals of one image are NaN.
    rng : numpy Generator
        From `metastructure.rng.generator`.
    confidence : float in (0, 1)
    num_resamples : int, at least 1

    Notes
    -----
    Percentiles of the resamples, moved by what they say of the statistic's bias b and widened to hold its value. A sum
    of squares such as the similarity of unrelated labels is too high by b, and its resamples by 2 b: their plain
    percentiles would lie above the value and further from the truth than it. Every image is drawn equally often over
    all resamples, so that b is 0 for a statistic that is a mean. A range such as [0, 1] is for the caller to keep:
    clipping inside the statistic would look like a bias.

    Resamples in which a statistic is NaN are left out of its interval.

    References
    ----------
    Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 10 and 13. Davison, Hinkley, Schechtman,
    "Efficient bootstrap simulation", Biometrika 1986 (equally often).

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> scores = np.array([0.0, 1.0, 1.0, 1.0])
    >>> bootstrap_images(lambda times: np.array([times @ scores / 4]), 4, generator(0), 0.95, 200).tolist()
    [[0.25, 1.0]]
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1; got {confidence}.")
    if num_resamples < 1:
        raise ValueError(f"num_resamples must be at least 1; got {num_resamples}.")
    whole = statistic(np.ones(num_images, dtype=np.int64))
    if num_images < 2:
        return np.full((len(whole), 2), np.nan)
    drawn = np.tile(np.arange(num_images, dtype=np.min_scalar_type(num_images - 1)), num_resamples)
    rng.shuffle(drawn)
    rows = drawn.reshape(num_resamples, num_images)
    values = np.stack([statistic(np.bincount(row, minlength=num_images)) for row in rows])
    tail = (1 - confidence) / 2
    return np.stack([_interval(column, value, tail) for column, value in zip(values.T, whole, strict=True)])


def _interval(values: npt.NDArray[np.float64], whole: float, tail: float) -> npt.NDArray[np.float64]:
    defined = values[~np.isnan(values)]
    if not defined.size or np.isnan(whole):
        return np.full(2, np.nan)
    low, high = np.quantile(defined, [tail, 1 - tail], method="inverted_cdf")
    bias = defined.mean() - whole if np.isfinite(defined).all() and np.isfinite(whole) else 0.0
    return np.array([min(low - 2 * bias, whole), max(high - 2 * bias, whole)])
