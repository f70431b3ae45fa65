"""Bootstrap intervals of a study's scores, all resamples at once: each is two vectors of weights.

`S` seeds, `N` test images, `C` classes, `R` resamples. The resamples are those of
`metastructure.metrics.bootstrap_interval` with the same generator, so the intervals are the same to rounding.
"""

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metastructure.metrics import foreground_dice, mean_iou
from metastructure.metrics.interval import Interval
from metastructure.rng import generator

CONFIDENCE = 0.95
AT_ONCE = 100
"""Resamples of pooled tables that are in memory together."""

Counts = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def bootstrap_scores(sides: Sequence[Counts], item: str, num_resamples: int = 1000) -> Interval:
    """Return the score of one side, or the first's minus the second's, in points, with its 95 % interval.

    The score is the mean over seeds and images of each image's Dice for two classes, skipping images without it, and
    the mean over seeds of the pooled mIoU for more.

    Parameters
    ----------
    sides : one or two (S, N, C, C)
        Counts of the same seeds and images; rows truth, columns prediction.
    item : str
        Names the stream of random numbers.
    num_resamples : int

    Returns
    -------
    Interval
        With one seed only images are resampled; with one image and one seed the bounds are NaN.

    Examples
    --------
    >>> half, perfect = [[[4, 0], [4, 2]]], [[[4, 0], [0, 6]]]  # Dice 0.5 and 1
    >>> bootstrap_scores([np.array([half, perfect])], "x")
    Interval(value=75.0, low=50.0, high=100.0)
    """
    S, N = sides[0].shape[:2]
    seeds_RS, images_RN = _draw_weights(item, S, N, num_resamples)
    scores = [_score_resamples(side, seeds_RS, images_RN) for side in sides]
    values_R = scores[0] if len(scores) == 1 else scores[0] - scores[1]
    finite = values_R[1:][~np.isnan(values_R[1:])]
    if (S < 2 and N < 2) or not finite.size:
        return Interval(float(values_R[0]), float("nan"), float("nan"))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return Interval(float(values_R[0]), float(low), float(high))


def _score_resamples(counts_SNCC: Counts, seeds_RS: FloatArray, images_RN: FloatArray) -> FloatArray:
    """Return the score of every resample, in points."""
    S, N, C = counts_SNCC.shape[:3]
    if C == 2:
        dice_SN = foreground_dice(counts_SNCC)
        known_SN = ~np.isnan(dice_SN)
        sums = ((seeds_RS @ np.where(known_SN, dice_SN, 0.0)) * images_RN).sum(axis=1)
        numbers = ((seeds_RS @ known_SN.astype(np.float64)) * images_RN).sum(axis=1)
        return 100 * _divide(sums, numbers)
    flat_NX = counts_SNCC.transpose(1, 0, 2, 3).reshape(N, -1).astype(np.float64)
    parts = []
    for start in range(0, len(images_RN), AT_ONCE):
        pooled_RSCC = (
            (images_RN[start : start + AT_ONCE] @ flat_NX).reshape(-1, S, C, C).astype(np.int64)
        )  # exact to 2**53
        iou_RS, weights_RS = mean_iou(pooled_RSCC), seeds_RS[start : start + AT_ONCE]
        known_RS = ~np.isnan(iou_RS)
        parts.append(_divide((weights_RS * np.where(known_RS, iou_RS, 0.0)).sum(1), (weights_RS * known_RS).sum(1)))
    return 100 * np.concatenate(parts)


@functools.lru_cache(maxsize=64)
def _draw_weights(item: str, num_seeds: int, num_images: int, num_resamples: int) -> tuple[FloatArray, FloatArray]:
    """Return how often each seed and each image counts, (1 + R, S) and (1 + R, N): once in the first row."""
    rng = generator(0, item, "bootstrap")
    seeds_RS = np.ones((1 + num_resamples, num_seeds))
    images_RN = np.ones((1 + num_resamples, num_images))
    for row in range(1, 1 + num_resamples):
        if num_seeds > 1:
            seeds_RS[row] = np.bincount(rng.integers(num_seeds, size=num_seeds), minlength=num_seeds)
        images_RN[row] = np.bincount(rng.integers(num_images, size=num_images), minlength=num_images)
    for array in (seeds_RS, images_RN):
        array.setflags(write=False)
    return seeds_RS, images_RN


def _divide(above: FloatArray, below: FloatArray) -> FloatArray:
    ratio: FloatArray = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return ratio
