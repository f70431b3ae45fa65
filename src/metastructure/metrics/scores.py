"""The scores of predicted labels: each class and all together, with bootstrap intervals over images.

`C` classes, `N` images, `R` resamples and, before them, the images as they are.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metastructure.metrics.interval import Interval
from metastructure.metrics.overlap import FloatArray, accuracy, dice, iou, nanmean
from metastructure.rng import generator

CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class ClassScores:
    """One class: its share of the true pixels, and its scores.

    Attributes
    ----------
    klass : int
    share : float
        Of the counted pixels, in the reference labels.
    dice, iou : Interval
        Of the pixels of all images together.
    image_dice : Interval
        Mean over the images that have a Dice for it.
    """

    klass: int
    share: float
    dice: Interval
    iou: Interval
    image_dice: Interval


@dataclass(frozen=True, eq=False)
class Scores:
    """All scores of a set of images; NaN where nothing can be said.

    Attributes
    ----------
    ids : tuple of N str
    tables_NCC : (N, C, C) array of int64
        Rows the reference, columns the prediction.
    classes : tuple of C ClassScores
    dice, iou, image_dice : Interval
        Means over classes: Dice over the classes 1..C-1, pooled and per image; IoU over all, pooled (the mIoU).
    accuracy : Interval
        Pooled.
    """

    ids: tuple[str, ...]
    tables_NCC: npt.NDArray[np.int64]
    classes: tuple[ClassScores, ...]
    dice: Interval
    iou: Interval
    image_dice: Interval
    accuracy: Interval


def make_scores(
    ids: Sequence[str],
    tables_NCC: npt.NDArray[np.int64],
    *,
    without: Collection[int] = (),
    seed: int = 0,
    num_resamples: int = 1000,
) -> Scores:
    """Return the scores of N images from their contingency tables.

    Parameters
    ----------
    ids : sequence of N str
    tables_NCC : (N, C, C) array of counts
        Rows the reference, columns the prediction.
    without : collection of int
        Classes whose scores are NaN whatever was predicted, such as those a network never saw; means skip them.
    seed : int
        Of the bootstrap over images; with one image the intervals are NaN.
    num_resamples : int

    Raises
    ------
    ValueError
        If there are no images, or not as many ids as tables.

    Notes
    -----
    The percentile bootstrap of `bootstrap_interval` over images, for all scores at once: each resample is a vector of
    weights, and a pooled table is a weighted sum of tables.

    Examples
    --------
    >>> scores = make_scores(["a", "b"], np.array([[[5, 1], [2, 2]], [[4, 0], [0, 0]]]))
    >>> round(scores.dice.value, 4), round(scores.image_dice.value, 4), scores.accuracy.value  # b has no foreground
    (0.5714, 0.5714, 0.7857142857142857)
    """
    tables = np.asarray(tables_NCC, dtype=np.int64)
    if tables.ndim != 3 or not len(tables) or len(tables) != len(ids):
        raise ValueError(f"Give one (C, C) table an image, and at least one; got {len(ids)} ids, {tables.shape}.")
    C = tables.shape[1]
    defined_C = np.where(np.isin(np.arange(C), list(without)), np.nan, 1.0)
    weights_RN = _draw_weights(len(tables), generator(seed, "", "bootstrap"), num_resamples)
    pooled_RCC = (weights_RN @ tables.reshape(len(tables), -1)).reshape(-1, C, C).astype(np.int64)  # exact to 2**53
    dice_RC, iou_RC = dice(pooled_RCC) * defined_C, iou(pooled_RCC) * defined_C
    dice_NC = dice(tables) * defined_C
    image_dice_RC = _weighted_nanmean(weights_RN, dice_NC)
    true_C = tables.sum(axis=(0, 2))
    classes = tuple(
        ClassScores(
            klass,
            float(true_C[klass] / true_C.sum()) if true_C.any() else float("nan"),
            _interval(dice_RC[:, klass]),
            _interval(iou_RC[:, klass]),
            _interval(image_dice_RC[:, klass]),
        )
        for klass in range(C)
    )
    return Scores(
        tuple(ids),
        tables,
        classes,
        _interval(nanmean(dice_RC[:, 1:], axis=1)),
        _interval(nanmean(iou_RC, axis=1)),
        _interval(_weighted_nanmean(weights_RN, nanmean(dice_NC[:, 1:], axis=1)[:, None])[:, 0]),
        _interval(accuracy(pooled_RCC)),
    )


def _draw_weights(num_images: int, rng: np.random.Generator, num_resamples: int) -> FloatArray:
    """Return how often each image counts, (1 + R, N): once in the first row, then as drawn with replacement."""
    drawn = [np.bincount(rng.integers(num_images, size=num_images), minlength=num_images) for _ in range(num_resamples)]
    return np.stack([np.ones(num_images), *(drawn if num_images > 1 else [])]).astype(np.float64)


def _weighted_nanmean(weights_RN: FloatArray, values_NC: FloatArray) -> FloatArray:
    known_NC = ~np.isnan(values_NC)
    sums, counts = weights_RN @ np.where(known_NC, values_NC, 0.0), weights_RN @ known_NC
    means: FloatArray = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means


def _interval(values_R: FloatArray) -> Interval:
    """Return the first value with the percentile interval of the others; NaN ones count for nothing."""
    value, resampled = float(values_R[0]), values_R[1:]
    resampled = resampled[~np.isnan(resampled)]
    if not resampled.size:
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value, float(low), float(high))
