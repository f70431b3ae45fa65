"""Bootstrap intervals over test images and seeds.

`S` seeds, `N` images. Seeds and images are crossed (every seed is tested on the same images), so both are
resampled on their own and the same images serve every seed and both sides of a difference.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.integer[Any]]
Statistic = Callable[[Index, Index], float]
"""From the seeds and the images picked, each an array of indices, to one number."""


class Interval(NamedTuple):
    """An estimate with its interval."""

    value: float
    low: float
    high: float


def bootstrap_interval(
    statistic: Statistic,
    num_seeds: int,
    num_images: int,
    rng: np.random.Generator,
    confidence: float = 0.95,
    num_resamples: int = 1000,
) -> Interval:
    """Return a statistic of all seeds and images with its percentile bootstrap interval.

    Parameters
    ----------
    statistic : callable
        ``statistic(seed_index, image_index) -> float``.
    num_seeds, num_images : int
        S and N. With one seed only the images are resampled, and the interval does not speak of other seeds;
        with one image and one seed it is NaN.
    rng : numpy Generator
    confidence : float in (0, 1)
    num_resamples : int

    References
    ----------
    Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13; for crossed factors Owen, "The pigeonhole
    bootstrap", Annals of Applied Statistics 2007.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> scores = np.array([[0.0, 1.0, 1.0, 1.0]])
    >>> got = bootstrap_interval(lambda s, n: scores[np.ix_(s, n)].mean(), 1, 4, generator(0))
    >>> got.value, got.low < got.value <= got.high
    (0.75, True)
    """
    seeds, images = np.arange(num_seeds), np.arange(num_images)
    value = float(statistic(seeds, images))
    if num_seeds < 2 and num_images < 2:
        return Interval(value, float("nan"), float("nan"))
    values = [
        statistic(
            rng.integers(num_seeds, size=num_seeds) if num_seeds > 1 else seeds,
            rng.integers(num_images, size=num_images),
        )
        for _ in range(num_resamples)
    ]
    finite = np.asarray(values)[~np.isnan(values)]
    if not finite.size:
        return Interval(value, float("nan"), float("nan"))
    tail = (1 - confidence) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return Interval(value, float(low), float(high))
